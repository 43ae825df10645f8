//! Accounts as an admin looks for them.

use super::Accounts;
use super::account::account_in;
use crate::store::database::Id;
use crate::store::{Account, AccountFilter, AccountState, Error, Position};

impl Accounts {
    /// The accounts that a filter admits, newest first, from before a position.
    pub async fn search_accounts(
        &self,
        filter: &AccountFilter,
        before: Option<Position>,
        limit: u32,
    ) -> Result<Vec<Account>, Error> {
        let (at, id): (i64, Id) = Position::bounds(before);
        let query = self
            .database
            .query(SEARCH)
            .bind(at)
            .bind(id)
            .bind(i64::from(limit))
            .bind(filter.email.clone())
            .bind(filter.phone.clone())
            .bind(filter.name.as_deref().map(prefix))
            .bind(filter.role.clone())
            .bind(filter.state.map(|state| state_name(state).to_owned()));
        query.all("search accounts", account_in).await
    }
}

/// PostgreSQL must be told the type of a value that may be missing.
const SEARCH: &str = r"
    SELECT id, email, email_verified_at, phone, phone_verified_at, password_hash, name, locale, role, auth_version,
           credentials_changed_at, created_at, disabled_at, deleted_at
      FROM accounts
     WHERE (created_at, id) < ($1, $2)
       AND (CAST($4 AS TEXT) IS NULL OR email = $4)
       AND (CAST($5 AS TEXT) IS NULL OR phone = $5)
       AND (CAST($6 AS TEXT) IS NULL OR lower(name) LIKE lower($6) ESCAPE '\')
       AND (CAST($7 AS TEXT) IS NULL OR role = $7)
       AND (CAST($8 AS TEXT) IS NULL
            OR $8 = CASE WHEN deleted_at IS NOT NULL THEN 'deleted'
                         WHEN disabled_at IS NOT NULL THEN 'disabled'
                         ELSE 'active' END)
     ORDER BY created_at DESC, id DESC
     LIMIT $3";

fn state_name(state: AccountState) -> &'static str {
    match state {
        AccountState::Active => "active",
        AccountState::Disabled => "disabled",
        AccountState::Deleted => "deleted",
    }
}

/// A pattern for every text that begins so.
fn prefix(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len() + 1);
    for c in text.chars() {
        if matches!(c, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern.push('%');
    pattern
}
