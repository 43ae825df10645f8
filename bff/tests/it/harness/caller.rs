//! Who calls: a caller adds its credentials to every request, the rest is the same for all.

use bytes::Bytes;
use reqwest::header::{HeaderMap, SET_COOKIE};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use super::Server;

pub trait Caller {
    fn server(&self) -> &Server;

    fn authorize(&self, request: RequestBuilder) -> RequestBuilder;

    /// A request to the public address, for tests that add headers of their own.
    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let server = self.server();
        self.authorize(server.client.request(method, format!("{}{path}", server.url)))
    }

    async fn get(&self, path: &str) -> Answer {
        Answer::of(self.request(Method::GET, path)).await
    }

    async fn post(&self, path: &str, body: Value) -> Answer {
        Answer::of(self.request(Method::POST, path).json(&body)).await
    }

    async fn patch(&self, path: &str, body: Value) -> Answer {
        Answer::of(self.request(Method::PATCH, path).json(&body)).await
    }

    async fn delete(&self, path: &str) -> Answer {
        Answer::of(self.request(Method::DELETE, path)).await
    }
}

pub struct Anonymous<'a> {
    pub server: &'a Server,
}

/// Signed in with a bearer token, as an app is.
pub struct TokenUser<'a> {
    pub server: &'a Server,
    pub access_token: String,
    pub refresh_token: String,
}

/// Signed in with a cookie, as a browser is.
pub struct CookieUser<'a> {
    pub server: &'a Server,
    /// `name=value`
    pub cookie: String,
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Caller for Anonymous<'_> {
    fn server(&self) -> &Server {
        self.server
    }

    fn authorize(&self, request: RequestBuilder) -> RequestBuilder {
        request
    }
}

impl Caller for TokenUser<'_> {
    fn server(&self) -> &Server {
        self.server
    }

    fn authorize(&self, request: RequestBuilder) -> RequestBuilder {
        request.bearer_auth(&self.access_token)
    }
}

impl Caller for CookieUser<'_> {
    fn server(&self) -> &Server {
        self.server
    }

    fn authorize(&self, request: RequestBuilder) -> RequestBuilder {
        request.header("cookie", &self.cookie).header("sec-fetch-site", "same-origin")
    }
}

impl<'a> TokenUser<'a> {
    pub async fn login(server: &'a Server, identifier: &str, password: &str) -> Self {
        let answer = login(server, identifier, password, "token").await.json();
        let text = |name: &str| answer[name].as_str().unwrap().to_owned();
        Self { server, access_token: text("accessToken"), refresh_token: text("refreshToken") }
    }
}

impl<'a> CookieUser<'a> {
    pub async fn login(server: &'a Server, identifier: &str, password: &str) -> Self {
        let answer = login(server, identifier, password, "cookie").await;
        let cookie = answer.header(SET_COOKIE.as_str());
        Self { server, cookie: cookie.split(';').next().unwrap().to_owned() }
    }
}

async fn login(server: &Server, identifier: &str, password: &str, session: &str) -> Answer {
    let body = json!({ "identifier": identifier, "password": password, "session": session });
    // A browser says where its request comes from; an app says nothing.
    let request = server.anonymous().request(Method::POST, "/v1/auth/login").header("sec-fetch-site", "same-origin");
    let answer = Answer::of(request.json(&body)).await;
    assert_eq!(answer.status, 200, "login as {identifier}: {}", String::from_utf8_lossy(&answer.body));
    answer
}

impl Answer {
    pub async fn of(request: RequestBuilder) -> Self {
        let response = request.send().await.unwrap();
        Self {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            body: response.bytes().await.unwrap(),
        }
    }

    /// The header's text, or nothing.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|_| panic!("{} is not JSON", String::from_utf8_lossy(&self.body)))
    }
}
