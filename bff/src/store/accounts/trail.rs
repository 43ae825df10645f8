//! What accompanies a change: lines of the audit, events for others, and the challenge that paid for it.

use time::OffsetDateTime;
use uuid::Uuid;

use super::Accounts;
use crate::store::database::{Id, Query, Row, Transaction, micros, time_from};
use crate::store::{Accompanying, AuditEntry, Challenge, Error, OutboxEvent, Position};

impl Accounts {
    /// Writes what happened without a change of a record.
    pub async fn note(&self, accompanying: &Accompanying) -> Result<(), Error> {
        let write = async {
            let mut transaction = self.database.begin().await?;
            self.accompany(&mut transaction, accompanying).await?;
            transaction.commit().await
        };
        self.database.guard().call("note what happened", write).await
    }

    /// What was done to one target, or at all, newest first, from before a position.
    pub async fn audit(
        &self,
        target: Option<&str>,
        before: Option<Position>,
        limit: u32,
    ) -> Result<Vec<AuditEntry>, Error> {
        let (at, id) = Position::bounds(before);
        let query = match target {
            Some(target) => {
                self.database.query(AUDIT_OF).bind(at).bind(id).bind(i64::from(limit)).bind(target.to_owned())
            }
            None => self.database.query(AUDIT).bind(at).bind(id).bind(i64::from(limit)),
        };
        query.all("read the audit", audit_in).await
    }

    /// Removes up to a thousand challenges that were spent before a moment, and gives how many.
    pub async fn forget_challenges(&self, spent_before: OffsetDateTime) -> Result<u64, Error> {
        let forget = self.database.query(FORGET_CHALLENGES).bind(micros(spent_before));
        forget.execute("remove old challenges").await
    }

    pub(super) async fn accompany(
        &self,
        transaction: &mut Transaction,
        accompanying: &Accompanying,
    ) -> Result<(), sqlx::Error> {
        for entry in &accompanying.audit {
            self.audit_insertion(entry).execute_in(transaction).await?;
        }
        for event in &accompanying.events {
            self.event_insertion(event).execute_in(transaction).await?;
        }
        Ok(())
    }

    /// False if it has paid for something before.
    pub(super) async fn spend(
        &self,
        transaction: &mut Transaction,
        challenge: &Challenge,
        now: OffsetDateTime,
    ) -> Result<bool, sqlx::Error> {
        let spend = self.database.query(SPEND).bind(challenge.id.clone()).bind(micros(now));
        Ok(spend.execute_in(transaction).await? == 1)
    }

    fn audit_insertion(&self, entry: &AuditEntry) -> Query<'_> {
        self.database
            .query(INSERT_AUDIT)
            .bind(Id(entry.id))
            .bind(micros(entry.at))
            .bind(entry.actor.map(Id))
            .bind(entry.action.clone())
            .bind(entry.target.clone())
            .bind(entry.network.clone())
            .bind(entry.result.clone())
            .bind(entry.reason.clone())
    }

    fn event_insertion(&self, event: &OutboxEvent) -> Query<'_> {
        self.database
            .query(INSERT_EVENT)
            .bind(Id(event.id))
            .bind(event.name.clone())
            .bind(event.payload.clone())
            .bind(event.account_id.map(Id))
            .bind(micros(event.created_at))
    }
}

const INSERT_AUDIT: &str = "
    INSERT INTO audit (id, at, actor, action, target, network, result, reason)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";

const INSERT_EVENT: &str = "
    INSERT INTO outbox (id, name, payload, account_id, created_at)
    VALUES ($1, $2, $3, $4, $5)";

const AUDIT: &str = "
    SELECT id, at, actor, action, target, network, result, reason
      FROM audit
     WHERE (at, id) < ($1, $2)
     ORDER BY at DESC, id DESC
     LIMIT $3";

const AUDIT_OF: &str = "
    SELECT id, at, actor, action, target, network, result, reason
      FROM audit
     WHERE target = $4 AND (at, id) < ($1, $2)
     ORDER BY at DESC, id DESC
     LIMIT $3";

const SPEND: &str = "INSERT INTO spent_challenges (id, spent_at) VALUES ($1, $2) ON CONFLICT DO NOTHING";

const FORGET_CHALLENGES: &str = "
    DELETE FROM spent_challenges
     WHERE id IN (SELECT id FROM spent_challenges WHERE spent_at < $1 LIMIT 1000)";

fn audit_in(row: &Row) -> Result<AuditEntry, sqlx::Error> {
    Ok(AuditEntry {
        id: row.get::<Id>("id")?.0,
        at: time_from(row.get("at")?)?,
        actor: row.get::<Option<Id>>("actor")?.map(|id| id.0),
        action: row.get("action")?,
        target: row.get("target")?,
        network: row.get("network")?,
        result: row.get("result")?,
        reason: row.get("reason")?,
    })
}

impl Position {
    /// What stands before this, newest first; without one, everything.
    pub(super) fn bounds(before: Option<Self>) -> (i64, Id) {
        before.map_or((i64::MAX, Id(Uuid::max())), |position| (micros(position.at), Id(position.id)))
    }
}
