//! What a login leaves with its client, so that it is known at the next one: a cookie for browsers, a header for apps.

use axum_extra::extract::CookieJar;
use axum_extra::extract::cookie::{Cookie, SameSite};
use http::header::SET_COOKIE;
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::http::Problem;
use crate::http::session_cookie::is_https;
use crate::identity::{DEVICE_LIFE, Deployment, SessionKind};

const BFF_DEVICE: HeaderName = HeaderName::from_static("bff-device");
const HOST_COOKIE: &str = "__Host-device";
const PLAIN_COOKIE: &str = "device";

/// Under either name: a token that another site of this domain slipped in is known to nobody.
pub fn presented(headers: &HeaderMap) -> Option<String> {
    let header = headers.get(BFF_DEVICE).and_then(|value| value.to_str().ok());
    let jar = CookieJar::from_headers(headers);
    let cookie = || [HOST_COOKIE, PLAIN_COOKIE].into_iter().find_map(|name| Some(jar.get(name)?.value()));
    header.or_else(cookie).map(str::to_owned)
}

/// Adds it to the answer of a login.
pub(super) fn leave(
    headers: &mut HeaderMap,
    device: String,
    kind: SessionKind,
    deployment: &Deployment,
) -> Result<(), Problem> {
    let (name, text) = match kind {
        SessionKind::Token => (BFF_DEVICE, device),
        SessionKind::Cookie => (SET_COOKIE, cookie(device, deployment)),
    };
    let mut value = HeaderValue::try_from(text).map_err(|_| Problem::internal())?;
    value.set_sensitive(true);
    headers.append(name, value);
    Ok(())
}

fn cookie(device: String, deployment: &Deployment) -> String {
    let cookie = Cookie::build((cookie_name(deployment), device))
        .path("/")
        .http_only(true)
        // Logins come from our own pages alone.
        .same_site(SameSite::Strict)
        .secure(is_https(deployment))
        .max_age(DEVICE_LIFE)
        .build();
    cookie.to_string()
}

fn cookie_name(deployment: &Deployment) -> &'static str {
    if is_https(deployment) { HOST_COOKIE } else { PLAIN_COOKIE }
}
