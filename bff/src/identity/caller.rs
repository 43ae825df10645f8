//! Who is asking, as everything above identity sees it.

use std::sync::Arc;

use http::HeaderValue;
use uuid::Uuid;

use super::issuer::Visitor;
use super::role::Role;
use super::sign_in::Grant;
use super::token::TokenError;
use crate::store::SessionKind;

/// A request's verified sender.
#[derive(Clone)]
pub struct Caller {
    /// The account; a visitor has an id of his own, which is never an account's.
    pub sub: Uuid,
    pub role: Role,
    pub email: Option<String>,
    /// A visitor's is his id.
    pub session: Uuid,
    /// Of the account, as the session or the token was made for; a visitor has none.
    pub version: i64,
    pub kind: SessionKind,
    /// Where another issuer vouches for the caller, who has no account here.
    pub visitor: Option<Arc<Visitor>>,
    /// Speaks for the caller to the services behind this server.
    pub tokens: Arc<dyn TokenFor>,
}

impl Caller {
    /// What views and services know the caller by.
    pub fn subject(&self) -> String {
        self.visitor.as_ref().map_or_else(|| self.sub.to_string(), |visitor| visitor.subject.clone())
    }

    /// What the caller's token was given for.
    pub fn scopes(&self) -> &[String] {
        self.visitor.as_ref().map_or(&[], |visitor| &visitor.scopes)
    }

    /// The `authorization` header for a service with this audience.
    pub fn authorization(&self, audience: &str) -> Result<HeaderValue, TokenError> {
        self.tokens.authorization(audience)
    }
}

/// Whom a request is from.
pub struct Sender {
    pub caller: Caller,
    /// The cookie that takes the place of the one that came with it.
    pub grant: Option<Grant>,
}

/// Mints tokens in one caller's name.
pub trait TokenFor: Send + Sync {
    /// The `authorization` header for a service with this audience.
    fn authorization(&self, audience: &str) -> Result<HeaderValue, TokenError>;
}

/// What a request brings along to say who sent it. No `Debug`: these are secrets.
pub enum Credentials {
    None,
    /// The token of an `Authorization: Bearer` header.
    Bearer(String),
    /// The value of the session cookie.
    Cookie(String),
}
