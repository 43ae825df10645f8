//! The customers as they are now: as they were at the start, with what has been changed since. Nothing is kept on disk.

use std::collections::HashMap;

use tokio::sync::Mutex;

use super::picture::Pictures;
use super::{Profile, people};
use crate::problem::Problem;

/// Everybody can be invented, but not everybody remembered.
const MAX_CHANGED: usize = 10_000;

#[derive(Default)]
pub struct Register {
    changed: Mutex<HashMap<String, Profile>>,
    pub pictures: Pictures,
}

impl Register {
    pub async fn find(&self, id: &str) -> Result<Profile, Problem> {
        let profile = people::find(id).ok_or_else(|| Problem::not_found("no profile has this id"))?;
        let changed = self.changed.lock().await;
        Ok(changed.get(&profile.id).cloned().unwrap_or(profile))
    }

    /// Those that exist, in the order of their ids.
    pub async fn find_all(&self, ids: Vec<&str>) -> Vec<Profile> {
        let changed = self.changed.lock().await;
        let found = ids.into_iter().filter_map(people::find);
        found.map(|profile| changed.get(&profile.id).cloned().unwrap_or(profile)).collect()
    }

    pub async fn change(&self, id: &str, change: impl FnOnce(&mut Profile)) -> Result<Profile, Problem> {
        let mut profile = self.find(id).await?;
        let mut changed = self.changed.lock().await;
        if changed.len() >= MAX_CHANGED && !changed.contains_key(&profile.id) {
            return Err(Problem::unavailable("too many profiles have been changed since the start"));
        }
        change(&mut profile);
        changed.insert(profile.id.clone(), profile.clone());
        Ok(profile)
    }
}
