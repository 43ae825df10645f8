//! Changes of what an account is known by: each happens as a whole, with what accompanies it, or not at all.

use time::OffsetDateTime;
use uuid::Uuid;

use super::Accounts;
use crate::store::database::{Id, Transaction, micros};
use crate::store::{Accompanying, Account, Challenge, Contact, Error, Keep, Proof, Session, Written};

impl Accounts {
    /// A new account with its first session, paid for by a challenge.
    pub async fn register(
        &self,
        account: &Account,
        session: &Session,
        challenge: &Challenge,
        accompanying: &Accompanying,
    ) -> Result<Written<()>, Error> {
        let write = async {
            let mut transaction = self.database.begin().await?;
            if !self.spend(&mut transaction, challenge, account.created_at).await? {
                return Ok(Written::Spent);
            }
            if self.insertion(account).execute_in(&mut transaction).await? == 0 {
                return Ok(Written::Taken);
            }
            self.session_insertion(session).execute_in(&mut transaction).await?;
            self.accompany(&mut transaction, accompanying).await?;
            transaction.commit().await?;
            Ok::<_, sqlx::Error>(Written::Done(()))
        };
        self.database.guard().call("add an account", write).await
    }

    /// Notes that an address is the account's, and makes it so if it was another; that ends older challenges.
    pub async fn confirm_contact(
        &self,
        account: Uuid,
        contact: &Contact,
        challenge: &Challenge,
        now: OffsetDateTime,
        accompanying: &Accompanying,
    ) -> Result<Written<()>, Error> {
        let (sql, address) = match contact {
            Contact::Email(email) => (CONFIRM_EMAIL, email),
            Contact::Phone(phone) => (CONFIRM_PHONE, phone),
        };
        let write = async {
            let mut transaction = self.database.begin().await?;
            if !self.spend(&mut transaction, challenge, now).await? {
                return Ok(Written::Spent);
            }
            let confirm = self.database.query(sql).bind(Id(account)).bind(address.clone()).bind(micros(now));
            match confirm.bind(micros(challenge.issued_at)).execute_in(&mut transaction).await {
                Ok(1) => {}
                Ok(_) => return Ok(Written::Outdated),
                Err(error) if error.as_database_error().is_some_and(|error| error.is_unique_violation()) => {
                    return Ok(Written::Taken);
                }
                Err(error) => return Err(error),
            }
            self.accompany(&mut transaction, accompanying).await?;
            transaction.commit().await?;
            Ok(Written::Done(()))
        };
        self.database.guard().call("confirm an address", write).await
    }

    /// Replaces a password, ends every session but what is kept, and gives the ids of those that ended.
    pub async fn set_password(
        &self,
        account: Uuid,
        hash: &str,
        proof: Proof<'_>,
        keep: Keep<'_>,
        now: OffsetDateTime,
        accompanying: &Accompanying,
    ) -> Result<Written<Vec<Uuid>>, Error> {
        let write = async {
            let mut transaction = self.database.begin().await?;
            let update = match proof {
                Proof::OldHash(old) => self.database.query(REPLACE_PASSWORD).bind(old.to_owned()),
                Proof::Challenge(challenge) => {
                    if !self.spend(&mut transaction, challenge, now).await? {
                        return Ok(Written::Spent);
                    }
                    self.database.query(RESET_PASSWORD).bind(micros(challenge.issued_at))
                }
            };
            let update = update.bind(Id(account)).bind(hash.to_owned()).bind(micros(now));
            if update.execute_in(&mut transaction).await? == 0 {
                return Ok(Written::Outdated);
            }
            let ended = self.end_sessions(&mut transaction, account, keep, now).await?;
            self.accompany(&mut transaction, accompanying).await?;
            transaction.commit().await?;
            Ok::<_, sqlx::Error>(Written::Done(ended))
        };
        self.database.guard().call("change a password", write).await
    }

    /// To be called after the account's row was written, which keeps others from doing the same.
    pub(super) async fn end_sessions(
        &self,
        transaction: &mut Transaction,
        account: Uuid,
        keep: Keep<'_>,
        now: OffsetDateTime,
    ) -> Result<Vec<Uuid>, sqlx::Error> {
        let kept = match keep {
            Keep::Session(session) => session,
            Keep::None | Keep::New(_) => Uuid::nil(),
        };
        let end = self.database.query(END_SESSIONS).bind(Id(account)).bind(Id(kept)).bind(micros(now));
        let ended = end.all_in(transaction, |row| Ok(row.get::<Id>("id")?.0)).await?;
        match keep {
            Keep::None => {}
            Keep::Session(session) => {
                let moving = self.database.query(MOVE_SESSION).bind(Id(account)).bind(Id(session));
                moving.execute_in(transaction).await?;
            }
            Keep::New(session) => {
                self.session_insertion(session).execute_in(transaction).await?;
                let moving = self.database.query(MOVE_SESSION).bind(Id(account)).bind(Id(session.id));
                moving.execute_in(transaction).await?;
            }
        }
        Ok(ended)
    }
}

/// What an account becomes known by is no longer what older challenges were issued for.
const CONFIRM_EMAIL: &str = "
    UPDATE accounts
       SET email = $2, email_verified_at = $3,
           credentials_changed_at = CASE WHEN email = $2 THEN credentials_changed_at ELSE $3 END
     WHERE id = $1 AND credentials_changed_at <= $4 AND disabled_at IS NULL AND deleted_at IS NULL";

const CONFIRM_PHONE: &str = "
    UPDATE accounts
       SET phone = $2, phone_verified_at = $3,
           credentials_changed_at = CASE WHEN phone = $2 THEN credentials_changed_at ELSE $3 END
     WHERE id = $1 AND credentials_changed_at <= $4 AND disabled_at IS NULL AND deleted_at IS NULL";

const REPLACE_PASSWORD: &str = "
    UPDATE accounts
       SET password_hash = $3, auth_version = auth_version + 1, credentials_changed_at = $4
     WHERE id = $2 AND password_hash = $1 AND disabled_at IS NULL AND deleted_at IS NULL";

const RESET_PASSWORD: &str = "
    UPDATE accounts
       SET password_hash = $3, auth_version = auth_version + 1, credentials_changed_at = $4
     WHERE id = $2 AND credentials_changed_at <= $1 AND disabled_at IS NULL AND deleted_at IS NULL";

const END_SESSIONS: &str = "
    UPDATE sessions
       SET revoked_at = $3, revision = revision + 1
     WHERE account_id = $1 AND id <> $2 AND revoked_at IS NULL
    RETURNING id";

const MOVE_SESSION: &str = "
    UPDATE sessions
       SET auth_version = (SELECT auth_version FROM accounts WHERE id = $1), revision = revision + 1
     WHERE id = $2 AND account_id = $1";
