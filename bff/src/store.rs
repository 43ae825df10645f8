//! What must survive a restart or be shared by replicas: records, and three ports, each over what the configuration names.
//!
//! Knows neither rules nor who calls. A rule is a pure function of the part that owns it, applied here by
//! compare-and-put. Every call ends in time, and a store that is away is left alone for a moment.

mod accounts;
mod breaker;
mod bus;
mod config;
mod database;
mod error;
mod events;
mod guard;
mod key_value;
mod nats;
mod queue;
mod record;

pub use accounts::Accounts;
pub use bus::{Bus, Heard, MAX_ANNOUNCEMENT_BYTES, Subscription};
pub use config::Config;
pub use error::{Cause, Error, OpenError};
pub use events::Events;
pub use key_value::{Buckets, KeyValue, MAX_KEY_BYTES, MAX_VALUE_BYTES, Rate, Taken};
pub use queue::{Job, MAX_ID_BYTES, MAX_PAYLOAD_BYTES, Queue, Topic};
pub use record::{
    Accompanying, Account, AccountFilter, AccountState, AuditEntry, Challenge, Changed, Contact, Ending, Ends, Keep,
    KeyChange, KeyState, Lapse, Lapsed, LoginEntry, OutboxEvent, Position, Previous, Proof, Session, SessionKind,
    SigningKey, Standing, Written,
};

use std::time::Duration;

use secrecy::ExposeSecret;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::clock::Clock;
use database::Database;
use nats::Nats;

/// Everything that is kept, opened once; `close` it, so that nothing is cut off.
#[derive(Debug)]
pub struct Stores {
    pub accounts: Accounts,
    pub key_value: KeyValue,
    /// The same, for a place where every request waits: with less patience.
    pub hot_key_value: KeyValue,
    pub queue: Queue,
    pub bus: Bus,
    pub events: Events,
    parts: Vec<Part>,
    sweeping: TaskTracker,
    closing: CancellationToken,
}

/// One thing that can be away.
#[derive(Debug, Clone)]
pub enum Part {
    Database(Database),
    Redis(key_value::Redis),
    Nats(Nats),
}

const SWEEP_EVERY: Duration = Duration::from_secs(60);
/// After one that failed.
const SWEEP_AGAIN: Duration = Duration::from_secs(5);

impl Stores {
    /// The database must answer, and its tables are brought up to date; Redis and NATS may come later.
    pub async fn open(config: &Config, clock: Clock) -> Result<Self, OpenError> {
        let timeout = Duration::from_millis(config.timeout_ms);
        let redis = config
            .redis_url
            .as_ref()
            .map(|url| key_value::Address::parse(url.expose_secret(), "store.redis_url"))
            .transpose()?;
        let nats = config.nats_url.as_ref().map(|url| nats::addresses(url.expose_secret())).transpose()?;
        let database = open_database(config, config.migrate_at_start).await?;
        let mut parts = vec![Part::Database(database.clone())];
        let values = key_value::Table::new(database.clone(), clock.clone());
        let sweeping_clock = clock.clone();
        let jobs = queue::Table::new(database.clone(), clock);
        let key_value = match redis {
            Some(address) => {
                let redis = key_value::Redis::new(address, &config.namespace, timeout)?;
                parts.push(Part::Redis(redis.clone()));
                KeyValue::Redis(redis)
            }
            None => KeyValue::Embedded(values.clone()),
        };
        let (queue, bus, events) = match nats {
            Some(addresses) => {
                let nats = Nats::connect(addresses, &config.namespace, timeout).await?;
                parts.push(Part::Nats(nats.clone()));
                let events = events::EventStream::new(nats.clone());
                (Queue::Nats(queue::Stream::new(nats.clone()).into()), Bus::Nats(nats), Events::Nats(events.into()))
            }
            None => {
                let events = Events::Embedded(jobs.clone());
                (Queue::Embedded(jobs.clone()), Bus::Embedded(bus::Local::default()), events)
            }
        };
        let (sweeping, closing) = (TaskTracker::new(), CancellationToken::new());
        let accounts = Accounts::new(database);
        let keep_deleted = time::Duration::days(i64::from(config.keep_deleted_days));
        let sweeper = Sweeper { values, jobs, accounts: accounts.clone(), clock: sweeping_clock, keep_deleted };
        sweeping.spawn(closing.clone().run_until_cancelled_owned(sweeper.run()));
        let hot_key_value = key_value.with_timeout(Duration::from_millis(config.hot_timeout_ms));
        Ok(Self { accounts, key_value, hot_key_value, queue, bus, events, parts, sweeping, closing })
    }

