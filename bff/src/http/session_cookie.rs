//! The session cookie: how it is written, and the new one that any answer may have to carry.

use std::sync::{Arc, OnceLock};

use axum_extra::extract::cookie::{Cookie, SameSite};
use http::header::{CACHE_CONTROL, COOKIE, SET_COOKIE};
use http::{HeaderMap, HeaderValue};
use time::Duration;

use super::Problem;
use crate::identity::{Deployment, Grant};

/// Where whoever finds out who is asking leaves the cookie that takes the place of the one that was sent.
#[derive(Clone, Default)]
pub struct Successor(Arc<OnceLock<HeaderValue>>);

impl Successor {
    /// Only who sent a cookie may get another.
    pub fn awaited(request: &HeaderMap) -> Option<Self> {
        request.contains_key(COOKIE).then(Self::default)
    }

    pub fn leave(&self, grant: Grant, deployment: &Deployment) -> Result<(), Problem> {
        if let Grant::Cookie { value, max_age } = grant {
            // Of two for one request either is good.
            let _ = self.0.set(written(value, max_age, deployment)?);
        }
        Ok(())
    }

    /// Adds it to the answer, which nobody may keep then; what a handler itself did to the cookie counts more.
    pub fn join(self, headers: &mut HeaderMap) {
        let Some(cookie) = self.0.get() else { return };
        let name = |cookie: &HeaderValue| cookie.as_bytes().split(|byte| *byte == b'=').next().map(<[u8]>::to_vec);
        if !headers.get_all(SET_COOKIE).iter().any(|other| name(other) == name(cookie)) {
            headers.append(SET_COOKIE, cookie.clone());
            headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        }
    }
}

/// `__Host-` makes browsers insist on https and this very host; plain http cannot have it.
pub fn name(deployment: &Deployment) -> &'static str {
    if is_https(deployment) { "__Host-sid" } else { "sid" }
}

pub fn is_https(deployment: &Deployment) -> bool {
    deployment.public_url.starts_with("https://")
}

/// As a header; an empty one that ends at once takes the cookie away.
pub fn written(value: String, max_age: Duration, deployment: &Deployment) -> Result<HeaderValue, Problem> {
    let cookie = Cookie::build((name(deployment), value))
        .path("/")
        .http_only(true)
        .same_site(SameSite::Lax)
        .secure(is_https(deployment))
        .max_age(max_age)
        .build();
    let mut header = HeaderValue::try_from(cookie.to_string()).map_err(|_| Problem::internal())?;
    header.set_sensitive(true);
    Ok(header)
}
