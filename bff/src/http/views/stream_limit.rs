//! How many streams one account may hold open, so that nobody takes the places of everybody.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use uuid::Uuid;

use crate::http::Problem;

/// The open streams by account; one for all views.
#[derive(Clone, Default)]
pub struct StreamLimit(Arc<Mutex<HashMap<Uuid, usize>>>);

/// One open stream, until it is dropped.
pub struct OpenStream {
    limit: StreamLimit,
    account: Uuid,
}

/// Several devices with several pages each.
const MAX_PER_ACCOUNT: usize = 32;
const RETRY: Duration = Duration::from_secs(5);

impl StreamLimit {
    pub fn open(&self, account: Uuid) -> Result<OpenStream, Problem> {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.entry(account).or_default();
        if *count == MAX_PER_ACCOUNT {
            return Err(Problem::too_many_requests(RETRY)
                .code("too-many-streams", "This account has too many open streams")
                .detail(format!("At most {MAX_PER_ACCOUNT} can be open at once; close one first")));
        }
        *count += 1;
        Ok(OpenStream { limit: self.clone(), account })
    }
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        let mut open = self.limit.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&self.account) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.account);
            }
        }
    }
}
