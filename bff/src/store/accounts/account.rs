//! The rows of accounts.

use uuid::Uuid;

use super::Accounts;
use crate::store::database::{Id, Query, Row, micros, time_from};
use crate::store::{Account, Error};

impl Accounts {
    pub async fn account(&self, id: Uuid) -> Result<Option<Account>, Error> {
        self.database.query(BY_ID).bind(Id(id)).first(READ, account_in).await
    }

    /// The account that uses this normalised address and is not deleted.
    pub async fn account_by_email(&self, email: &str) -> Result<Option<Account>, Error> {
        self.database.query(BY_EMAIL).bind(email.to_owned()).first(READ, account_in).await
    }

    /// The account that uses this E.164 number and is not deleted.
    pub async fn account_by_phone(&self, phone: &str) -> Result<Option<Account>, Error> {
        self.database.query(BY_PHONE).bind(phone.to_owned()).first(READ, account_in).await
    }

    /// False if the id, the address or the number is taken; nothing is changed then.
    pub async fn insert_account(&self, account: &Account) -> Result<bool, Error> {
        Ok(self.insertion(account).execute("add an account").await? == 1)
    }

    /// Swaps one hash for another of the same password; false if the hash has changed meanwhile.
    pub async fn rehash_password(&self, id: Uuid, old: &str, new: &str) -> Result<bool, Error> {
        let update = self.database.query(REHASH).bind(Id(id)).bind(old.to_owned()).bind(new.to_owned());
        Ok(update.execute("renew a password hash").await? == 1)
    }

    /// Writes no row if the id, the address or the number is taken.
    pub(super) fn insertion(&self, account: &Account) -> Query<'_> {
        self.database
            .query(INSERT)
            .bind(Id(account.id))
            .bind(account.email.clone())
            .bind(account.email_verified_at.map(micros))
            .bind(account.phone.clone())
            .bind(account.phone_verified_at.map(micros))
            .bind(account.password_hash.clone())
            .bind(account.name.clone())
            .bind(account.locale.clone())
            .bind(account.role.clone())
            .bind(account.auth_version)
            .bind(micros(account.credentials_changed_at))
            .bind(micros(account.created_at))
            .bind(account.disabled_at.map(micros))
            .bind(account.deleted_at.map(micros))
    }
}

const READ: &str = "read an account";

const BY_ID: &str = "
    SELECT id, email, email_verified_at, phone, phone_verified_at, password_hash, name, locale, role, auth_version,
           credentials_changed_at, created_at, disabled_at, deleted_at
      FROM accounts
     WHERE id = $1";

const BY_EMAIL: &str = "
    SELECT id, email, email_verified_at, phone, phone_verified_at, password_hash, name, locale, role, auth_version,
           credentials_changed_at, created_at, disabled_at, deleted_at
      FROM accounts
     WHERE email = $1 AND deleted_at IS NULL";

const BY_PHONE: &str = "
    SELECT id, email, email_verified_at, phone, phone_verified_at, password_hash, name, locale, role, auth_version,
           credentials_changed_at, created_at, disabled_at, deleted_at
      FROM accounts
     WHERE phone = $1 AND deleted_at IS NULL";

const INSERT: &str = "
    INSERT INTO accounts (id, email, email_verified_at, phone, phone_verified_at, password_hash, name, locale, role,
                          auth_version, credentials_changed_at, created_at, disabled_at, deleted_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
    ON CONFLICT DO NOTHING";

const REHASH: &str = "UPDATE accounts SET password_hash = $3 WHERE id = $1 AND password_hash = $2";

pub(super) fn account_in(row: &Row) -> Result<Account, sqlx::Error> {
    Ok(Account {
        id: row.get::<Id>("id")?.0,
        email: row.get("email")?,
        email_verified_at: row.get::<Option<i64>>("email_verified_at")?.map(time_from).transpose()?,
        phone: row.get("phone")?,
        phone_verified_at: row.get::<Option<i64>>("phone_verified_at")?.map(time_from).transpose()?,
        password_hash: row.get("password_hash")?,
        name: row.get("name")?,
        locale: row.get("locale")?,
        role: row.get("role")?,
        auth_version: row.get("auth_version")?,
        credentials_changed_at: time_from(row.get("credentials_changed_at")?)?,
        created_at: time_from(row.get("created_at")?)?,
        disabled_at: row.get::<Option<i64>>("disabled_at")?.map(time_from).transpose()?,
        deleted_at: row.get::<Option<i64>>("deleted_at")?.map(time_from).transpose()?,
    })
}
