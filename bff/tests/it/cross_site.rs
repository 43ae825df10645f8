//! What another site can make a browser do: nothing, at any route that changes something.

use bff::identity::DEMO_PASSWORD;
use http::Method;
use serde_json::{Value, json};

use crate::harness::{Answer, Caller, CookieUser, Server};

const VIEWS: &str = r#"
view: public-change
route: POST /v1/public
access: public
proxy: { source: files, to: "/x", max_body: 1MB, types: [image/png] }
---
view: own-change
route: PUT /v1/own
access: user
proxy: { source: files, to: "/x", max_body: 1MB, types: [image/png] }
"#;

/// Every unsafe operation that the server describes: its method and a path.
fn unsafe_operations(document: &Value) -> Vec<(Method, String)> {
    let mut found = Vec::new();
    for (path, operations) in document["paths"].as_object().unwrap() {
        for method in operations.as_object().unwrap().keys() {
            let method = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
            if !method.is_safe() {
                found.push((method, path.replace(['{', '}'], "")));
            }
        }
    }
    found
}

#[tokio::test]
async fn no_unsafe_route_takes_a_cookie_from_another_site() {
    let server = Server::start_with(|mut config| {
        std::fs::write(format!("{}/views.yaml", config.views.dir), VIEWS).unwrap();
        let source = bff::upstream::Config { http: Some("http://127.0.0.1:9".to_owned()), ..Default::default() };
        config.sources.insert("files".to_owned(), source);
        config
    })
    .await;
    let browser = CookieUser::login(&server, "user@shop.test", DEMO_PASSWORD).await;
    let document = server.anonymous().get("/openapi.json").await.json();
    let operations = unsafe_operations(&document);
    for path in ["/v1/auth/login", "/v1/auth/refresh", "/v1/auth/logout", "/v1/public", "/v1/own"] {
        assert!(operations.iter().any(|(_, known)| known == path), "{path} is not among {operations:?}");
    }
    let evidence: [&[(&str, &str)]; 6] = [
        &[],
        &[("sec-fetch-site", "cross-site")],
        &[("sec-fetch-site", "same-site")],
        &[("sec-fetch-site", "cross-site"), ("origin", "http://evil.test")],
        &[("origin", "http://evil.test")],
        &[("origin", "null")],
    ];
    for (method, path) in &operations {
        for headers in evidence {
            let request = server.anonymous().request(method.clone(), path).header("cookie", &browser.cookie);
            let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
            let answer = Answer::of(request.json(&json!({}))).await;
            let code = answer.json()["code"].as_str().unwrap_or_default().to_owned();
            assert_eq!((answer.status, code.as_str()), (403, "cross-site"), "{method} {path} {headers:?}");
        }
    }
    assert_eq!(browser.get("/v1/auth/me").await.status, 200, "still signed in");
}

/// The status and the code of a refusal.
async fn asked(server: &Server, method: Method, path: &str, headers: &[(&str, &str)]) -> (u16, String) {
    let request = server.client.request(method, format!("{}{path}", server.admin_url));
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    let answer = Answer::of(request).await;
    let code = if answer.status < 400 { Value::Null } else { answer.json()["code"].clone() };
    (answer.status, code.as_str().unwrap_or_default().to_owned())
}

#[tokio::test]
async fn no_page_of_another_site_uses_the_operators_address() {
    let server = Server::start().await;
    let own = server.admin_url.as_str();
    let paths = [(Method::POST, "/reload"), (Method::POST, "/purge"), (Method::GET, "/dev/messages")];
    for (method, path) in paths {
        for headers in [
            &[("origin", "http://evil.test")][..],
            &[("origin", "null")],
            &[("origin", own), ("sec-fetch-site", "cross-site")],
            &[("sec-fetch-site", "cross-site")],
            &[("sec-fetch-site", "same-site")],
        ] {
            let refused = asked(&server, method.clone(), path, headers).await;
            assert_eq!(refused, (403, "cross-site".to_owned()), "{path} {headers:?}");
        }
        for host in ["evil.test", "127.0.0.1.evil.test", "localhost.evil.test:9464", "192.0.2.1", "evil.test@x@y"] {
            let refused = asked(&server, method.clone(), path, &[("host", host)]).await;
            assert_eq!(refused, (421, "foreign-host".to_owned()), "{path} {host}");
        }
    }
    for host in ["localhost", "LOCALHOST:9464", "127.0.0.1:1", "[::1]:9464", "127.8.9.1"] {
        for path in ["/metrics", "/dev/messages"] {
            assert_eq!(asked(&server, Method::GET, path, &[("host", host)]).await.0, 200, "{path} {host}");
        }
    }
    let headers = [("origin", own), ("sec-fetch-site", "same-origin")];
    assert_eq!(asked(&server, Method::POST, "/reload", &headers).await.0, 200);
    assert_eq!(asked(&server, Method::POST, "/reload", &[]).await.0, 200);
    assert_eq!(asked(&server, Method::GET, "/metrics", &[("sec-fetch-site", "none")]).await.0, 200);
}

#[tokio::test]
async fn a_form_is_no_json() {
    let server = Server::start().await;
    let browser = CookieUser::login(&server, "user@shop.test", DEMO_PASSWORD).await;
    // What a page can send to another site without asking it first.
    for kind in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""] {
        for path in ["/v1/auth/login", "/v1/auth/refresh"] {
            let request = browser.request(Method::POST, path).header("content-type", kind);
            let answer = Answer::of(request.body("{\"identifier\":\"a\"}")).await;
            assert_eq!(answer.status, 415, "{path} {kind}");
        }
    }
}
