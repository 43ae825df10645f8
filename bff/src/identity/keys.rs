//! The keys that sign tokens: made and turned in time, sealed at rest, parsed once, published as a JWKS.
//!
//! A key has one algorithm for life, and its name is the RFC 7638 thumbprint of its public half. The store has the
//! truth; a replica keeps what it read last, and reads again every few seconds, when another tells of a change, and
//! when a token names a key that it does not know.

mod algorithm;
mod generate;
mod jwks;
mod key;
mod listing;
mod provider;
mod rotation;
mod seals;
mod turn;

pub use algorithm::SigningAlgorithm;
pub use jwks::Jwks;
pub use key::Key;
pub use listing::Listing;
pub use provider::install_provider;
pub use rotation::Rules;
pub use seals::Seals;
pub use turn::Turned;

use std::sync::Arc;

use arc_swap::ArcSwap;
use time::OffsetDateTime;
use tokio::sync::Mutex;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::error::Error;
use crate::clock::Clock;
use crate::meter::Meter;
use crate::store::{self, Accounts, Bus, Heard, KeyChange, SigningKey, Subscription};

/// Every key that verifies, the one that signs among them, as the store had them last.
pub struct KeyRing {
    store: Accounts,
    bus: Bus,
    seals: Seals,
    settings: Settings,
    keys: ArcSwap<Keys>,
    /// When a token of an unknown key last made this look at the store; held while looking, so that one looks for all.
    looked: Mutex<Option<Instant>>,
}

/// What is signed with, and how keys turn.
#[derive(Debug, Clone)]
pub struct Settings {
    pub signing: SigningAlgorithm,
    /// For which algorithms keys are made.
    pub kept: Vec<SigningAlgorithm>,
    pub rules: Rules,
}

struct Keys {
    all: Vec<Arc<Key>>,
    signing: Arc<Key>,
    since: OffsetDateTime,
    jwks: Arc<Jwks>,
}

#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    #[error(
        "signing key {kid}: the master key in identity.master_key_file does not open it; \
         restore the file that belongs to this database, or name it as identity.master_key_previous_file"
    )]
    Sealed { kid: String },
    #[error("signing key {kid}: {reason}")]
    Unusable { kid: String, reason: String },
    #[error("identity.algorithm: there is no current {} key; add it to identity.key_algorithms", .0.as_str())]
    Missing(SigningAlgorithm),
    #[error("cannot make a signing key: {0}")]
    Generate(String),
    #[error("there is no signing key `{0}`; `bff keys list` shows those that there are")]
    Unknown(String),
    #[error("the signing keys changed meanwhile; try again")]
    Contended,
    #[error(transparent)]
    Store(#[from] store::Error),
}

/// The topic of the bus.
const CHANGED: &str = "keys";
const POLL_EVERY: std::time::Duration = std::time::Duration::from_secs(5);
const LOOK_EVERY: std::time::Duration = std::time::Duration::from_secs(1);

impl KeyRing {
    /// Reads the keys, after making those that are missing.
    pub async fn open(
        store: Accounts,
        bus: Bus,
        seals: Seals,
        settings: Settings,
        now: OffsetDateTime,
    ) -> Result<Self, KeyError> {
        let rows = turn::advance(&store, &seals, &settings, now).await?.rows;
        let rows = renewed(&store, &seals, rows).await?;
        let all = rows.iter().map(|row| key::unseal(&seals, row).map(Arc::new)).collect::<Result<Vec<_>, _>>()?;
        let keys = Keys::new(&rows, all, settings.signing)?;
        Ok(Self { store, bus, seals, settings, keys: ArcSwap::from_pointee(keys), looked: Mutex::new(None) })
    }

    /// The key that signs.
    pub fn signing(&self) -> Arc<Key> {
        Arc::clone(&self.keys.load().signing)
    }

    pub fn find(&self, kid: &str) -> Option<Arc<Key>> {
        self.keys.load().all.iter().find(|key| key.kid == kid).cloned()
    }

    pub fn has(&self, kid: &str) -> bool {
        self.keys.load().all.iter().any(|key| key.kid == kid)
    }

    pub fn jwks(&self) -> Arc<Jwks> {
        Arc::clone(&self.keys.load().jwks)
    }

