//! Every try at a password, wherever one is asked for: counted before it costs anything, and taken back if it was right.
//!
//! Names of accounts are kept as keyed hashes, those of accounts that do not exist like all others. Where the counts cannot
//! be read or written nobody may try, and each address may hear that only so often.

use std::net::IpAddr;
use std::sync::Arc;

use aws_lc_rs::hmac;
use bytes::Bytes;
use time::OffsetDateTime;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::account::Identifier;
use super::device::{DeviceId, Devices};
use super::error::Error;
use super::master_key::MasterKey;
use super::password::PasswordError;
use super::session::Client;
use super::throttle::{self, Failure, Rules, Tries};
use super::turns::Turns;
use crate::limits::{Key, Limits, Policy, Quota, household};
use crate::store::KeyValue;

pub struct Attempts {
    values: KeyValue,
    limits: Limits,
    address: Policy,
    rules: Rules,
    names: hmac::Key,
    pub devices: Devices,
    turns: Turns,
    /// Tries that are under way: as many as can be compared before their clients give up.
    places: Arc<Semaphore>,
}

/// A try that counts as wrong unless it is settled otherwise.
pub struct Attempt {
    record: String,
    bucket: Key,
    failure: Failure,
    _place: OwnedSemaphorePermit,
}

/// A compare-and-put loses only against another replica at work on the same account; more often than failures are free.
const MAX_TRIES: usize = 10;
const PLACES_PER_CORE: usize = 20;

impl Attempts {
    pub fn new(rules: Rules, master: &MasterKey, values: KeyValue, limits: Limits, cores: usize) -> Self {
        let quota = Quota::at_least_one(rules.address_failures, rules.window_s);
        Self {
            values,
            address: limits.policy("login", quota),
            limits,
            rules,
            names: hmac::Key::new(hmac::HMAC_SHA256, master.derive("names of tries").as_bytes()),
            devices: Devices::new(&master.derive("known devices")),
            turns: Turns::default(),
            places: Arc::new(Semaphore::new(cores * PLACES_PER_CORE)),
        }
    }

    /// To be asked before anything is looked up or compared.
    pub async fn begin(&self, identifier: &Identifier, client: &Client, now: OffsetDateTime) -> Result<Attempt, Error> {
        // A crowd is turned away before it costs anything.
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_| PasswordError::Busy)?;
        let token = client.device.as_deref();
        let device = token.and_then(|token| self.devices.known(token, identifier, now));
        let record = self.record(identifier, device);
        let bucket = self.bucket(client.address, device);
        self.limits.take(&bucket, &self.address).await.map_err(Error::Limited)?;
        let side = self.side(client.address);
        let begun = self.apply(&record, |tries| match throttle::begin(&self.rules, tries, side, now) {
            Ok((tries, failure)) => (Some(tries), Ok(failure)),
            Err(wait) => (None, Err(wait)),
        });
        match begun.await? {
            Ok(failure) => Ok(Attempt { record, bucket, failure, _place: place }),
            Err(wait) => {
                // Nothing was tried, and whoever is told to wait has failed often enough already.
                self.limits.give_back(&bucket, &self.address).await;
                Err(Error::TooOften(wait))
            }
        }
    }

    /// The password was right.
    pub async fn right(&self, attempt: Attempt) {
        self.settle(attempt, throttle::right).await;
    }

    /// No password was compared.
    pub async fn void(&self, attempt: Attempt) {
        self.settle(attempt, throttle::void).await;
    }

    /// Where it fails the try goes on counting as wrong, which is no reason to turn its owner away.
    async fn settle(&self, attempt: Attempt, how: impl Fn(&Tries, Failure) -> Tries) {
        let Attempt { record, bucket, failure, _place } = attempt;
        self.limits.give_back(&bucket, &self.address).await;
        if let Err(error) = self.apply(&record, |tries| (Some(how(tries, failure)), ())).await {
            tracing::debug!(%error, "a try at a password goes on counting as wrong");
        }
    }

    /// One after the other in this replica, so that only replicas contend.
    async fn apply<T>(&self, key: &str, step: impl Fn(&Tries) -> (Option<Tries>, T)) -> Result<T, Error> {
        let _turn = self.turns.wait(key).await;
        let remembered = throttle::remembered(&self.rules).unsigned_abs();
        for _ in 0..MAX_TRIES {
            let stored = self.values.get(key).await?;
            let (next, outcome) = step(&read(stored.as_ref()));
            let Some(next) = next else { return Ok(outcome) };
            let next = serde_json::to_vec(&next).expect("numbers can always be written");
            if self.values.compare_and_put(key, stored.as_deref(), &next, remembered).await? {
                return Ok(outcome);
            }
        }
        Err(Error::Contended)
    }

    /// A known device has a record of its own, and so a budget that strangers cannot spend.
    fn record(&self, identifier: &Identifier, device: Option<DeviceId>) -> String {
        let device = device.as_ref().map_or(&[][..], DeviceId::as_bytes);
        let name = hex(&self.hash(&[b"account", identifier.as_str().as_bytes(), device]));
        format!("tries:{name}")
    }

    fn bucket(&self, address: Option<IpAddr>, device: Option<DeviceId>) -> Key {
        match (device, address) {
            (Some(device), _) => Key::Hash(self.hash(&[b"device", device.as_bytes()])),
            (None, Some(address)) => Key::address(address),
            (None, None) => Key::Everybody,
        }
    }

    /// Whom a success speaks for.
    fn side(&self, address: Option<IpAddr>) -> u64 {
        let address = address.map(|address| household(address).to_string()).unwrap_or_default();
        let [a, b, c, d, e, f, g, h, ..] = self.hash(&[b"address", address.as_bytes()]);
        u64::from_le_bytes([a, b, c, d, e, f, g, h])
    }

    fn hash(&self, parts: &[&[u8]]) -> [u8; 32] {
        let mut context = hmac::Context::with_key(&self.names);
        for part in parts {
            context.update(&part.len().to_le_bytes());
            context.update(part);
        }
        context.sign().as_ref().try_into().expect("HMAC-SHA-256 yields 32 bytes")
    }
}

fn read(stored: Option<&Bytes>) -> Tries {
    let Some(stored) = stored else { return Tries::default() };
    serde_json::from_slice(stored).unwrap_or_else(|error| {
        tracing::warn!(%error, "a record of tries cannot be read and begins anew");
        Tries::default()
    })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
