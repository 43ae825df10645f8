//! What admins do to the accounts of others. Every change is a line of the audit, one that was refused as well.

use time::OffsetDateTime;
use uuid::Uuid;

use super::caller::Caller;
use super::error::Error;
use super::role::Role;
use super::session::Client;
use super::{Identity, event};
use crate::events::{Event, What};
use crate::notify::Template;
use crate::store::{Accompanying, Account, AccountFilter, AuditEntry, Ending, Position, Session, Standing, Written};

/// Who changes another's account, from where, and why.
pub struct Admin<'a> {
    pub caller: &'a Caller,
    pub client: &'a Client,
    pub reason: Option<String>,
}

/// What of an account shall change.
#[derive(Debug, Clone, Copy, Default)]
pub struct AccountChange {
    pub role: Option<Role>,
    pub disabled: Option<bool>,
}

/// An installation cannot be managed without one.
const NEEDED: Role = Role::Admin;
/// A role is compared and put; it loses only against another admin.
const MAX_TRIES: usize = 5;

impl Identity {
    pub async fn accounts(
        &self,
        filter: &AccountFilter,
        before: Option<Position>,
        limit: u32,
    ) -> Result<Vec<Account>, Error> {
        Ok(self.store.search_accounts(filter, before, limit).await?)
    }

    pub async fn account(&self, id: Uuid) -> Result<Account, Error> {
        self.store.account(id).await?.ok_or(Error::Missing)
    }

    /// Changes what is given, one after the other, and gives the account as it is then.
    pub async fn change_account(&self, id: Uuid, change: AccountChange, admin: &Admin<'_>) -> Result<Account, Error> {
        let mut account = self.existing(id).await?;
        if let Some(role) = change.role {
            account = self.change_role(account, role, admin).await?;
        }
        let standing = match change.disabled {
            Some(true) if account.disabled_at.is_none() => Standing::Disabled,
            Some(false) if account.disabled_at.is_some() => Standing::Enabled,
            _ => return Ok(account),
        };
        let action = if standing == Standing::Disabled { "disabled" } else { "enabled" };
        self.change_as(admin, &account, action, standing).await
    }

    pub async fn delete_account(&self, id: Uuid, admin: &Admin<'_>) -> Result<(), Error> {
        let account = self.existing(id).await?;
        self.change_as(admin, &account, "deleted", Standing::Deleted).await?;
        self.tell(&account, Template::AccountDeleted).await;
        Ok(())
    }

    pub async fn sessions_of_another(&self, id: Uuid) -> Result<Vec<Session>, Error> {
        let account = self.existing(id).await?;
        self.sessions_of(account.id).await
    }

    pub async fn end_sessions_of_another(&self, id: Uuid, which: Ending, admin: &Admin<'_>) -> Result<(), Error> {
        let now = self.clock.now();
        let account = self.existing(id).await?;
        let events = vec![self.ending(account.id, which, now).await?];
        let accompanying = admin.accompanying(&account, "sessions-revoked", events, now);
        let ended = self.store.end_sessions_of(account.id, which, now, &accompanying).await?;
        if ended.is_empty() && matches!(which, Ending::One(_)) {
            return Err(Error::Missing);
        }
        self.sessions.ended(&ended, now).await;
        if !ended.is_empty() {
            self.tell(&account, Template::SessionsRevoked).await;
        }
        Ok(())
    }

    /// What was done, newest first.
    pub async fn audit(
        &self,
        target: Option<&str>,
        before: Option<Position>,
        limit: u32,
    ) -> Result<Vec<AuditEntry>, Error> {
        Ok(self.store.audit(target, before, limit).await?)
    }

    /// Makes an account what it shall be, and tells every replica of the sessions that this ends or renews.
    pub(super) async fn change_standing(
        &self,
        account: &Account,
        standing: Standing<'_>,
        now: OffsetDateTime,
        accompanying: Accompanying,
    ) -> Result<Account, Error> {
        match self.store.change_standing(account.id, standing, NEEDED.as_str(), now, &accompanying).await? {
            Written::Done(changed) => {
                match standing {
                    Standing::Role { .. } => self.sessions.renewed(&changed, now).await,
                    _ => self.sessions.ended(&changed.sessions, now).await,
                }
                Ok(changed.account)
            }
            Written::Needed => {
                let refused = |entry| AuditEntry { result: "refused: last admin".to_owned(), ..entry };
                let audit = accompanying.audit.into_iter().map(refused).collect();
                self.store.note(&Accompanying { audit, events: Vec::new() }).await?;
                Err(Error::LastAdmin)
            }
            Written::Outdated | Written::Spent | Written::Taken => Err(Error::Contended),
        }
    }

    async fn change_role(&self, account: Account, role: Role, admin: &Admin<'_>) -> Result<Account, Error> {
        let mut account = account;
        for _ in 0..MAX_TRIES {
            if account.role == role.as_str() {
                return Ok(account);
            }
            let action = format!("role-changed: {} -> {role}", account.role);
            let latest = self.sessions.latest(role, self.clock.now());
            let standing = Standing::Role { old: &account.role, new: role.as_str(), latest };
            match self.change_as(admin, &account, &action, standing).await {
                Err(Error::Contended) => account = self.existing(account.id).await?,
                done => return done,
            }
        }
        Err(Error::Contended)
    }

    async fn change_as(
        &self,
        admin: &Admin<'_>,
        account: &Account,
        action: &str,
        standing: Standing<'_>,
    ) -> Result<Account, Error> {
        let now = self.clock.now();
        let events = match standing {
            Standing::Role { old, new, .. } => vec![What::RoleChanged { from: old.to_owned(), to: new.to_owned() }],
            Standing::Disabled => vec![self.ending(account.id, Ending::All, now).await?],
            Standing::Enabled => Vec::new(),
            Standing::Deleted => vec![What::Deleted],
        };
        let accompanying = admin.accompanying(account, action, events, now);
        let result = self.change_standing(account, standing, now, accompanying).await;
        let name = match standing {
            Standing::Role { .. } => "role-changed",
            Standing::Disabled => "disabled",
            Standing::Enabled => "enabled",
            Standing::Deleted => "deleted",
        };
        event::count(&self.meter, name, &result);
        result
    }

    /// One that was not deleted.
    async fn existing(&self, id: Uuid) -> Result<Account, Error> {
        let account = self.store.account(id).await?;
        account.filter(|account| account.deleted_at.is_none()).ok_or(Error::Missing)
    }
}

impl Admin<'_> {
    fn accompanying(&self, target: &Account, action: &str, events: Vec<What>, now: OffsetDateTime) -> Accompanying {
        let (actor, origin) = (Some(self.caller.sub), self.client.origin());
        let entry = AuditEntry {
            id: Uuid::now_v7(),
            at: now,
            actor,
            action: action.to_owned(),
            target: Some(target.id.to_string()),
            network: origin.network.clone(),
            result: "ok".to_owned(),
            reason: self.reason.clone(),
        };
        let event = |what| Event { account: Some(target.id), actor, at: now, origin: origin.clone(), what };
        Accompanying { audit: vec![entry], events: events.into_iter().map(|what| event(what).outbox()).collect() }
    }
}
