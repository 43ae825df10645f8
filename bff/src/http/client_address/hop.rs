//! The hops that a `x-forwarded-for` or a `forwarded` header (RFC 7239) tells of.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use http::header::FORWARDED;
use http::{HeaderMap, HeaderName};

use super::ForwardedHeader;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The last hop first; none for one that names no address.
pub fn from_the_end(header: ForwardedHeader, headers: &HeaderMap) -> impl Iterator<Item = Option<IpAddr>> {
    let (name, read): (_, fn(&str) -> Option<IpAddr>) = match header {
        ForwardedHeader::XForwardedFor => (X_FORWARDED_FOR, node),
        ForwardedHeader::Forwarded => (FORWARDED, element),
    };
    // Several headers are one list; what is not text is one hop that says nothing.
    let lines = headers.get_all(name).iter().rev().map(|value| value.to_str().unwrap_or("?"));
    lines.flat_map(|line| line.rsplit(',')).map(str::trim).filter(|hop| !hop.is_empty()).map(read)
}

/// The address of `for=192.0.2.60;proto=http`. No address has a comma, so a quoted one that a
/// client slipped in only makes hops that say nothing.
fn element(text: &str) -> Option<IpAddr> {
    let mut named = text.split(';').filter_map(|pair| pair.trim().split_once('='));
    let (_, value) = named.find(|(name, _)| name.eq_ignore_ascii_case("for"))?;
    let quoted = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
    node(quoted.unwrap_or(value))
}

/// `192.0.2.60`, `192.0.2.60:4711`, `2001:db8::1`, `[2001:db8::1]` or `[2001:db8::1]:4711`.
fn node(text: &str) -> Option<IpAddr> {
    let bracketed = || text.strip_prefix('[')?.strip_suffix(']')?.parse::<Ipv6Addr>().ok();
    let bare = text.parse::<IpAddr>().ok();
    bare.or_else(|| bracketed().map(IpAddr::V6)).or_else(|| Some(text.parse::<SocketAddr>().ok()?.ip()))
}
