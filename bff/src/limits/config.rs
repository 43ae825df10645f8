//! What callers may ask for: `[limits]`.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::Quota;

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    pub enforce: Enforce,
    /// One account, for all views and account routes together.
    pub caller: Quota,
    /// Instead of `caller`, for accounts of a role.
    pub roles: Roles,
    /// For one view, each caller by itself.
    pub views: BTreeMap<String, Quota>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Roles {
    pub user: Option<Quota>,
    pub operator: Option<Quota>,
    pub auditor: Option<Quota>,
    pub admin: Option<Quota>,
    pub partner: Option<Quota>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Enforce {
    /// In production only, so that nobody measures the limit instead of the server.
    #[default]
    Auto,
    On,
    Off,
}

impl Enforce {
    pub fn is_on(self, production: bool) -> bool {
        match self {
            Self::Auto => production,
            Self::On => true,
            Self::Off => false,
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self { enforce: Enforce::Auto, caller: Quota::of(1_200, 60), roles: Roles::default(), views: BTreeMap::new() }
    }
}

impl Config {
    /// What cannot work, beyond what the types refuse.
    pub fn problems(&self, production: bool) -> Vec<String> {
        if production && self.enforce == Enforce::Off {
            return vec!["limits.enforce: production does not go without; raise its numbers".to_owned()];
        }
        Vec::new()
    }
}
