//! Short tokens for the services behind this server, in the name of one session.

use std::sync::{Arc, Mutex, PoisonError};

use http::HeaderValue;
use time::{Duration, OffsetDateTime};

use super::{Subject, TokenError, Tokens};
use crate::clock::Clock;
use crate::identity::caller::TokenFor;

/// One session's tokens, by audience; minted when first needed, and again before the last minute.
pub struct SessionTokens {
    tokens: Arc<Tokens>,
    clock: Clock,
    subject: Subject,
    lifetime: Duration,
    minted: Mutex<Vec<Minted>>,
}

struct Minted {
    audience: String,
    header: HeaderValue,
    kid: String,
    use_until: OffsetDateTime,
}

/// An upstream refuses what expires on the way to it.
const MARGIN: Duration = Duration::MINUTE;
/// Audiences come from the configuration, so this is never reached.
const MAX_AUDIENCES: usize = 64;

impl SessionTokens {
    pub fn new(tokens: Arc<Tokens>, clock: Clock, subject: Subject, lifetime: Duration) -> Self {
        Self { tokens, clock, subject, lifetime, minted: Mutex::default() }
    }

    fn mint(&self, audience: &str, now: OffsetDateTime) -> Result<Minted, TokenError> {
        let (token, kid) = self.tokens.mint_for(audience, &self.subject, self.lifetime, now)?;
        let header = HeaderValue::try_from(format!("Bearer {token}"));
        let mut header = header.map_err(|_| TokenError::Refused("it does not fit into a header"))?;
        header.set_sensitive(true);
        Ok(Minted { audience: audience.to_owned(), header, kid, use_until: now + self.lifetime - MARGIN })
    }
}

impl TokenFor for SessionTokens {
    fn authorization(&self, audience: &str) -> Result<HeaderValue, TokenError> {
        let now = self.clock.now();
        // Held while signing, so that a burst of calls signs once.
        let mut minted = self.minted.lock().unwrap_or_else(PoisonError::into_inner);
        minted.retain(|token| now < token.use_until && self.tokens.has_key(&token.kid));
        if let Some(token) = minted.iter().find(|token| token.audience == audience) {
            return Ok(token.header.clone());
        }
        let token = self.mint(audience, now)?;
        let header = token.header.clone();
        if minted.len() < MAX_AUDIENCES {
            minted.push(token);
        }
        Ok(header)
    }
}
