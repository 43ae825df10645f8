//! Orders and their lines.

use uuid::Uuid;

use super::database::{Row, Transaction};
use super::{Error, Store};
use crate::orders::order::{Line, Order};
use crate::page::Cursor;

const BY_ID: &str = "
    SELECT o.id, o.user_id, o.status, o.currency, o.total, o.note, o.created_at, o.updated_at, o.deleted_at, o.version,
           l.product_id, l.quantity, l.unit_price
      FROM orders o JOIN order_lines l ON l.order_id = o.id
     WHERE o.id = $1
     ORDER BY l.position";

const OF_USER: &str = "
    WITH page AS (
        SELECT * FROM orders
         WHERE user_id = $1 AND deleted_at IS NULL AND ($2 = 0 OR status = $2) AND (created_at, id) < ($3, $4)
         ORDER BY created_at DESC, id DESC
         LIMIT $5
    )
    SELECT o.id, o.user_id, o.status, o.currency, o.total, o.note, o.created_at, o.updated_at, o.deleted_at, o.version,
           l.product_id, l.quantity, l.unit_price
      FROM page o JOIN order_lines l ON l.order_id = o.id
     ORDER BY o.created_at DESC, o.id DESC, l.position";

const BY_KEY: &str = "SELECT id, fingerprint FROM orders WHERE user_id = $1 AND idempotency_key = $2";

const INSERT: &str = "
    INSERT INTO orders (id, user_id, status, currency, total, note, created_at, updated_at, version,
                        idempotency_key, fingerprint)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
    ON CONFLICT (user_id, idempotency_key) DO NOTHING";

const REPLACE: &str = "
    UPDATE orders
       SET status = $3, currency = $4, total = $5, note = $6, updated_at = $7, deleted_at = $8, version = version + 1
     WHERE id = $1 AND version = $2";

const INSERT_LINE: &str =
    "INSERT INTO order_lines (order_id, position, product_id, quantity, unit_price) VALUES ($1, $2, $3, $4, $5)";

const DELETE_LINES: &str = "DELETE FROM order_lines WHERE order_id = $1";

/// What makes a creation happen once: the caller's key, and a fingerprint of what was asked under it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Once {
    pub key: String,
    pub fingerprint: Vec<u8>,
}

impl Store {
    /// An order in any state, deleted ones too.
    pub async fn order(&self, id: Uuid) -> Result<Option<Order>, Error> {
        let rows = self.database.acquire().await?.query(BY_ID).bind(id).rows().await?;
        Ok(orders_from(&rows)?.pop())
    }

    /// A user's orders that are not deleted, newest first; status 0 means any.
    pub async fn orders_of(&self, user_id: &str, status: i32, after: Cursor, limit: i64) -> Result<Vec<Order>, Error> {
        let mut connection = self.database.acquire().await?;
        let query = connection.query(OF_USER).bind(user_id.to_owned()).bind(status);
        let rows = query.bind(after.created_at).bind(after.id).bind(limit).rows().await?;
        orders_from(&rows)
    }

    /// The order that this user created under this key, and the fingerprint of that request.
    pub async fn order_created_by(&self, user_id: &str, key: &str) -> Result<Option<(Uuid, Vec<u8>)>, Error> {
        let mut connection = self.database.acquire().await?;
        let query = connection.query(BY_KEY).bind(user_id.to_owned()).bind(key.to_owned());
        let rows = query.rows().await?;
        rows.first().map(|row| Ok((row.get("id")?, row.get("fingerprint")?))).transpose()
    }

    /// False, and nothing written, where the user already has an order under this key.
    pub async fn insert_order(&self, order: &Order, once: Option<&Once>) -> Result<bool, Error> {
        let (key, fingerprint) = once.map(|once| (once.key.clone(), once.fingerprint.clone())).unzip();
        let mut transaction = self.database.begin().await?;
        let insert = transaction
            .query(INSERT)
            .bind(order.id)
            .bind(order.user_id.clone())
            .bind(i32::from(order.status))
            .bind(order.currency.clone())
            .bind(order.total)
            .bind(order.note.clone())
            .bind(order.created_at)
            .bind(order.updated_at)
            .bind(order.version)
            .bind(key)
            .bind(fingerprint);
        if insert.execute().await? == 0 {
            return Ok(false);
        }
        insert_lines(&mut transaction, order).await?;
        transaction.commit().await?;
        Ok(true)
    }

    /// False, and nothing written, where the order is no longer as it was before.
    pub async fn replace_order(&self, before: &Order, after: &Order) -> Result<bool, Error> {
        let mut transaction = self.database.begin().await?;
        let update = transaction
            .query(REPLACE)
            .bind(before.id)
            .bind(before.version)
            .bind(i32::from(after.status))
            .bind(after.currency.clone())
            .bind(after.total)
            .bind(after.note.clone())
            .bind(after.updated_at)
            .bind(after.deleted_at);
        if update.execute().await? == 0 {
            return Ok(false);
        }
        if after.lines != before.lines {
            transaction.query(DELETE_LINES).bind(before.id).execute().await?;
            insert_lines(&mut transaction, after).await?;
        }
        transaction.commit().await?;
        Ok(true)
    }
}

async fn insert_lines(transaction: &mut Transaction, order: &Order) -> Result<(), Error> {
    for (position, line) in (0_i32..).zip(&order.lines) {
        let insert = transaction.query(INSERT_LINE).bind(order.id).bind(position).bind(line.product_id.clone());
        insert.bind(line.quantity).bind(line.unit_price).execute().await?;
    }
    Ok(())
}

/// Folds one row per line into orders; the rows of an order are neighbours.
fn orders_from(rows: &[Row]) -> Result<Vec<Order>, Error> {
    let mut orders: Vec<Order> = Vec::new();
    for row in rows {
        let id = row.get("id")?;
        let line = Line {
            product_id: row.get("product_id")?,
            quantity: row.get("quantity")?,
            unit_price: row.get("unit_price")?,
        };
        match orders.last_mut() {
            Some(order) if order.id == id => order.lines.push(line),
            _ => orders.push(order_from(row, id, line)?),
        }
    }
    Ok(orders)
}

fn order_from(row: &Row, id: Uuid, first: Line) -> Result<Order, Error> {
    Ok(Order {
        id,
        user_id: row.get("user_id")?,
        status: row.get::<i32>("status")?.try_into().unwrap_or_default(),
        currency: row.get("currency")?,
        total: row.get("total")?,
        lines: vec![first],
        note: row.get("note")?,
        created_at: row.get("created_at")?,
        updated_at: row.get("updated_at")?,
        deleted_at: row.get("deleted_at")?,
        version: row.get("version")?,
    })
}
