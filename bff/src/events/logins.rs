//! A listener: writes who signed in, and who tried, into the history that an account's owner can read.

use std::time::Duration;

use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{Event, What, wire};
use crate::store::{Accounts, Error, Events, Job, LoginEntry, SessionKind, Topic};

/// One for each replica; each event is handled by one of them.
pub struct LoginHistory {
    accounts: Accounts,
    events: Events,
}

pub const TOPIC: Topic = Topic { name: "login-history", lease: Duration::from_secs(30), max_deliveries: 1_000 };

const AT_ONCE: usize = 4;
const PAUSE: Duration = Duration::from_secs(5);

impl LoginHistory {
    pub fn new(accounts: Accounts, events: Events) -> Self {
        Self { accounts, events }
    }

    /// Listens until told to stop.
    pub async fn run(&self, stop: &CancellationToken) {
        self.events.work(&TOPIC, AT_ONCE, stop, |job| self.handle(job)).await;
    }

    async fn handle(&self, job: Job) {
        let Some((id, event)) = wire::decode(job.payload.clone()) else {
            tracing::debug!(event = job.id, "an event of a later version is passed over");
            return report(job.acknowledge().await);
        };
        let entry = entry(id, event);
        let written = match &entry {
            // An event that comes twice is one login.
            Some(entry) => self.accounts.insert_login(entry).await.map(drop),
            None => Ok(()),
        };
        match written {
            Ok(()) => report(job.acknowledge().await),
            Err(error) => {
                report(Err(error));
                report(job.give_back(PAUSE).await);
            }
        }
    }
}

/// Nothing for what is no login, or for nobody's.
fn entry(id: Uuid, event: Event) -> Option<LoginEntry> {
    let (kind, result) = match event.what {
        What::LoggedIn { kind, .. } => (kind, "ok"),
        What::LoginFailed { reason, kind } => (kind, reason.as_str()),
        _ => return None,
    };
    let kind = match kind {
        SessionKind::Cookie => "cookie",
        SessionKind::Token => "token",
    };
    Some(LoginEntry {
        id,
        account_id: event.account?,
        at: event.at,
        kind: kind.to_owned(),
        network: event.origin.network,
        user_agent: event.origin.user_agent,
        result: result.to_owned(),
    })
}

fn report(outcome: Result<(), Error>) {
    if let Err(error) = outcome {
        tracing::warn!(%error, "a login is not in the history yet");
    }
}
