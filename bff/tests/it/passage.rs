//! Requests handed on as they are: what passes, what does not, and that no body is ever held whole.

mod connections;
mod hostile;
mod sessions;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Request};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use bff::config::Config;
use bff::identity::DEMO_PASSWORD;
use bff::upstream;
use http::{HeaderMap, Method, StatusCode};
use serde_json::{Value, json};

use crate::harness::{Answer, Backend, Caller, CookieUser, Server, TokenUser};

const USER: &str = "user@shop.test";

const VIEWS: &str = "
view: upload
route: PUT /v1/files/{name}
access: user
params: { name: { in: path, type: string, max: 64 } }
proxy: { source: files, to: \"/of/${$auth.sub}/${$params.name}\", max_body: 4MB, types: [image/png, text/*] }
---
view: download
route: GET /v1/files/{name}
access: user
params: { name: { in: path, type: string, max: 64 } }
proxy: { source: files, to: \"/of/${$auth.sub}/${$params.name}\" }
---
view: public-file
route: GET /v1/public
access: public
proxy: { source: files, to: \"/public\" }
";

/// A server whose bodies may be a kilobyte, unless they are handed on.
async fn server(backend: &Backend, change: impl FnOnce(&mut Config)) -> Server {
    Server::start_with_views(VIEWS, |config| {
        let source = upstream::Config { http: Some(backend.url()), ..upstream::Config::default() };
        config.sources.insert("files".to_owned(), source);
        config.http.max_body_bytes = 1_000;
        change(config);
    })
    .await
}

async fn user(server: &Server) -> TokenUser<'_> {
    TokenUser::login(server, USER, DEMO_PASSWORD).await
}

/// What a service was asked last.
type Asked = Arc<Mutex<Option<(Method, String, HeaderMap, usize)>>>;

/// Keeps nothing, but remembers what it was told.
async fn remembering(asked: &Asked, answer: impl Fn() -> Response + Clone + Send + Sync + 'static) -> Backend {
    let asked = Arc::clone(asked);
    let handler = move |request: Request| async move {
        let (parts, body) = request.into_parts();
        let body = axum::body::to_bytes(body, usize::MAX).await;
        let length = body.map_or(usize::MAX, |body| body.len());
        *asked.lock().unwrap() = Some((parts.method, parts.uri.to_string(), parts.headers, length));
        answer()
    };
    Backend::start(Router::new().fallback(any(handler))).await
}

fn names(headers: &HeaderMap) -> Vec<&str> {
    let mut names: Vec<&str> = headers.keys().map(|name| name.as_str()).collect();
    names.sort_unstable();
    names
}

#[tokio::test]
async fn what_is_named_passes_and_nothing_else() {
    let asked = Asked::default();
    let answer = || {
        let headers = [
            ("content-type", "image/png"),
            ("etag", "\"v1\""),
            ("set-cookie", "theirs=1"),
            ("server", "nginx"),
            ("x-powered-by", "them"),
            ("location", "http://10.0.0.1/internal"),
            ("cache-control", "public, max-age=31536000"),
        ];
        (StatusCode::CREATED, headers, "stored").into_response()
    };
    let backend = remembering(&asked, answer).await;
    let server = server(&backend, |config| {
        let source = config.sources.get_mut("files").unwrap();
        source.forward = vec!["x-device".to_owned()];
        source.api_key = Some("sesame".to_owned().into());
    })
    .await;
    let user = CookieUser::login(&server, USER, DEMO_PASSWORD).await;
    let request = user
        .request(Method::PUT, "/v1/files/a%2Fb.png")
        .header("content-type", "image/png")
        .header("x-device", "phone")
        .header("x-secret", "theirs")
        .header("if-match", "\"v0\"")
        .header("accept-encoding", "gzip")
        .header("te", "trailers")
        .header("proxy-authorization", "Basic eA==")
        .header("forwarded", "for=1.2.3.4")
        .body(vec![7; 300_000]);
    let answer = Answer::of(request).await;
    assert_eq!((answer.status, &answer.body[..]), (201, &b"stored"[..]));
    for (name, value) in [
        ("content-type", "image/png"),
        ("etag", "\"v1\""),
        ("cache-control", "private, no-cache"),
        ("vary", "authorization"),
        ("x-content-type-options", "nosniff"),
        ("content-security-policy", "default-src 'none'; sandbox"),
        ("content-length", "6"),
    ] {
        assert_eq!(answer.header(name), value, "{name}");
    }
    for name in ["set-cookie", "server", "x-powered-by", "location", "content-disposition"] {
        assert!(!answer.headers.contains_key(name), "{name}");
    }

    let (method, uri, headers, length) = asked.lock().unwrap().take().unwrap();
    let own: Value = user.get("/v1/auth/me").await.json();
    assert_eq!((method, uri), (Method::PUT, format!("/of/{}/a%2Fb.png", own["id"].as_str().unwrap())));
    assert_eq!((length, &headers["content-length"]), (300_000, &"300000".parse::<http::HeaderValue>().unwrap()));
    let told = ["accept", "content-length", "content-type", "host", "if-match", "traceparent", "x-api-key", "x-device"];
    assert_eq!(names(&headers), told, "{headers:?}");
}

#[tokio::test]
async fn a_service_is_told_who_asks_by_a_token_of_its_own() {
    let asked = Asked::default();
    let backend = remembering(&asked, || "".into_response()).await;
    let server = server(&backend, |config| {
        config.sources.get_mut("files").unwrap().identity = upstream::Identity::Token;
    })
    .await;
    let user = user(&server).await;
    assert_eq!(user.get("/v1/files/a").await.status, 200);
    let (_, _, headers, _) = asked.lock().unwrap().take().unwrap();
    let token = headers["authorization"].to_str().unwrap();
    assert!(token.starts_with("Bearer ") && !token.contains(&user.access_token), "{token}");
    assert_eq!(server.anonymous().get("/v1/files/a").await.status, 401);
    assert!(asked.lock().unwrap().is_none());
}

#[tokio::test]
async fn caches_are_told_all_that_a_service_is_told() {
    let asked = Asked::default();
    let backend = remembering(&asked, || ([("etag", "\"v1\""), ("vary", "x-other")], "a").into_response()).await;
    let vary = |answer: &Answer| {
        let names = answer.headers.get_all("vary").iter().map(|name| name.to_str().unwrap().to_owned());
        names.collect::<Vec<_>>().join(", ")
    };
    for (forward, identity, control, names) in [
        (&["x-tenant"][..], upstream::Identity::None, "public, no-cache", "accept, accept-language, x-tenant"),
        (&["accept-language"], upstream::Identity::None, "public, no-cache", "accept, accept-language"),
        (&[], upstream::Identity::Token, "private, no-cache", "authorization, cookie, accept, accept-language"),
        (&["cookie"], upstream::Identity::None, "private, no-cache", "authorization, accept, accept-language, cookie"),
    ] {
        let server = server(&backend, |config| {
            let source = config.sources.get_mut("files").unwrap();
            (source.forward, source.identity) = (forward.iter().map(|name| (*name).to_owned()).collect(), identity);
        })
        .await;
        let request = server.client.get(format!("{}/v1/public", server.url)).header("accept-language", "de");
        let answer = Answer::of(request).await;
        assert_eq!((answer.status, answer.header("cache-control"), &*vary(&answer)), (200, control, names));
        let (_, _, headers, _) = asked.lock().unwrap().take().unwrap();
        assert_eq!(headers.get_all("accept-language").iter().count(), 1, "{headers:?}");
    }
}

/// A file that knows ranges and versions, as a store of files does.
async fn file(headers: HeaderMap) -> Response {
    let has = |name: &str, value: &str| headers.get(name).is_some_and(|given| given == value);
    let whole = [("content-type", "image/png"), ("etag", "\"v1\""), ("accept-ranges", "bytes")];
    if has("if-none-match", "\"v1\"") {
        return (StatusCode::NOT_MODIFIED, whole).into_response();
    }
    if has("if-match", "\"v0\"") {
        return (StatusCode::PRECONDITION_FAILED, "their words").into_response();
    }
    let fresh = headers.get("if-range").is_none_or(|tag| tag == "\"v1\"");
    match headers.get("range").map(|range| range.to_str().unwrap()).filter(|_| fresh) {
        Some("bytes=2-4") => {
            (StatusCode::PARTIAL_CONTENT, [("content-range", "bytes 2-4/10")], whole, "234").into_response()
        }
        Some(_) => (StatusCode::RANGE_NOT_SATISFIABLE, [("content-range", "bytes */10")]).into_response(),
        None => (whole, "0123456789").into_response(),
    }
}

#[tokio::test]
async fn ranges_and_conditions_reach_the_service() {
    let backend = Backend::start(Router::new().fallback(any(file))).await;
    let server = server(&backend, |_| ()).await;
    let user = user(&server).await;
    let ask = async |headers: &[(&str, &str)]| {
        let request = user.request(Method::GET, "/v1/files/a");
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        Answer::of(request).await
    };
    let part = ask(&[("range", "bytes=2-4")]).await;
    assert_eq!((part.status, &part.body[..], part.header("content-range")), (206, &b"234"[..], "bytes 2-4/10"));
    assert_eq!((part.header("accept-ranges"), part.header("content-length")), ("bytes", "3"));
    let fresh = ask(&[("range", "bytes=2-4"), ("if-range", "\"v1\"")]).await;
    assert_eq!(fresh.status, 206);
    let stale = ask(&[("range", "bytes=2-4"), ("if-range", "\"v0\"")]).await;
    assert_eq!((stale.status, &stale.body[..]), (200, &b"0123456789"[..]));
    let beyond = ask(&[("range", "bytes=20-")]).await;
    assert_eq!((beyond.status, beyond.header("content-range")), (416, "bytes */10"));
    assert_eq!(beyond.json()["code"], "range-not-satisfiable");
    let known = ask(&[("if-none-match", "\"v1\"")]).await;
    assert_eq!((known.status, known.header("etag"), known.body.len()), (304, "\"v1\"", 0));
    let changed = ask(&[("if-match", "\"v0\"")]).await;
    assert_eq!((changed.status, &changed.json()["code"]), (412, &json!("precondition-failed")));
    assert!(!String::from_utf8_lossy(&changed.body).contains("their words"));
    let head = Answer::of(user.request(Method::HEAD, "/v1/files/a")).await;
    assert_eq!((head.status, head.header("content-length"), head.body.len()), (200, "10", 0));
}

#[tokio::test]
async fn what_a_browser_could_run_is_downloaded() {
    let kinds = |Path((_, name)): Path<(String, String)>| async move {
        let kind = match name.as_str() {
            "page" => "text/html; charset=utf-8",
            "drawing" => "image/svg+xml",
            "named" => {
                return ([("content-disposition", "attachment; filename=\"a.html\"")], "<script>").into_response();
            }
            "inline" => "application/pdf",
            "untyped" => return Response::new(Body::from("<script>")),
            _ => "image/webp",
        };
        ([("content-type", kind), ("content-disposition", "inline")], "<script>").into_response()
    };
    let backend = Backend::start(Router::new().route("/of/{sub}/{name}", get(kinds))).await;
    let server = server(&backend, |_| ()).await;
    let user = user(&server).await;
    for (name, disposition) in [
        ("page", "attachment"),
        ("drawing", "attachment"),
        ("inline", "attachment"),
        ("untyped", "attachment"),
        ("named", "attachment; filename=\"a.html\""),
        ("picture", "inline"),
    ] {
        let answer = user.get(&format!("/v1/files/{name}")).await;
        assert_eq!((answer.status, answer.header("content-disposition")), (200, disposition), "{name}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert_eq!(answer.header("content-security-policy"), "default-src 'none'; sandbox");
        assert_eq!(answer.header("cache-control"), "no-store");
    }
    assert_eq!(user.get("/v1/files/untyped").await.header("content-type"), "application/octet-stream");
}

#[tokio::test]
async fn failures_of_the_service_are_problems_without_its_words() {
    let failing = |Path((_, status)): Path<(String, u16)>| async move {
        let headers = [("retry-after", "7"), ("x-trace", "theirs"), ("location", "/login")];
        (StatusCode::from_u16(status).unwrap(), headers, "panicked at 10.0.0.1").into_response()
    };
    let backend = Backend::start(Router::new().route("/of/{sub}/{status}", get(failing))).await;
    let server = server(&backend, |_| ()).await;
    let user = user(&server).await;
    for (theirs, ours, code) in [
        (404, 404, "not-found"),
        (409, 409, "conflict"),
        (413, 413, "body-too-large"),
        (429, 429, "too-many-requests"),
        (403, 403, "forbidden"),
        (401, 502, "bad-gateway"),
        (302, 502, "bad-gateway"),
        (405, 502, "bad-gateway"),
        (500, 502, "bad-gateway"),
        (503, 503, "unavailable"),
    ] {
        let answer = user.get(&format!("/v1/files/{theirs}")).await;
        assert_eq!((answer.status, &answer.json()["code"]), (ours, &json!(code)), "{theirs}");
        assert!(!String::from_utf8_lossy(&answer.body).contains("panicked"), "{theirs}");
        assert!(!answer.headers.contains_key("location") && !answer.headers.contains_key("x-trace"), "{theirs}");
    }
    assert_eq!(user.get("/v1/files/503").await.header("retry-after"), "7");
    backend.kill().await;
    assert_eq!(user.get("/v1/files/200").await.status, 503);
}

#[tokio::test]
async fn what_is_handed_on_is_counted() {
    let backend = Backend::start(Router::new().fallback(any(|| async { "here" }))).await;
    let server = server(&backend, |_| ()).await;
    assert_eq!(&server.anonymous().get("/v1/public").await.body[..], b"here");
    let measures = Answer::of(server.client.get(format!("{}/metrics", server.admin_url))).await;
    let measures = String::from_utf8_lossy(&measures.body).into_owned();
    for line in [
        r#"bff_upstream_calls_total{source="files",operation="GET /public",outcome="ok"} 1"#,
        r#"bff_http_requests_total{route="/v1/public",method="GET",status="200"} 1"#,
        r#"bff_upstream_in_flight{source="files"} 0"#,
    ] {
        assert!(measures.contains(line), "{line}\n{measures}");
    }
}

#[tokio::test]
async fn over_http_2_as_well() {
    let asked = Asked::default();
    let backend = remembering(&asked, || ([("content-type", "image/png")], vec![1; 500_000]).into_response()).await;
    let server = server(&backend, |config| {
        config.sources.get_mut("files").unwrap().http_version = upstream::HttpVersion::Http2;
    })
    .await;
    let user = user(&server).await;
    let request = user.request(Method::PUT, "/v1/files/a").header("content-type", "image/png").body(vec![7; 2_000_000]);
    let answer = Answer::of(request.timeout(Duration::from_secs(60))).await;
    assert_eq!((answer.status, answer.body.len()), (200, 500_000));
    assert_eq!(asked.lock().unwrap().take().unwrap().3, 2_000_000);
}
