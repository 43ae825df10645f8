//! Addresses. Their lines are one column: a line has no line end of its own.

use uuid::Uuid;

use super::database::Row;
use super::{Error, Store};
use crate::addresses::address::Address;
use crate::page::Cursor;

const BY_ID: &str = "
    SELECT id, user_id, label, recipient, lines, postal_code, city, country_code,
           created_at, updated_at, deleted_at, version
      FROM addresses
     WHERE id = $1";

const OF_USER: &str = "
    SELECT id, user_id, label, recipient, lines, postal_code, city, country_code,
           created_at, updated_at, deleted_at, version
      FROM addresses
     WHERE user_id = $1 AND deleted_at IS NULL AND (created_at, id) < ($2, $3)
     ORDER BY created_at DESC, id DESC
     LIMIT $4";

const INSERT: &str = "
    INSERT INTO addresses (id, user_id, label, recipient, lines, postal_code, city, country_code,
                           created_at, updated_at, version)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)";

const REPLACE: &str = "
    UPDATE addresses
       SET label = $3, recipient = $4, lines = $5, postal_code = $6, city = $7, country_code = $8,
           updated_at = $9, deleted_at = $10, version = version + 1
     WHERE id = $1 AND version = $2";

impl Store {
    /// An address in any state, deleted ones too.
    pub async fn address(&self, id: Uuid) -> Result<Option<Address>, Error> {
        let rows = self.database.acquire().await?.query(BY_ID).bind(id).rows().await?;
        rows.first().map(address_from).transpose()
    }

    /// A user's addresses that are not deleted, newest first.
    pub async fn addresses_of(&self, user_id: &str, after: Cursor, limit: i64) -> Result<Vec<Address>, Error> {
        let mut connection = self.database.acquire().await?;
        let query = connection.query(OF_USER).bind(user_id.to_owned());
        let rows = query.bind(after.created_at).bind(after.id).bind(limit).rows().await?;
        rows.iter().map(address_from).collect()
    }

    pub async fn insert_address(&self, address: &Address) -> Result<(), Error> {
        let mut connection = self.database.acquire().await?;
        let insert = connection
            .query(INSERT)
            .bind(address.id)
            .bind(address.user_id.clone())
            .bind(address.label.clone())
            .bind(address.recipient.clone())
            .bind(address.lines.join("\n"))
            .bind(address.postal_code.clone())
            .bind(address.city.clone())
            .bind(address.country_code.clone())
            .bind(address.created_at)
            .bind(address.updated_at)
            .bind(address.version);
        insert.execute().await?;
        Ok(())
    }

    /// False, and nothing written, where the address is no longer as it was before.
    pub async fn replace_address(&self, before: &Address, after: &Address) -> Result<bool, Error> {
        let mut connection = self.database.acquire().await?;
        let update = connection
            .query(REPLACE)
            .bind(before.id)
            .bind(before.version)
            .bind(after.label.clone())
            .bind(after.recipient.clone())
            .bind(after.lines.join("\n"))
            .bind(after.postal_code.clone())
            .bind(after.city.clone())
            .bind(after.country_code.clone())
            .bind(after.updated_at)
            .bind(after.deleted_at);
        Ok(update.execute().await? == 1)
    }
}

fn address_from(row: &Row) -> Result<Address, Error> {
    Ok(Address {
        id: row.get("id")?,
        user_id: row.get("user_id")?,
        label: row.get("label")?,
        recipient: row.get("recipient")?,
        lines: row.get::<String>("lines")?.split('\n').map(str::to_owned).collect(),
        postal_code: row.get("postal_code")?,
        city: row.get("city")?,
        country_code: row.get("country_code")?,
        created_at: row.get("created_at")?,
        updated_at: row.get("updated_at")?,
        deleted_at: row.get("deleted_at")?,
        version: row.get("version")?,
    })
}
