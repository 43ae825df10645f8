//! Using refresh tokens: by the records, which rotate them, and for a moment without.

use time::{Duration, OffsetDateTime};

use super::copies::Name;
use super::{ENDED, Live, MAX_TRIES, Sessions, UNKNOWN};
use crate::identity::error::Error;
use crate::identity::secret::Secret;
use crate::identity::session::{self, Client, Refresh, RefreshToken};

/// How long ago the records must have been asked about a session whose token is good without them.
const SEEN_WITHIN: Duration = Duration::seconds(60);

impl Sessions {
    /// Uses a refresh token and hands out the next one.
    pub async fn refresh(
        &self,
        token: &RefreshToken,
        client: &Client,
        now: OffsetDateTime,
    ) -> Result<(Live, RefreshToken), Error> {
        if self.is_revoked(token.session) {
            return Err(ENDED);
        }
        let successor = Secret::random();
        for _ in 0..MAX_TRIES {
            let live = match self.of_token(token).await {
                Err(Error::Store(error)) if error.is_outage() => {
                    return self.unrotated(token, now).await.ok_or(Error::Store(error));
                }
                live => live?,
            };
            if !session::is_live(&live.session, &live.account, now) {
                return Err(ENDED);
            }
            match session::refresh(&self.rules, &live.session, token, successor.clone(), live.role, now) {
                Refresh::Rotated(session, next) => match self.store.update_session(&session).await {
                    Ok(true) => {
                        let live = Live { session: *session, ..live };
                        self.copies.keep(&live, now).await;
                        return Ok((live, next));
                    }
                    Ok(false) => {}
                    Err(error) => {
                        // Nobody knows which token is the current one.
                        self.copies.forget(&Name::Session(token.session)).await;
                        return Err(error.into());
                    }
                },
                Refresh::Repeated(next) => return Ok((live, next)),
                Refresh::Reused => {
                    self.end_reused(&live.session, client, now).await?;
                    return Err(ENDED);
                }
                Refresh::Ended => return Err(ENDED),
            }
        }
        Err(Error::Contended)
    }

    async fn of_token(&self, token: &RefreshToken) -> Result<Live, Error> {
        let session = self.store.session(token.session).await?.ok_or(UNKNOWN)?;
        self.with_account(session).await
    }

    /// The same token once more, if it is certainly the current one: without the records none can take its place.
    async fn unrotated(&self, token: &RefreshToken, now: OffsetDateTime) -> Option<(Live, RefreshToken)> {
        let (live, read_at) = self.copies.find(&Name::Session(token.session), now).await?;
        let good = now - read_at < SEEN_WITHIN
            && session::is_live(&live.session, &live.account, now)
            && session::is_current(&live.session, token)
            && !self.is_outdated(&live);
        if !good {
            return None;
        }
        self.refreshed_stale.increment(1);
        Some((live, token.clone()))
    }
}
