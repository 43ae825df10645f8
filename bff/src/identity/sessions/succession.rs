//! Gives a cookie session whose account has another role a successor: one, however many requests and replicas ask.

use std::sync::Arc;

use time::OffsetDateTime;

use super::{MAX_TRIES, Seen, Sessions};
use crate::identity::error::Error;
use crate::identity::secret::Secret;
use crate::identity::session::{self, Succession};

impl Sessions {
    /// The secret of the session that takes, or has taken, the place of this one.
    pub(super) async fn successor(
        &self,
        secret: &Secret,
        seen: &Seen,
        now: OffsetDateTime,
    ) -> Result<Option<Secret>, Error> {
        let hash = secret.hash();
        let mut live = Arc::clone(&seen.live);
        for _ in 0..MAX_TRIES {
            match session::succession(&live.session, secret) {
                Succession::Current => return Ok(None),
                Succession::Done(next) => return Ok(Some(next)),
                Succession::Due => {}
            }
            let next = Secret::random();
            let (old, new) = session::succeed(&self.rules, &live.session, live.role, secret, &next, now);
            match self.store.replace_session(&old, &new).await {
                Ok(true) => {
                    self.seen.invalidate(&hash).await;
                    return Ok(Some(next));
                }
                Ok(false) => {
                    live = self.read(&hash, now).await?.live;
                    self.admit(&hash, &live, now).await?;
                }
                // The session goes on, and has a successor later.
                Err(error) if error.is_outage() => return Ok(None),
                Err(error) => return Err(error.into()),
            }
        }
        Err(Error::Contended)
    }
}