    /// What is in use, to be asked whether it answers.
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// Finishes open work and closes every connection.
    pub async fn close(self) {
        self.closing.cancel();
        self.sweeping.close();
        self.sweeping.wait().await;
        for part in &self.parts {
            part.close().await;
        }
    }
}

impl Part {
    pub fn name(&self) -> &'static str {
        match self {
            Self::Database(_) => "database",
            Self::Redis(_) => "redis",
            Self::Nats(_) => "nats",
        }
    }

    /// Without the database nothing can be decided; without the others something can.
    pub fn is_required(&self) -> bool {
        matches!(self, Self::Database(_))
    }

    /// Succeeds if it answers.
    pub async fn check(&self) -> Result<(), Error> {
        match self {
            Self::Database(database) => database.check().await,
            Self::Redis(redis) => redis.check().await,
            Self::Nats(nats) => nats.check().await,
        }
    }

    async fn close(&self) {
        match self {
            Self::Database(database) => database.close().await,
            // Its connection ends with its last clone.
            Self::Redis(_) => {}
            Self::Nats(nats) => nats.close().await,
        }
    }
}

/// Brings the tables up to date, and nothing else.
pub async fn migrate(config: &Config) -> Result<(), OpenError> {
    open_database(config, true).await?.close().await;
    Ok(())
}

async fn open_database(config: &Config, migrate: bool) -> Result<Database, OpenError> {
    let address = database::Address::parse(config.database_url.expose_secret())?;
    let timeout = Duration::from_millis(config.timeout_ms);
    Database::open(address, &database::Options { connections: config.database_connections, timeout, migrate }).await
}

/// Removes what has expired, also what was left by a configuration that did not use Redis or NATS yet.
struct Sweeper {
    values: key_value::Table,
    jobs: queue::Table,
    accounts: Accounts,
    clock: Clock,
    keep_deleted: time::Duration,
}

/// How long the row of a session that has ended is kept: longer than any token of it lives, which is a day at the most.
const REMEMBER_SESSIONS: time::Duration = time::Duration::minutes(24 * 60 + 30);
/// Longer than any code is valid.
const REMEMBER_CHALLENGES: time::Duration = time::Duration::DAY;
const REMEMBER_LOGINS: time::Duration = time::Duration::days(90);

impl Sweeper {
    async fn run(self) {
        let mut turns = interval(SWEEP_EVERY);
        turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            turns.tick().await;
            if let Err(error) = self.sweep().await {
                tracing::warn!(%error, "cannot remove what has expired");
                turns.reset_after(SWEEP_AGAIN);
            }
        }
    }

    /// A thousand rows of each kind at a time, so that nobody waits long for the table, until none is left.
    async fn sweep(&self) -> Result<(), Error> {
        while self.values.sweep().await? > 0 {}
        while self.jobs.sweep().await? > 0 {}
        let now = self.clock.now();
        while self.accounts.forget_sessions(now - REMEMBER_SESSIONS).await? > 0 {}
        while self.accounts.forget_challenges(now - REMEMBER_CHALLENGES).await? > 0 {}
        while self.accounts.forget_logins(now - REMEMBER_LOGINS).await? > 0 {}
        while self.accounts.purge_accounts(now - self.keep_deleted, now).await? > 0 {}
        Ok(())
    }
}
