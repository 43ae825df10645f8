//! What sending codes may cost: for each client address, each channel, and each country or range of numbers.

use std::net::IpAddr;
use std::num::NonZeroU32;

use super::config::BudgetsConfig;
use crate::identity::account::Identifier;
use crate::identity::error::Error;
use crate::limits::{Key, Limited, Limits, Policy, Quota};

pub struct Budgets {
    limits: Limits,
    address: Option<Policy>,
    email: Option<Policy>,
    sms: Option<Policy>,
    numbers: Numbers,
}

/// Which numbers are served.
enum Numbers {
    /// Where no message leaves the house.
    All,
    /// By how they begin, the longest first; without a policy they get nothing.
    Listed(Vec<(String, Option<Policy>)>),
}

const HOUR_S: u32 = 3_600;
const DAY_S: u32 = 86_400;

impl Budgets {
    /// In development every number is served unless some are named.
    pub fn new(config: &BudgetsConfig, limits: Limits, development: bool) -> Self {
        let policy = |name: &str, count: u32, span: u32| {
            let requests = NonZeroU32::new(count)?;
            let per_s = NonZeroU32::new(span)?;
            Some(limits.policy(name, Quota { requests, per_s }))
        };
        let numbers = if development && config.sms_per_day.is_empty() {
            Numbers::All
        } else {
            let listed = config.sms_per_day.iter().map(|(prefix, count)| {
                (prefix.clone(), policy(&format!("codes-sms-{}", prefix.trim_start_matches('+')), *count, DAY_S))
            });
            let mut listed: Vec<_> = listed.collect();
            listed.sort_by_key(|(prefix, _)| std::cmp::Reverse(prefix.len()));
            Numbers::Listed(listed)
        };
        Self {
            address: policy("codes-address", config.per_address_per_hour, HOUR_S),
            email: policy("codes-email", config.emails_per_hour, HOUR_S),
            sms: policy("codes-sms", config.sms_per_hour, HOUR_S),
            numbers,
            limits,
        }
    }

    /// Whether any code is sent there.
    pub fn serves(&self, identifier: &Identifier) -> Result<(), Error> {
        match (identifier, &self.numbers) {
            (Identifier::Phone(number), Numbers::Listed(listed)) => prefix(listed, number).map(|_| ()),
            _ => Ok(()),
        }
    }

    pub async fn take_from_address(&self, address: Option<IpAddr>) -> Result<(), Error> {
        let Some(address) = address else { return Ok(()) };
        self.take(&Key::address(address), self.address.as_ref()).await.map_err(Error::Limited)
    }

    pub async fn take_from_channel(&self, identifier: &Identifier) -> Result<(), Error> {
        let everybody = Key::Everybody;
        let spent = |Limited { retry_after, .. }: Limited| {
            Error::BudgetSpent(time::Duration::try_from(retry_after).unwrap_or(time::Duration::MAX))
        };
        match (identifier, &self.numbers) {
            (Identifier::Email(_), _) => self.take(&everybody, self.email.as_ref()).await.map_err(spent),
            (Identifier::Phone(number), numbers) => {
                if let Numbers::Listed(listed) = numbers {
                    let policy = prefix(listed, number)?;
                    self.take(&everybody, Some(policy)).await.map_err(spent)?;
                }
                self.take(&everybody, self.sms.as_ref()).await.map_err(spent)
            }
        }
    }

    async fn take(&self, key: &Key, policy: Option<&Policy>) -> Result<(), Limited> {
        match policy {
            Some(policy) => self.limits.take(key, policy).await.map(drop),
            None => Ok(()),
        }
    }
}

fn prefix<'a>(listed: &'a [(String, Option<Policy>)], number: &str) -> Result<&'a Policy, Error> {
    let fits = listed.iter().find(|(prefix, _)| number.starts_with(prefix.as_str()));
    fits.and_then(|(_, policy)| policy.as_ref()).ok_or(Error::NotServed)
}