    /// Whether the store has a key that this replica has not read yet. Strangers' tokens make it look once a second.
    pub async fn learns_of(&self, kid: &str) -> bool {
        let mut looked = self.looked.lock().await;
        if self.has(kid) {
            return true;
        }
        if looked.is_some_and(|at| at.elapsed() < LOOK_EVERY) {
            return false;
        }
        *looked = Some(Instant::now());
        if let Err(error) = self.reload().await {
            tracing::warn!(%error, "cannot look for a signing key");
        }
        self.has(kid)
    }

    /// Keeps up with the other replicas and with time. Never ends.
    pub async fn follow(&self, clock: &Clock, meter: &Meter) {
        let mut turns = interval(POLL_EVERY);
        turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let age = meter.gauge("bff_signing_key_age_seconds", &[]);
        let mut subscription: Option<Subscription> = None;
        loop {
            tokio::select! {
                _ = next(&mut subscription) => {}
                _ = turns.tick() => {}
            }
            if subscription.is_none() {
                subscription = self.bus.subscribe(CHANGED).await.ok();
            }
            if let Err(error) = self.keep_up(clock.now()).await {
                tracing::warn!(%error, "cannot keep up with the signing keys");
            }
            age.set((clock.now() - self.keys.load().since).as_seconds_f64());
        }
    }

    /// Does what is due, and adopts what comes of it.
    async fn keep_up(&self, now: OffsetDateTime) -> Result<(), KeyError> {
        let advanced = turn::advance(&self.store, &self.seals, &self.settings, now).await?;
        self.adopt(&advanced.rows)?;
        if advanced.changed {
            self.announce().await;
        }
        Ok(())
    }

    async fn reload(&self) -> Result<(), KeyError> {
        self.adopt(&self.store.signing_keys().await?)
    }

    /// A key that is known stays parsed. One that cannot be read, as its master key is not here yet, is left out.
    fn adopt(&self, rows: &[SigningKey]) -> Result<(), KeyError> {
        let known = |row: &SigningKey| self.find(&row.kid).map(Ok);
        let keys = rows.iter().map(|row| known(row).unwrap_or_else(|| key::unseal(&self.seals, row).map(Arc::new)));
        let usable = keys.filter_map(|key| key.inspect_err(|error| tracing::error!(%error, "left out")).ok());
        self.keys.store(Arc::new(Keys::new(rows, usable.collect(), self.settings.signing)?));
        Ok(())
    }

    /// Here at once, elsewhere soon: a replica that this does not reach reads the rows.
    async fn announce(&self) {
        if let Err(error) = self.bus.announce(CHANGED, b"").await {
            tracing::debug!(%error, "cannot announce a change of the signing keys");
        }
    }
}

impl Keys {
    fn new(rows: &[SigningKey], all: Vec<Arc<Key>>, algorithm: SigningAlgorithm) -> Result<Self, KeyError> {
        let row = rotation::in_state(rows, algorithm, store::KeyState::Current).ok_or(KeyError::Missing(algorithm))?;
        let signing = all.iter().find(|key| key.kid == row.kid).cloned().ok_or(KeyError::Missing(algorithm))?;
        let jwks = Arc::new(Jwks::new(all.iter().map(|key| &key.public))?);
        Ok(Self { all, signing, since: row.state_since, jwks })
    }
}

/// The rows with everything under the present master key.
async fn renewed(store: &Accounts, seals: &Seals, rows: Vec<SigningKey>) -> Result<Vec<SigningKey>, store::Error> {
    for row in &rows {
        if let Some(sealed) = seals.renewed(&row.kid, &row.sealed) {
            let change = KeyChange::Reseal { kid: row.kid.clone(), from: row.sealed.clone(), to: sealed };
            store.change_signing_keys(&[change], &store::Accompanying::default()).await?;
            tracing::info!(kid = row.kid, "a signing key is now kept under the new master key");
        }
    }
    Ok(rows)
}

/// What the bus says next; where there is no subscription, or its bus is closed, that is nothing, ever.
async fn next(subscription: &mut Option<Subscription>) -> Heard {
    if let Some(subscription) = subscription
        && let Some(heard) = subscription.next().await
    {
        return heard;
    }
    std::future::pending().await
}

impl From<KeyError> for Error {
    fn from(error: KeyError) -> Self {
        match error {
            KeyError::Store(error) => Self::Store(error),
            other => Self::Keys(other),
        }
    }
}
