//! The keys as an operator sees them.

use std::fmt;

use time::OffsetDateTime;
use time::macros::format_description;

use super::rotation::Rules;
use crate::store::{KeyState, SigningKey};

pub struct Listing {
    pub keys: Vec<SigningKey>,
    pub rules: Rules,
}

impl fmt::Display for Listing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.keys.is_empty() {
            return writeln!(f, "there are no keys yet; the first start of a server makes them");
        }
        writeln!(f, "{:43}  {:9}  {:8}  {:16}  then", "kid", "algorithm", "state", "since (UTC)")?;
        for key in &self.keys {
            let since = key.state_since;
            let then = match key.state {
                KeyState::Next => format!("may sign from {}", minute(since + self.rules.ahead)),
                KeyState::Current => format!("signs until {}", minute(since + self.rules.every)),
                KeyState::Retiring => format!("verifies until {}", minute(since + self.rules.keep)),
            };
            let (state, since) = (key.state.as_str(), minute(since));
            writeln!(f, "{:43}  {:9}  {state:8}  {since:16}  {then}", key.kid, key.algorithm)?;
        }
        Ok(())
    }
}

pub fn minute(at: OffsetDateTime) -> String {
    let format = format_description!("[year]-[month]-[day] [hour]:[minute]");
    at.to_offset(time::UtcOffset::UTC).format(format).unwrap_or_default()
}
