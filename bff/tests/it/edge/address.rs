//! Who the client is, through proxies that may lie.

use std::net::{IpAddr, SocketAddr};

use axum::extract::ConnectInfo;
use axum::routing::get;
use axum::{Extension, Router};
use bff::http::{Config, Facts, ForwardedHeader, Network, layers};
use bff::meter::Meter;
use http::Request;
use tower::ServiceExt;

/// Whom the server takes for the client of a request from `peer` with these headers.
async fn client(peer: &str, header: ForwardedHeader, headers: &[(&str, &str)]) -> String {
    let trusted_proxies =
        ["10.0.0.0/8", "fd00::/8", "192.0.2.1"].map(|text| Network::try_from(text.to_owned()).unwrap());
    let config = Config { trusted_proxies: trusted_proxies.to_vec(), forwarded_header: header, ..Config::default() };
    let tell = |Extension(facts): Extension<Facts>| async move { facts.client.unwrap().0.to_string() };
    let router = layers::public(Router::new().route("/", get(tell)), Router::new(), &config, None, &Meter::none());
    let peer = SocketAddr::new(peer.parse::<IpAddr>().unwrap(), 4711);
    let request = Request::get("/").header("host", "a").extension(ConnectInfo(peer));
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    let response = router.oneshot(request.body(axum::body::Body::empty()).unwrap()).await.unwrap();
    let body = axum::body::to_bytes(response.into_body(), 100).await.unwrap();
    String::from_utf8(body.to_vec()).unwrap()
}

#[tokio::test]
async fn x_forwarded_for_is_read_from_its_end() {
    let cases = [
        ("a stranger's header says nothing", "203.0.113.9", vec!["198.51.100.1"], "203.0.113.9"),
        ("a proxy's does", "10.0.0.1", vec!["198.51.100.1"], "198.51.100.1"),
        ("a single address is a network too", "192.0.2.1", vec!["198.51.100.1"], "198.51.100.1"),
        ("what the client wrote is not reached", "10.0.0.1", vec!["1.1.1.1, 198.51.100.1"], "198.51.100.1"),
        ("proxies behind proxies", "10.0.0.1", vec!["198.51.100.1, 10.0.0.3, 10.0.0.2"], "198.51.100.1"),
        ("several headers are one list", "10.0.0.1", vec!["1.1.1.1, 198.51.100.1", "10.0.0.2"], "198.51.100.1"),
        ("ports", "10.0.0.1", vec!["198.51.100.1:1234"], "198.51.100.1"),
        ("IPv6", "fd00::1", vec!["2001:db8::1"], "2001:db8::1"),
        ("IPv6 in brackets", "10.0.0.1", vec!["[2001:db8::1]"], "2001:db8::1"),
        ("IPv6 and a port", "10.0.0.1", vec!["[2001:db8::1]:99"], "2001:db8::1"),
        ("IPv4 in IPv6", "::ffff:10.0.0.1", vec!["::ffff:198.51.100.1"], "198.51.100.1"),
        ("nonsense ends the walk", "10.0.0.1", vec!["198.51.100.1, unknown, 10.0.0.2"], "10.0.0.2"),
        ("nonsense at the end", "10.0.0.1", vec!["198.51.100.1, 1.2.3"], "10.0.0.1"),
        ("empty elements are none", "10.0.0.1", vec!["198.51.100.1, ,"], "198.51.100.1"),
        ("nothing", "10.0.0.1", vec![], "10.0.0.1"),
        ("only proxies", "10.0.0.1", vec!["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
    ];
    for (what, peer, lines, expected) in cases {
        let headers: Vec<_> = lines.into_iter().map(|line| ("x-forwarded-for", line)).collect();
        assert_eq!(client(peer, ForwardedHeader::XForwardedFor, &headers).await, expected, "{what}");
    }
}

#[tokio::test]
async fn forwarded_is_read_from_its_end() {
    let cases = [
        ("for=198.51.100.1", "198.51.100.1"),
        ("For=\"198.51.100.1:80\";proto=http;by=10.0.0.1", "198.51.100.1"),
        ("for=\"[2001:db8::1]:4711\"", "2001:db8::1"),
        ("for=1.1.1.1, proto=https;for=198.51.100.1, for=10.0.0.2", "198.51.100.1"),
        ("for=\"1.1.1.1, for=198.51.100.1", "198.51.100.1"),
        ("for=198.51.100.1, for=_hidden", "10.0.0.1"),
        ("for=198.51.100.1, proto=https", "10.0.0.1"),
        ("198.51.100.1", "10.0.0.1"),
    ];
    for (line, expected) in cases {
        let headers = [("forwarded", line), ("x-forwarded-for", "8.8.8.8")];
        assert_eq!(client("10.0.0.1", ForwardedHeader::Forwarded, &headers).await, expected, "{line}");
    }
}
