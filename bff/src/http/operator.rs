//! Who may speak to the operators' address: whoever has the token, and no page of another site in an operator's browser.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::{AUTHORIZATION, HOST, ORIGIN};
use http::uri::Authority;
use http::{HeaderMap, HeaderName, StatusCode};
use secrecy::ExposeSecret;

use super::{AdminConfig, Problem};

/// Decides by a request's head.
#[derive(Clone)]
pub struct Operators {
    listen: SocketAddr,
    token: Option<Arc<str>>,
}

impl From<&AdminConfig> for Operators {
    fn from(config: &AdminConfig) -> Self {
        let token = config.token.as_ref().map(|token| token.expose_secret().into());
        Self { listen: config.listen, token }
    }
}

impl Operators {
    pub async fn only(self, request: Request, next: Next) -> Response {
        match self.refusal(&request) {
            Some(problem) => problem.into_response(),
            None => next.run(request).await,
        }
    }

    fn refusal(&self, request: &Request) -> Option<Problem> {
        let (headers, in_target) = (request.headers(), request.uri().authority().cloned());
        let in_header = headers.get(HOST).map(|host| Authority::try_from(host.as_bytes()).ok());
        let hosts: Vec<Option<Authority>> = in_target.map(Some).into_iter().chain(in_header).collect();
        let ours = |host: &Option<Authority>| host.as_ref().is_some_and(|host| self.is_ours(host));
        // A name of an attacker's that leads to this machine makes his page one of this origin.
        if self.listen.ip().is_loopback() && !hosts.iter().all(ours) {
            return Some(foreign_host());
        }
        if is_cross_site(headers, &hosts) {
            return Some(cross_site());
        }
        (!self.knows(headers)).then(Problem::unauthorized)
    }

    fn is_ours(&self, host: &Authority) -> bool {
        let name = host.host();
        let address = name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
        // Whatever the port: it may be forwarded.
        name.eq_ignore_ascii_case("localhost")
            || address.is_ok_and(|address| address.is_loopback() || address == self.listen.ip())
    }

    /// Without a token every caller is an operator: the address is then a loopback one.
    fn knows(&self, headers: &HeaderMap) -> bool {
        let Some(token) = &self.token else { return true };
        let given = headers.get(AUTHORIZATION).and_then(|value| value.as_bytes().strip_prefix(b"Bearer "));
        verify_slices_are_equal(token.as_bytes(), given.unwrap_or_default()).is_ok()
    }
}

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Only browsers say either of these; other programs are let through.
fn is_cross_site(headers: &HeaderMap, hosts: &[Option<Authority>]) -> bool {
    let own = |origin: &str| {
        let host = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
        host.is_some_and(|host| hosts.iter().flatten().any(|own| own.as_str() == host))
    };
    let mut sites = headers.get_all(SEC_FETCH_SITE).iter();
    let mut origins = headers.get_all(ORIGIN).iter();
    sites.any(|site| site != "same-origin" && site != "none") || origins.any(|origin| !origin.to_str().is_ok_and(own))
}

fn cross_site() -> Problem {
    Problem::forbidden()
        .code("cross-site", "Pages of other sites may not use the operators' address")
        .detail("Send the request without a browser, or from a page of this address")
}

fn foreign_host() -> Problem {
    Problem::new(StatusCode::MISDIRECTED_REQUEST)
        .code("foreign-host", "The operators' address is not known by this name")
        .detail("Use a loopback address or `localhost` as the `Host`, or the address of admin.listen")
}
