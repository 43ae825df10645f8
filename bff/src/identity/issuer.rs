//! Other parties whose tokens count here: an installation's own Keycloak, Auth0 or Kratos.
//!
//! A token names its issuer, and that issuer's keys, algorithms, audience and clients alone decide about it. Whoever it
//! speaks for is a visitor: known by name, without an account here, and never mistaken for one.

mod claims;
mod config;
mod fetch;
mod key_set;
mod strict;
mod token;

pub use claims::Visitor;
pub use config::{ClaimNames, IssuerConfig};

use std::sync::{Arc, OnceLock};

use futures_util::future::join_all;
use moka::sync::Cache;
use time::OffsetDateTime;

use super::config::Config;
use super::error::Error;
use super::secret::sha256;
use super::token::{MAX_TOKEN_BYTES, SessionTokens};
use crate::meter::Meter;
use key_set::KeySet;

/// Every issuer but ourselves.
pub struct Issuers {
    issuers: Vec<Issuer>,
    /// By digest of the token: a signature is checked at first sight only.
    verified: Cache<[u8; 32], Arc<Verified>>,
}

pub struct Issuer {
    pub config: IssuerConfig,
    pub name: Arc<str>,
    keys: Arc<KeySet>,
}

/// A token that was found good, but for the time and the keys that its issuer has today.
pub struct Verified {
    pub visitor: Arc<Visitor>,
    kid: String,
    not_before: i64,
    /// Made once, so that a visitor's calls share their tokens for services.
    pub tokens: OnceLock<Arc<SessionTokens>>,
}

const MAX_VERIFIED: u64 = 50_000;
/// Only bounds memory: the times are checked at every use.
const MAX_REMEMBERED: std::time::Duration = std::time::Duration::from_secs(900);

impl Issuers {
    /// Makes clients, asks nobody.
    pub fn new(config: &Config, own: &str, meter: &Meter) -> Result<Self, String> {
        let configs = &config.issuers;
        if let Some((name, _)) = configs.iter().find(|(_, config)| config.issuer == own) {
            return Err(taken(name, own));
        }
        let issuer = |(name, config): (&String, &IssuerConfig)| {
            let keys =
                KeySet::new(name, config, meter).map_err(|reason| format!("identity.issuers.{name}: {reason}"))?;
            Ok(Issuer { config: config.clone(), name: name.as_str().into(), keys: Arc::new(keys) })
        };
        let issuers = configs.iter().map(issuer).collect::<Result<_, String>>()?;
        let verified = Cache::builder().max_capacity(MAX_VERIFIED).time_to_live(MAX_REMEMBERED).build();
        Ok(Self { issuers, verified })
    }

    pub fn iter(&self) -> impl Iterator<Item = &Issuer> {
        self.issuers.iter()
    }

    /// Whose token this says it is; none if it is not one of these.
    pub fn of(&self, token: &str) -> Option<&Issuer> {
        if self.issuers.is_empty() || token.len() > MAX_TOKEN_BYTES {
            return None;
        }
        let named = token::issuer(token)?;
        self.issuers.iter().find(|issuer| issuer.config.issuer == named)
    }

    /// The visitor of a token of this issuer that is valid now.
    pub async fn verify(&self, issuer: &Issuer, token: &str, now: OffsetDateTime) -> Result<Arc<Verified>, Error> {
        let digest = sha256(token.as_bytes());
        let known = self.verified.get(&digest);
        let verified = match known {
            Some(verified) => {
                issuer.keys.find(&verified.kid).await?.ok_or(Error::Refused("its key is gone"))?;
                verified
            }
            None => {
                let verified = Arc::new(issuer.read(token).await?);
                self.verified.insert(digest, Arc::clone(&verified));
                verified
            }
        };
        issuer.check_time(&verified, now)?;
        Ok(verified)
    }

    /// Keeps every issuer's keys fresh; never ends.
    pub async fn follow(&self) {
        join_all(self.issuers.iter().map(|issuer| issuer.keys.follow())).await;
    }
}

/// What cannot work, as far as it shows without this server's own address.
pub fn problems(config: &Config, development: bool) -> Vec<String> {
    let issuers = &config.issuers;
    let alone = !config.accounts && issuers.len() == 1;
    let each = issuers.iter().flat_map(|(name, issuer)| issuer.problems(name, development, alone));
    let twice = issuers
        .iter()
        .enumerate()
        .filter(|(place, (_, issuer))| issuers.values().take(*place).any(|earlier| earlier.issuer == issuer.issuer));
    each.chain(twice.map(|(_, (name, issuer))| taken(name, &issuer.issuer))).collect()
}

fn taken(name: &str, issuer: &str) -> String {
    format!("identity.issuers.{name}.issuer: {issuer} is another issuer's, or this server's")
}

impl Issuer {
    /// Whether its tokens can be verified.
    pub fn check(&self) -> Result<(), String> {
        self.keys.check()
    }

    fn check_time(&self, verified: &Verified, now: OffsetDateTime) -> Result<(), Error> {
        let (now, leeway) = (now.unix_timestamp(), i64::from(self.config.leeway_s));
        if now >= verified.visitor.expires_at.saturating_add(leeway) {
            return Err(Error::Refused("it has expired"));
        }
        if now < verified.not_before.saturating_sub(leeway) {
            return Err(Error::Refused("it is not valid yet"));
        }
        Ok(())
    }
}
