//! Events that wait to be published, in order, by one publisher at a time.

use std::time::Duration;

use time::OffsetDateTime;
use uuid::Uuid;

use super::Accounts;
use crate::store::database::{Id, Row, micros, time_from};
use crate::store::{Error, OutboxEvent};

impl Accounts {
    /// The oldest events, for this caller alone while the lease lasts; nothing while another has its own.
    pub async fn claim_events(
        &self,
        limit: u32,
        lease: Duration,
        now: OffsetDateTime,
    ) -> Result<Vec<OutboxEvent>, Error> {
        let claim = self.database.query(CLAIM).bind(micros(now)).bind(micros(now + lease)).bind(i64::from(limit));
        let mut events = claim.all("claim events", event_in).await?;
        // `RETURNING` promises no order.
        events.sort_by_key(|event| (event.created_at, event.id));
        Ok(events)
    }

    /// Removes an event that is published.
    pub async fn published(&self, event: Uuid) -> Result<(), Error> {
        self.database.query(REMOVE).bind(Id(event)).execute("remove an event").await.map(drop)
    }

    /// Gives up the claim of an event that was not published.
    pub async fn release_event(&self, event: Uuid) -> Result<(), Error> {
        self.database.query(RELEASE).bind(Id(event)).execute("release an event").await.map(drop)
    }
}

/// The last condition is asked again of a row that another claimed meanwhile.
const CLAIM: &str = "
    UPDATE outbox
       SET claimed_until = $2
     WHERE id IN (SELECT id FROM outbox ORDER BY created_at, id LIMIT $3)
       AND NOT EXISTS (SELECT 1 FROM outbox AS other WHERE other.claimed_until > $1)
       AND claimed_until <= $1
    RETURNING id, name, payload, account_id, created_at";

const REMOVE: &str = "DELETE FROM outbox WHERE id = $1";

const RELEASE: &str = "UPDATE outbox SET claimed_until = 0 WHERE id = $1";

fn event_in(row: &Row) -> Result<OutboxEvent, sqlx::Error> {
    Ok(OutboxEvent {
        id: row.get::<Id>("id")?.0,
        name: row.get("name")?,
        payload: row.get("payload")?,
        account_id: row.get::<Option<Id>>("account_id")?.map(|id| id.0),
        created_at: time_from(row.get("created_at")?)?,
    })
}
