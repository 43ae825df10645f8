//! An issuer's public keys: read in turn, and when a token names one that is not known; kept for a while without it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use jsonwebtoken::DecodingKey;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, PublicKeyUse};
use tokio::sync::{Mutex, OwnedMutexGuard};
use tokio::time::{Instant, sleep};
use tokio_util::task::TaskTracker;

use super::config::IssuerConfig;
use super::fetch::Fetch;
use crate::identity::error::Error;
use crate::identity::keys::SigningAlgorithm;
use crate::meter::{Counter, Meter};

pub struct KeySet {
    name: String,
    fetch: Fetch,
    algorithms: Vec<SigningAlgorithm>,
    max_age: Duration,
    keys: ArcSwapOption<Keys>,
    /// When a token of an unknown key last made this ask; held while asking, so that one asks for all.
    asked: Arc<Mutex<Option<Instant>>>,
    tasks: TaskTracker,
    answered: Counter,
    failed: Counter,
}

pub struct VerifyingKey {
    pub algorithm: SigningAlgorithm,
    pub verifying: DecodingKey,
}

struct Keys {
    by_kid: HashMap<String, Arc<VerifyingKey>>,
    read_at: Instant,
}

/// Strangers' tokens make this server ask no more often.
const ASK_EVERY: Duration = Duration::from_secs(10);
/// Then the set is read again, so that a key that was withdrawn goes.
const FRESH_FOR: Duration = Duration::from_secs(300);

impl KeySet {
    pub fn new(name: &str, config: &IssuerConfig, meter: &Meter) -> Result<Self, String> {
        let counter = |outcome| meter.counter("bff_issuer_fetches_total", &[("issuer", name), ("outcome", outcome)]);
        Ok(Self {
            name: name.to_owned(),
            fetch: Fetch::new(config)?,
            algorithms: config.algorithms.clone(),
            max_age: Duration::from_secs(config.keys_max_age_s.into()),
            keys: ArcSwapOption::empty(),
            asked: Arc::default(),
            tasks: TaskTracker::new(),
            answered: counter("ok"),
            failed: counter("error"),
        })
    }

    /// The key of this id; none if the issuer has none, an error if that cannot be told.
    pub async fn find(self: &Arc<Self>, kid: &str) -> Result<Option<Arc<VerifyingKey>>, Error> {
        if let Some(key) = self.usable().and_then(|keys| keys.by_kid.get(kid).cloned()) {
            return Ok(Some(key));
        }
        let asked = Arc::clone(&self.asked).lock_owned().await;
        // Another request may have asked while this one waited.
        if self.usable().is_none_or(|keys| !keys.by_kid.contains_key(kid)) {
            self.ask(asked).await;
        }
        let keys = self.usable().ok_or(Error::IssuerAway)?;
        Ok(keys.by_kid.get(kid).cloned())
    }

    /// Whether its tokens can be verified.
    pub fn check(&self) -> Result<(), String> {
        self.usable().map(drop).ok_or_else(|| format!("the public keys at {} cannot be read", self.fetch.address()))
    }

    /// Reads the set in time, and again soon where that fails; never ends.
    pub async fn follow(&self) {
        loop {
            if self.keys.load().as_ref().is_none_or(|keys| keys.read_at.elapsed() >= FRESH_FOR) {
                self.read().await;
            }
            sleep(ASK_EVERY).await;
        }
    }

    fn usable(&self) -> Option<Arc<Keys>> {
        self.keys.load_full().filter(|keys| keys.read_at.elapsed() < self.max_age)
    }

    async fn ask(self: &Arc<Self>, asked: OwnedMutexGuard<Option<Instant>>) {
        if asked.is_some_and(|at| at.elapsed() < ASK_EVERY) {
            return;
        }
        let set = Arc::clone(self);
        // In a task of its own: a client that leaves early must not make the next one ask again.
        let reading = self.tasks.spawn(async move {
            let mut asked = asked;
            let is_first = set.usable().is_none();
            set.read().await;
            // The first reading is nobody's fault: the next unknown key may ask again.
            if !(is_first && set.usable().is_some()) {
                *asked = Some(Instant::now());
            }
        });
        // The error says only that the server stops.
        let _ = reading.await;
    }

    async fn read(&self) {
        let read_at = Instant::now();
        match self.fetch.keys().await {
            Ok(keys) => {
                self.answered.increment(1);
                let by_kid = keys.into_iter().filter_map(|key| verifying_key(key, &self.algorithms)).collect();
                self.keys.store(Some(Arc::new(Keys { by_kid, read_at })));
            }
            Err(error) => {
                self.failed.increment(1);
                let (name, cause) = (self.name.as_str(), error);
                tracing::warn!(name, cause, "cannot read the public keys of an issuer");
            }
        }
    }
}

/// None for a key that verifies nothing here. The key's algorithm is what its set says, else the one of its kind.
fn verifying_key(key: serde_json::Value, allowed: &[SigningAlgorithm]) -> Option<(String, Arc<VerifyingKey>)> {
    use SigningAlgorithm::{EdDsa, Es256, Ps256, Rs256};
    let jwk: Jwk = serde_json::from_value(key).ok()?;
    if jwk.common.public_key_use.as_ref().is_some_and(|purpose| *purpose != PublicKeyUse::Signature) {
        return None;
    }
    let candidates: &[SigningAlgorithm] = match &jwk.algorithm {
        AlgorithmParameters::RSA(_) => &[Rs256, Ps256],
        AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => &[Es256],
        AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => &[EdDsa],
        _ => return None,
    };
    let named = match jwk.common.key_algorithm {
        None => None,
        Some(KeyAlgorithm::ES256) => Some(Es256),
        Some(KeyAlgorithm::RS256) => Some(Rs256),
        Some(KeyAlgorithm::PS256) => Some(Ps256),
        Some(KeyAlgorithm::EdDSA) => Some(EdDsa),
        Some(_) => return None,
    };
    let fits = |algorithm: &&SigningAlgorithm| allowed.contains(algorithm) && named.is_none_or(|it| it == **algorithm);
    let algorithm = *candidates.iter().find(fits)?;
    let verifying = DecodingKey::from_jwk(&jwk).ok()?;
    Some((jwk.common.key_id?, Arc::new(VerifyingKey { algorithm, verifying })))
}
