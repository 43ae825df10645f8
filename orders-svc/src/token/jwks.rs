//! The issuer's public keys: cached, and read again when a token names an unknown key or the set is old.
//!
//! The issuer is asked at most every 30 seconds, whatever tokens come and also while it does not answer.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use arc_swap::ArcSwap;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm};
use jsonwebtoken::{Algorithm, DecodingKey};
use reqwest::{Client, Url};
use serde::Deserialize;
use tokio::sync::{Mutex, OwnedMutexGuard};
use tokio::time::Instant;
use tokio_util::task::TaskTracker;
use tonic::Status;

const ASK_EVERY: Duration = Duration::from_secs(30);
/// After this a set is read again even if every kid is known, so that a withdrawn key goes.
const FRESH_FOR: Duration = Duration::from_secs(300);
const TIMEOUT: Duration = Duration::from_secs(5);
const SET_MAX_BYTES: usize = 64 * 1_024;

pub struct Jwks {
    client: Client,
    url: Url,
    keys: ArcSwap<KeySet>,
    /// The last time the issuer was asked. Held while asking, so that one call asks for all.
    asked: Arc<Mutex<Option<Asked>>>,
    tasks: TaskTracker,
}

pub struct VerifyingKey {
    pub algorithm: Algorithm,
    pub key: DecodingKey,
}

#[derive(Default)]
struct KeySet {
    keys: HashMap<String, Arc<VerifyingKey>>,
    read_at: Option<Instant>,
}

struct Asked {
    at: Instant,
    answered: bool,
}

/// The set with its keys unparsed: one of an unknown kind must not make the others useless.
#[derive(Deserialize)]
struct Document {
    keys: Vec<serde_json::Value>,
}

impl Jwks {
    pub fn new(url: &str, tasks: TaskTracker) -> anyhow::Result<Self> {
        let client = Client::builder().timeout(TIMEOUT).redirect(reqwest::redirect::Policy::none()).no_proxy();
        Ok(Self {
            client: client.build().context("cannot make an HTTP client for ORDERS__JWKS_URL")?,
            url: url.parse().with_context(|| format!("ORDERS__JWKS_URL {url:?} is not a URL"))?,
            keys: ArcSwap::default(),
            asked: Arc::default(),
            tasks,
        })
    }

    /// The key of this id; None if the issuer has none, UNAVAILABLE if that cannot be found out.
    pub async fn find(self: &Arc<Self>, kid: &str) -> Result<Option<Arc<VerifyingKey>>, Status> {
        let set = self.keys.load_full();
        if let Some(key) = set.keys.get(kid) {
            if set.read_at.is_none_or(|at| at.elapsed() >= FRESH_FOR) {
                self.renew_beside();
            }
            return Ok(Some(key.clone()));
        }
        let answered = self.ask(self.asked.clone().lock_owned().await).await;
        match self.keys.load().keys.get(kid) {
            Some(key) => Ok(Some(key.clone())),
            None if answered => Ok(None),
            None => Err(Status::unavailable("the token issuer's public keys cannot be read: try again later")),
        }
    }

    /// An old set serves on while it is read anew, and while the issuer is away.
    fn renew_beside(self: &Arc<Self>) {
        if let Ok(asked) = self.asked.clone().try_lock_owned() {
            let jwks = self.clone();
            self.tasks.spawn(async move { jwks.ask(asked).await });
        }
    }

    /// Whether the issuer answered: now, or a moment ago, for then it is not asked again.
    async fn ask(self: &Arc<Self>, mut asked: OwnedMutexGuard<Option<Asked>>) -> bool {
        if let Some(last) = asked.as_ref().filter(|last| last.at.elapsed() < ASK_EVERY) {
            return last.answered;
        }
        let jwks = self.clone();
        // In a task of its own: a caller that leaves early must not look like an issuer that did not answer.
        let reading = self.tasks.spawn(async move {
            let at = Instant::now();
            let read = jwks.read().await;
            let answered = read.is_ok();
            match read {
                Ok(keys) => jwks.keys.store(Arc::new(KeySet { keys, read_at: Some(at) })),
                Err(error) => tracing::warn!(url = %jwks.url, "cannot read the token issuer's public keys: {error:#}"),
            }
            *asked = Some(Asked { at, answered });
            answered
        });
        reading.await.unwrap_or(false)
    }

    async fn read(&self) -> anyhow::Result<HashMap<String, Arc<VerifyingKey>>> {
        let mut response = self.client.get(self.url.clone()).send().await?.error_for_status()?;
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await? {
            if body.len() + chunk.len() > SET_MAX_BYTES {
                bail!("the key set is larger than 64 KiB");
            }
            body.extend_from_slice(&chunk);
        }
        let document: Document = serde_json::from_slice(&body).context("the answer is not a JSON Web Key Set")?;
        Ok(document.keys.into_iter().filter_map(verifying_key).collect())
    }
}

/// None for a key that verifies none of our algorithms.
fn verifying_key(key: serde_json::Value) -> Option<(String, Arc<VerifyingKey>)> {
    let jwk: Jwk = serde_json::from_value(key).ok()?;
    let algorithm = match (&jwk.algorithm, jwk.common.key_algorithm?) {
        (AlgorithmParameters::RSA(_), KeyAlgorithm::RS256) => Algorithm::RS256,
        (AlgorithmParameters::RSA(_), KeyAlgorithm::PS256) => Algorithm::PS256,
        (AlgorithmParameters::EllipticCurve(key), KeyAlgorithm::ES256) if key.curve == EllipticCurve::P256 => {
            Algorithm::ES256
        }
        (AlgorithmParameters::OctetKeyPair(key), KeyAlgorithm::EdDSA) if key.curve == EllipticCurve::Ed25519 => {
            Algorithm::EdDSA
        }
        _ => return None,
    };
    let key = DecodingKey::from_jwk(&jwk).ok()?;
    Some((jwk.common.key_id?, Arc::new(VerifyingKey { algorithm, key })))
}
