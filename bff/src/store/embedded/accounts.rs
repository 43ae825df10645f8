//! The rows of accounts.

use sqlx::Row;
use sqlx::sqlite::SqliteRow;
use uuid::Uuid;

use super::{Embedded, failed_to, micros, optional_time_in, time_in, uuid_in};
use crate::store::{Account, Error};

impl Embedded {
    pub(in crate::store) async fn account(&self, id: Uuid) -> Result<Option<Account>, Error> {
        let query = sqlx::query("SELECT * FROM accounts WHERE id = $1").bind(id.to_string());
        query.try_map(account_in).fetch_optional(&self.pool).await.map_err(failed_to(READ))
    }

    pub(in crate::store) async fn account_by_email(&self, email: &str) -> Result<Option<Account>, Error> {
        let query = sqlx::query("SELECT * FROM accounts WHERE email = $1 AND deleted_at IS NULL").bind(email);
        query.try_map(account_in).fetch_optional(&self.pool).await.map_err(failed_to(READ))
    }

    pub(in crate::store) async fn account_by_phone(&self, phone: &str) -> Result<Option<Account>, Error> {
        let query = sqlx::query("SELECT * FROM accounts WHERE phone = $1 AND deleted_at IS NULL").bind(phone);
        query.try_map(account_in).fetch_optional(&self.pool).await.map_err(failed_to(READ))
    }

    pub(in crate::store) async fn insert_account(&self, account: &Account) -> Result<bool, Error> {
        let done = sqlx::query(INSERT)
            .bind(account.id.to_string())
            .bind(&account.email)
            .bind(account.email_verified_at.map(micros))
            .bind(&account.phone)
            .bind(account.phone_verified_at.map(micros))
            .bind(&account.password_hash)
            .bind(&account.name)
            .bind(&account.locale)
            .bind(&account.role)
            .bind(account.auth_version)
            .bind(micros(account.credentials_changed_at))
            .bind(micros(account.created_at))
            .bind(account.disabled_at.map(micros))
            .bind(account.deleted_at.map(micros))
            .execute(&self.pool)
            .await
            .map_err(failed_to("add an account"))?;
        Ok(done.rows_affected() == 1)
    }

    pub(in crate::store) async fn rehash_password(&self, id: Uuid, old: &str, new: &str) -> Result<bool, Error> {
        let done = sqlx::query("UPDATE accounts SET password_hash = $3 WHERE id = $1 AND password_hash = $2")
            .bind(id.to_string())
            .bind(old)
            .bind(new)
            .execute(&self.pool)
            .await
            .map_err(failed_to("renew a password hash"))?;
        Ok(done.rows_affected() == 1)
    }
}

const READ: &str = "read an account";

const INSERT: &str = "
    INSERT INTO accounts (id, email, email_verified_at, phone, phone_verified_at, password_hash, name, locale, role,
                          auth_version, credentials_changed_at, created_at, disabled_at, deleted_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
    ON CONFLICT DO NOTHING";

fn account_in(row: SqliteRow) -> Result<Account, sqlx::Error> {
    Ok(Account {
        id: uuid_in(&row, "id")?,
        email: row.try_get("email")?,
        email_verified_at: optional_time_in(&row, "email_verified_at")?,
        phone: row.try_get("phone")?,
        phone_verified_at: optional_time_in(&row, "phone_verified_at")?,
        password_hash: row.try_get("password_hash")?,
        name: row.try_get("name")?,
        locale: row.try_get("locale")?,
        role: row.try_get("role")?,
        auth_version: row.try_get("auth_version")?,
        credentials_changed_at: time_in(&row, "credentials_changed_at")?,
        created_at: time_in(&row, "created_at")?,
        disabled_at: optional_time_in(&row, "disabled_at")?,
        deleted_at: optional_time_in(&row, "deleted_at")?,
    })
}
