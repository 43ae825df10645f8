//! Callers whom another issuer vouches for, as the rest of the server meets them.

use std::sync::Arc;

use time::OffsetDateTime;
use tokio::time::Instant;

use super::Identity;
use super::caller::{Caller, Credentials};
use super::error::Error;
use super::issuer::{Issuer, Visitor};
use super::standing::Standing;
use super::token::{SessionTokens, Subject};
use crate::store::SessionKind;

impl Identity {
    /// Whether people can sign in here; without it only other issuers' tokens make a caller.
    pub fn has_accounts(&self) -> bool {
        self.has_accounts
    }

    /// The issuers whose tokens count here.
    pub fn issuers(&self) -> impl Iterator<Item = &str> {
        self.issuers.iter().map(|issuer| issuer.config.issuer.as_str())
    }

    /// By name: whether the server is not ready without one, and whether its tokens can be verified.
    pub fn check_issuers(&self) -> impl Iterator<Item = (&str, bool, Result<(), String>)> {
        self.issuers.iter().map(|issuer| (&*issuer.name, issuer.config.required, issuer.check()))
    }

    /// Whether these credentials say that somebody else vouches for the caller, who then has no account here.
    pub fn is_of_visitor(&self, credentials: &Credentials) -> bool {
        matches!(credentials, Credentials::Bearer(token) if self.issuers.of(token).is_some())
    }

    pub(super) fn standing_of(&self, visitor: &Visitor) -> Standing {
        let seconds = visitor.expires_at.saturating_sub(self.clock.now().unix_timestamp());
        let most = std::time::Duration::from_secs(u64::try_from(seconds).unwrap_or(0)).min(LONGEST);
        Standing::Token(Instant::now() + most)
    }

    pub(super) async fn visitor(&self, issuer: &Issuer, token: &str, now: OffsetDateTime) -> Result<Caller, Error> {
        let verified = self.issuers.verify(issuer, token, now).await?;
        let visitor = &verified.visitor;
        let tokens = verified.tokens.get_or_init(|| {
            let subject = subject(visitor);
            Arc::new(SessionTokens::new(Arc::clone(&self.tokens), self.clock.clone(), subject, self.upstream_token))
        });
        Ok(Caller {
            sub: visitor.id,
            role: visitor.role,
            email: visitor.email.clone(),
            session: visitor.id,
            version: 0,
            kind: SessionKind::Token,
            visitor: Some(Arc::clone(visitor)),
            tokens: Arc::clone(tokens) as _,
        })
    }
}

/// Beyond what anything stays open.
const LONGEST: std::time::Duration = std::time::Duration::from_secs(86_400);

fn subject(visitor: &Arc<Visitor>) -> Subject {
    Subject {
        account: visitor.id,
        session: visitor.id,
        kind: SessionKind::Token,
        auth_version: 0,
        role: visitor.role,
        email: None,
        visitor: Some(Arc::clone(visitor)),
    }
}
