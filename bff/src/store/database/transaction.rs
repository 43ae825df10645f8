//! Statements that hold together or not at all: dropping a transaction undoes it.

use sqlx::postgres::Postgres;
use sqlx::sqlite::Sqlite;

use super::{Database, Pool, Query, Row, Statement, foreign_statement};

pub enum Transaction {
    Sqlite(sqlx::Transaction<'static, Sqlite>),
    Postgres(sqlx::Transaction<'static, Postgres>),
}

impl Database {
    /// To be called within the guard, as its time counts for the whole.
    pub async fn begin(&self) -> Result<Transaction, sqlx::Error> {
        match &self.pool {
            // Whoever took the write lock only when it writes could find that another has written since it read.
            Pool::Sqlite(pool, _) => pool.begin_with("BEGIN IMMEDIATE").await.map(Transaction::Sqlite),
            Pool::Postgres(pool) => pool.begin().await.map(Transaction::Postgres),
        }
    }
}

impl Transaction {
    pub async fn commit(self) -> Result<(), sqlx::Error> {
        match self {
            Self::Sqlite(transaction) => transaction.commit().await,
            Self::Postgres(transaction) => transaction.commit().await,
        }
    }
}

impl Query<'_> {
    /// Runs a statement; gives how many rows it wrote.
    pub async fn execute_in(self, transaction: &mut Transaction) -> Result<u64, sqlx::Error> {
        match (self.statement, transaction) {
            (Statement::Sqlite(query), Transaction::Sqlite(transaction)) => {
                query.execute(&mut **transaction).await.map(|done| done.rows_affected())
            }
            (Statement::Postgres(query), Transaction::Postgres(transaction)) => {
                query.execute(&mut **transaction).await.map(|done| done.rows_affected())
            }
            _ => Err(foreign_statement()),
        }
    }

    /// The first row, if there is any.
    pub async fn first_in<T>(
        self,
        transaction: &mut Transaction,
        read: impl Fn(&Row) -> Result<T, sqlx::Error>,
    ) -> Result<Option<T>, sqlx::Error> {
        Ok(self.all_in(transaction, read).await?.into_iter().next())
    }

    /// Every row: the statement says how many there can be.
    pub async fn all_in<T>(
        self,
        transaction: &mut Transaction,
        read: impl Fn(&Row) -> Result<T, sqlx::Error>,
    ) -> Result<Vec<T>, sqlx::Error> {
        match (self.statement, transaction) {
            (Statement::Sqlite(query), Transaction::Sqlite(transaction)) => {
                let rows = query.fetch_all(&mut **transaction).await?;
                rows.into_iter().map(|row| read(&Row::Sqlite(row))).collect()
            }
            (Statement::Postgres(query), Transaction::Postgres(transaction)) => {
                let rows = query.fetch_all(&mut **transaction).await?;
                rows.into_iter().map(|row| read(&Row::Postgres(row))).collect()
            }
            _ => Err(foreign_statement()),
        }
    }
}
