//! What an account is and may do: its profile, its role, whether it may sign in, and its end.

use time::OffsetDateTime;
use uuid::Uuid;

use super::Accounts;
use super::account::account_in;
use crate::store::database::{Id, Query, Transaction, micros};
use crate::store::{Accompanying, Account, Changed, Error, Keep, Standing, Written};

impl Accounts {
    /// Changes what is given; of the locale, also that there is none.
    pub async fn update_profile(
        &self,
        account: Uuid,
        name: Option<&str>,
        locale: Option<Option<&str>>,
        accompanying: &Accompanying,
    ) -> Result<Option<Account>, Error> {
        let write = async {
            let mut transaction = self.database.begin().await?;
            let update = self.database.query(PROFILE).bind(Id(account)).bind(name.map(str::to_owned));
            let update = update.bind(i64::from(locale.is_some())).bind(locale.flatten().map(str::to_owned));
            let Some(account) = update.first_in(&mut transaction, account_in).await? else { return Ok(None) };
            self.accompany(&mut transaction, accompanying).await?;
            transaction.commit().await?;
            Ok::<_, sqlx::Error>(Some(account))
        };
        self.database.guard().call("change a profile", write).await
    }

    /// Changes what an account is, which ends its sessions; with another role they go on. Refused where nobody who may
    /// sign in would be left with the role that somebody must have.
    pub async fn change_standing(
        &self,
        account: Uuid,
        standing: Standing<'_>,
        needed_role: &str,
        now: OffsetDateTime,
        accompanying: &Accompanying,
    ) -> Result<Written<Changed>, Error> {
        let write = async {
            let mut transaction = self.database.begin().await?;
            // One at a time: of two admins, not each removes the other.
            self.database.query(TAKE_TURN).execute_in(&mut transaction).await?;
            let before = self.count_active(&mut transaction, needed_role).await?;
            let change = self.standing_change(account, standing, now);
            let Some(changed) = change.first_in(&mut transaction, account_in).await? else {
                return Ok(Written::Outdated);
            };
            if before > 0 && self.count_active(&mut transaction, needed_role).await? == 0 {
                return Ok(Written::Needed);
            }
            let sessions = match standing {
                Standing::Role { latest, .. } => self.renew_sessions(&mut transaction, &changed, latest, now).await?,
                Standing::Disabled | Standing::Enabled | Standing::Deleted => {
                    self.end_sessions(&mut transaction, account, Keep::None, now).await?
                }
            };
            self.accompany(&mut transaction, accompanying).await?;
            transaction.commit().await?;
            Ok::<_, sqlx::Error>(Written::Done(Changed { account: changed, sessions }))
        };
        self.database.guard().call("change what an account is", write).await
    }

    /// Removes the personal data of up to a hundred accounts that were deleted before a moment; gives how many.
    pub async fn purge_accounts(&self, deleted_before: OffsetDateTime, now: OffsetDateTime) -> Result<u64, Error> {
        let write = async {
            let mut transaction = self.database.begin().await?;
            let purge = self.database.query(PURGE).bind(micros(deleted_before)).bind(micros(now));
            let purged = purge.all_in(&mut transaction, |row| row.get::<Id>("id")).await?;
            for account in &purged {
                for sql in [PURGE_SESSIONS, PURGE_LOGINS] {
                    self.database.query(sql).bind(*account).execute_in(&mut transaction).await?;
                }
            }
            transaction.commit().await?;
            Ok::<_, sqlx::Error>(purged.len() as u64)
        };
        self.database.guard().call("remove the data of deleted accounts", write).await
    }

    fn standing_change(&self, account: Uuid, standing: Standing<'_>, now: OffsetDateTime) -> Query<'_> {
        let query = |sql| self.database.query(sql).bind(Id(account));
        match standing {
            Standing::Role { old, new, .. } => query(CHANGE_ROLE).bind(old.to_owned()).bind(new.to_owned()),
            Standing::Disabled => query(DISABLE).bind(micros(now)),
            Standing::Enabled => query(ENABLE),
            Standing::Deleted => query(DELETE).bind(micros(now)),
        }
    }

    async fn count_active(&self, transaction: &mut Transaction, role: &str) -> Result<i64, sqlx::Error> {
        let count = self.database.query(COUNT_ACTIVE).bind(role.to_owned());
        Ok(count.first_in(transaction, |row| row.get("active")).await?.unwrap_or_default())
    }
}

const PROFILE: &str = "
    UPDATE accounts
       SET name = COALESCE($2, name), locale = CASE WHEN $3 = 1 THEN $4 ELSE locale END
     WHERE id = $1 AND disabled_at IS NULL AND deleted_at IS NULL
    RETURNING id, email, email_verified_at, phone, phone_verified_at, password_hash, name, locale, role, auth_version,
              credentials_changed_at, created_at, disabled_at, deleted_at";

const TAKE_TURN: &str = "UPDATE turns SET taken = taken + 1 WHERE name = 'standing'";

const COUNT_ACTIVE: &str = "
    SELECT count(*) AS active
      FROM accounts
     WHERE role = $1 AND disabled_at IS NULL AND deleted_at IS NULL";

const CHANGE_ROLE: &str = "
    UPDATE accounts
       SET role = $3, auth_version = auth_version + 1
     WHERE id = $1 AND role = $2 AND deleted_at IS NULL
    RETURNING id, email, email_verified_at, phone, phone_verified_at, password_hash, name, locale, role, auth_version,
              credentials_changed_at, created_at, disabled_at, deleted_at";

const DISABLE: &str = "
    UPDATE accounts
       SET disabled_at = $2, auth_version = auth_version + 1, credentials_changed_at = $2
     WHERE id = $1 AND disabled_at IS NULL AND deleted_at IS NULL
    RETURNING id, email, email_verified_at, phone, phone_verified_at, password_hash, name, locale, role, auth_version,
              credentials_changed_at, created_at, disabled_at, deleted_at";

const ENABLE: &str = "
    UPDATE accounts
       SET disabled_at = NULL, auth_version = auth_version + 1
     WHERE id = $1 AND disabled_at IS NOT NULL AND deleted_at IS NULL
    RETURNING id, email, email_verified_at, phone, phone_verified_at, password_hash, name, locale, role, auth_version,
              credentials_changed_at, created_at, disabled_at, deleted_at";

const DELETE: &str = "
    UPDATE accounts
       SET deleted_at = $2, auth_version = auth_version + 1, credentials_changed_at = $2
     WHERE id = $1 AND deleted_at IS NULL
    RETURNING id, email, email_verified_at, phone, phone_verified_at, password_hash, name, locale, role, auth_version,
              credentials_changed_at, created_at, disabled_at, deleted_at";

const PURGE: &str = "
    UPDATE accounts
       SET email = NULL, email_verified_at = NULL, phone = NULL, phone_verified_at = NULL, password_hash = NULL,
           name = '', locale = NULL, purged_at = $2
     WHERE id IN (SELECT id FROM accounts WHERE deleted_at < $1 AND purged_at IS NULL LIMIT 100)
    RETURNING id";

const PURGE_SESSIONS: &str = "DELETE FROM sessions WHERE account_id = $1";

const PURGE_LOGINS: &str = "DELETE FROM logins WHERE account_id = $1";
