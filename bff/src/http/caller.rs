//! From a request's headers to its caller: the session cookie or a bearer token, never both.
//!
//! Browsers send cookies along whoever asks them to, so a cookie counts for an unsafe method only
//! if the request shows that it comes from our own pages.

use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::{FromRef, FromRequestParts, OptionalFromRequestParts, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use axum_extra::extract::CookieJar;
use http::header::{AUTHORIZATION, ORIGIN, USER_AGENT};
use http::request::Parts;
use http::{HeaderMap, HeaderName, Method};

use super::account::device;
use super::caller_limit::counted;
use super::facts::Facts;
use super::session_cookie::{self, Successor};
use super::{CallerLimit, Problem};
use crate::identity::{Caller, Client, Credentials, Deployment, Error, Identity, Sender};

/// What a request presents, not yet checked: for a handler that accepts expired credentials.
pub struct Presented(pub Credentials);

/// For the built-in routes: every request counts against the caller's limit.
impl<S> FromRequestParts<S> for Caller
where
    S: Send + Sync,
    Arc<Identity>: FromRef<S>,
    CallerLimit: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let identity = Arc::<Identity>::from_ref(state);
        let credentials = credentials(parts, identity.deployment())?;
        let sender = identity.authenticate(&credentials).await?.ok_or_else(Problem::unauthorized)?;
        let caller = known(sender, parts, &identity)?;
        counted(&CallerLimit::from_ref(state), &caller, parts).await?;
        Ok(caller)
    }
}

/// A cookie that is no longer good is as none, so that a public page outlives a session; a token
/// that is no longer good is refused, so that its holder refreshes it.
impl<S> OptionalFromRequestParts<S> for Caller
where
    S: Send + Sync,
    Arc<Identity>: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Option<Self>, Problem> {
        let identity = Arc::<Identity>::from_ref(state);
        let credentials = credentials(parts, identity.deployment())?;
        match identity.authenticate(&credentials).await {
            Err(Error::Refused(_)) if matches!(credentials, Credentials::Cookie(_)) => Ok(None),
            answer => answer?.map(|sender| known(sender, parts, &identity)).transpose(),
        }
    }
}

/// Leaves a new cookie for the answer, if there is one.
fn known(sender: Sender, parts: &Parts, identity: &Identity) -> Result<Caller, Problem> {
    if let (Some(grant), Some(successor)) = (sender.grant, parts.extensions.get::<Successor>()) {
        successor.leave(grant, identity.deployment())?;
    }
    Ok(sender.caller)
}

impl<S> FromRequestParts<S> for Presented
where
    S: Send + Sync,
    Arc<Identity>: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let identity = Arc::<Identity>::from_ref(state);
        credentials(parts, identity.deployment()).map(Self)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Client {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let user_agent = parts.headers.get(USER_AGENT).and_then(|agent| agent.to_str().ok()).map(str::to_owned);
        let address = parts.extensions.get::<Facts>().and_then(|facts| facts.client).map(|client| client.0);
        Ok(Self { user_agent, address, device: device::presented(&parts.headers) })
    }
}

/// Around the built-in routes, whatever they make of a cookie: what another site made a browser send changes nothing.
pub async fn keep_other_sites_out(
    State(identity): State<Arc<Identity>>,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    if !is_safe(request.method()) && !request.headers().contains_key(AUTHORIZATION) {
        let deployment = identity.deployment();
        let jar = CookieJar::from_headers(request.headers());
        if jar.get(session_cookie::name(deployment)).is_some() {
            require_same_site(request.headers(), deployment)?;
        }
    }
    Ok(next.run(request).await)
}

/// Whoever has his account elsewhere has none here to ask about or to change.
pub async fn refuse_visitors(
    State(identity): State<Arc<Identity>>,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let token = bearer(request.headers()).map(Credentials::Bearer);
    // An admin may be a visitor.
    let concerns_own = request.uri().path().starts_with("/v1/auth/");
    if concerns_own && token.is_ok_and(|token| identity.is_of_visitor(&token)) {
        return Err(Problem::forbidden()
            .code("account-elsewhere", "The account is with the issuer of the token")
            .detail("Sign in and out there, and change there what is to be changed"));
    }
    Ok(next.run(request).await)
}

/// Refuses what another site made a browser send.
pub fn require_same_site(headers: &HeaderMap, deployment: &Deployment) -> Result<(), Problem> {
    match evidence(headers, deployment) {
        Evidence::SameSite => Ok(()),
        Evidence::CrossSite | Evidence::None => Err(cross_site()),
    }
}

/// As `require_same_site`, but lets those through who show no sign of being a browser.
pub fn refuse_cross_site(headers: &HeaderMap, deployment: &Deployment) -> Result<(), Problem> {
    match evidence(headers, deployment) {
        Evidence::SameSite | Evidence::None => Ok(()),
        Evidence::CrossSite => Err(cross_site()),
    }
}

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

enum Evidence {
    SameSite,
    CrossSite,
    None,
}

fn evidence(headers: &HeaderMap, deployment: &Deployment) -> Evidence {
    let fetch_site = headers.get(SEC_FETCH_SITE);
    if fetch_site.is_some_and(|site| site == "same-origin" || site == "none") {
        return Evidence::SameSite;
    }
    match headers.get(ORIGIN) {
        Some(from) if from == origin(&deployment.public_url) => Evidence::SameSite,
        Some(from) if deployment.allowed_origins.iter().any(|allowed| from == allowed) => Evidence::SameSite,
        None if fetch_site.is_none() => Evidence::None,
        _ => Evidence::CrossSite,
    }
}

fn cross_site() -> Problem {
    Problem::forbidden()
        .code("cross-site", "The request must come from this site's own pages")
        .detail("Send it with `Sec-Fetch-Site: same-origin` or this site's `Origin`, or use a bearer token")
}

/// An address without its path.
fn origin(url: &str) -> &str {
    let host = url.find("://").map_or(0, |scheme| scheme + 3);
    let end = url[host..].find('/').map_or(url.len(), |slash| host + slash);
    &url[..end]
}

fn credentials(parts: &Parts, deployment: &Deployment) -> Result<Credentials, Problem> {
    if parts.headers.contains_key(AUTHORIZATION) {
        return bearer(&parts.headers).map(Credentials::Bearer);
    }
    let jar = CookieJar::from_headers(&parts.headers);
    let Some(cookie) = jar.get(session_cookie::name(deployment)) else { return Ok(Credentials::None) };
    if !is_safe(&parts.method) {
        require_same_site(&parts.headers, deployment)?;
    }
    Ok(Credentials::Cookie(cookie.value().to_owned()))
}

fn is_safe(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

/// The token of the one `Authorization` header, whatever the case of its scheme.
fn bearer(headers: &HeaderMap) -> Result<String, Problem> {
    let refused = || Problem::unauthorized().detail("Send one header `Authorization: Bearer <access token>`");
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return Err(refused()) };
    let value = value.to_str().map_err(|_| refused())?;
    match value.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => Ok(token.trim_matches(' ').to_owned()),
        _ => Err(refused()),
    }
}

#[cfg(test)]
mod tests {
    use super::origin;

    #[test]
    fn an_origin_has_no_path() {
        assert_eq!(origin("https://shop.test"), "https://shop.test");
        assert_eq!(origin("http://shop.test:8080/api"), "http://shop.test:8080");
    }
}
