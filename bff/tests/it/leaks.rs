//! What neither the log nor a trace nor a store may hold, whatever happens: passwords, codes and tokens.

use reqwest::header::SET_COOKIE;
use reqwest::{Client, StatusCode};
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use crate::conformance::Backend::{Nats, Postgres, Redis, Sqlite};
use crate::conformance::{Place, eventually};
use crate::harness::{Process, Traces, Wiretap, client};
use crate::store::host_of;
use crate::telemetry::traces::Collector;

const EMAIL: &str = "leaky@shop.test";
const PHONE: &str = "+15550100099";

/// Somebody who does all that one can do, and remembers each secret that was used.
struct Visitor<'a> {
    process: &'a Process,
    client: Client,
    secrets: Vec<(String, String)>,
}

impl Visitor<'_> {
    fn keep(&mut self, name: &str, secret: &Value) -> String {
        let secret = secret.as_str().unwrap_or_else(|| panic!("no {name}")).to_owned();
        // What follows the last dot is a token's secret, or its signature.
        let last = secret.rsplit('.').next().unwrap().to_owned();
        self.secrets.push((name.to_owned(), secret.clone()));
        self.secrets.push((format!("the end of {name}"), last));
        secret
    }

    async fn post(&self, path: &str, token: &str, body: Value) -> (StatusCode, Value) {
        let request = self.client.post(format!("{}{path}", self.process.url)).json(&body);
        let request = if token.is_empty() { request } else { request.bearer_auth(token) };
        let answer = request.send().await.unwrap();
        let status = answer.status();
        (status, answer.json().await.unwrap_or_default())
    }

    /// The newest code that was sent there.
    async fn code(&mut self, to: &str, purpose: &str) -> String {
        let url = format!("{}/dev/messages?to={}", self.process.admin_url, to.replace('+', "%2B"));
        let code = eventually(async || {
            let messages: Value = self.client.get(&url).send().await.unwrap().json().await.unwrap();
            let newest = messages.as_array().unwrap().iter().find(|message| message["purpose"] == purpose)?;
            Some(newest["code"].clone())
        });
        let code = code.await;
        self.keep(&format!("the code to {purpose}"), &code)
    }

    async fn register(&mut self, password: &str) -> String {
        let start = json!({ "identifier": EMAIL, "purpose": "register" });
        let (status, started) = self.post("/v1/auth/verify-code", "", start).await;
        assert_eq!(status, 202, "{started}");
        let code = self.code(EMAIL, "register").await;
        let body = json!({
            "challengeId": started["challengeId"], "code": code, "identifier": EMAIL, "password": password, "name": "Leaky",
        });
        let (status, registered) = self.post("/v1/auth/register", "", body).await;
        assert_eq!(status, 201, "{registered}");
        self.keep("an access token", &registered["accessToken"])
    }

    async fn sign_in(&mut self, password: &str) -> String {
        let login = json!({ "identifier": EMAIL, "password": password });
        let (status, signed_in) = self.post("/v1/auth/login", "", login.clone()).await;
        assert_eq!(status, 200, "{signed_in}");
        self.keep("an access token", &signed_in["accessToken"]);
        let refresh = self.keep("a refresh token", &signed_in["refreshToken"]);
        let (_, refreshed) = self.post("/v1/auth/refresh", "", json!({ "refreshToken": refresh })).await;
        self.keep("the next refresh token", &refreshed["refreshToken"]);

        let mut login = login;
        login["session"] = json!("cookie");
        let request = self.client.post(format!("{}/v1/auth/login", self.process.url)).json(&login);
        let answer = request.header("sec-fetch-site", "same-origin").send().await.unwrap();
        let cookies = answer.headers().get_all(SET_COOKIE).iter().map(|cookie| cookie.to_str().unwrap());
        for cookie in cookies.map(|cookie| cookie.split(';').next().unwrap()) {
            let (name, value) = cookie.split_once('=').unwrap();
            self.keep(&format!("the cookie {name}"), &json!(value));
        }
        self.keep("an access token", &refreshed["accessToken"])
    }

    async fn reset(&mut self, password: &str) {
        let (status, started) = self.post("/v1/auth/reset-password", "", json!({ "identifier": EMAIL })).await;
        assert_eq!(status, 202, "{started}");
        let code = self.code(EMAIL, "reset-password").await;
        let body = json!({ "challengeId": started["challengeId"], "identifier": EMAIL, "code": code, "newPassword": password });
        let (status, problem) = self.post("/v1/auth/confirm-reset-password", "", body).await;
        assert_eq!(status, 204, "{problem}");
    }

    async fn confirm_phone(&mut self, token: &str) {
        let start = json!({ "identifier": PHONE, "purpose": "verify-phone" });
        let (status, started) = self.post("/v1/auth/verify-code", token, start).await;
        assert_eq!(status, 202, "{started}");
        let code = self.code(PHONE, "verify-phone").await;
        let body = json!({ "challengeId": started["challengeId"], "identifier": PHONE, "code": code });
        let (status, problem) = self.post("/v1/auth/confirm-identifier", token, body).await;
        assert!(status.is_success(), "{problem}");
    }
}

async fn nothing_leaks(place: &Place) {
    let folder = tempfile::tempdir().unwrap();
    let url = |url: &Option<secrecy::SecretString>| url.as_ref().map(|url| url.expose_secret().to_owned());
    let store = &place.config;
    let database = store.database_url.expose_secret();
    let redis = url(&store.redis_url);
    let wiretap = if store.nats_url.is_some() { Some(Wiretap::to(host_of(Nats).unwrap()).await) } else { None };
    let nats = wiretap.as_ref().map(|tap| format!("nats://{}", tap.address));
    let collector = Collector::default();
    let receiver = collector.start().await;
    let endpoint = receiver.url();
    let key = folder.path().join("master.key").display().to_string();
    let mut variables = vec![
        ("BFF__TELEMETRY__LEVEL", "trace"),
        ("BFF__TELEMETRY__OTLP_ENDPOINT", &endpoint),
        ("BFF__IDENTITY__MASTER_KEY_FILE", &key),
        ("BFF__STORE__DATABASE_URL", database),
        ("BFF__STORE__NAMESPACE", &store.namespace),
        ("BFF__STORE__TIMEOUT_MS", "10000"),
        ("BFF__STORE__HOT_TIMEOUT_MS", "10000"),
    ];
    variables.extend(redis.as_deref().map(|url| ("BFF__STORE__REDIS_URL", url)));
    variables.extend(nats.as_deref().map(|url| ("BFF__STORE__NATS_URL", url)));
    std::fs::create_dir_all(folder.path().join("config/views")).unwrap();
    let process = Process::start(folder.path(), "", &variables).await;
    // Redis and NATS may come after the start.
    let is_complete = async || {
        let report: Value =
            client().get(format!("{}/readyz", process.admin_url)).send().await.ok()?.json().await.ok()?;
        (report["away"] == json!({})).then_some(())
    };
    eventually(is_complete).await;

    let passwords = ["first secret of four", "second secret of four", "third secret of four", "wrong secret of four"];
    let mut visitor = Visitor { process: &process, client: client(), secrets: Vec::new() };
    visitor.secrets.extend(passwords.map(|password| ("a password".to_owned(), password.to_owned())));
    visitor.register(passwords[0]).await;
    let token = visitor.sign_in(passwords[0]).await;
    let wrong = json!({ "identifier": EMAIL, "password": passwords[3] });
    assert_eq!(visitor.post("/v1/auth/login", "", wrong).await.0, 401);
    visitor.confirm_phone(&token).await;
    let change = json!({ "currentPassword": passwords[0], "newPassword": passwords[1] });
    assert_eq!(visitor.post("/v1/auth/update-password", &token, change).await.0, 204);
    visitor.reset(passwords[2]).await;
    let token = visitor.sign_in(passwords[2]).await;
    assert_eq!(visitor.post("/v1/auth/logout", &token, json!({})).await.0, 204);

    let secrets = visitor.secrets;
    let mut traces = Traces::default();
    traces.add_stores(store).await;
    traces.add("the log", process.stop().await);
    traces.add("the spans", format!("{:?}", collector.spans()));
    traces.add_stores(store).await;
    traces.add("nats", wiretap.map(Wiretap::heard).unwrap_or_default());
    for (used, places) in [
        (true, &["the log", "the spans"][..]),
        (database.starts_with("postgres"), &["postgres, table outbox", "postgres, table accounts"]),
        (database.starts_with("sqlite"), &["sqlite"]),
        (redis.is_some(), &["redis"]),
        (nats.is_some(), &["nats"]),
    ] {
        assert!(!used || places.iter().all(|place| traces.are_from(place)), "nothing was looked at in {places:?}");
    }
    let secrets: Vec<(&str, &str)> = secrets.iter().map(|(name, secret)| (name.as_str(), secret.as_str())).collect();
    traces.hold_none_of(&secrets);
}

#[tokio::test]
async fn nothing_secret_is_left_in_one_file_and_its_log() {
    Place::with(&[Sqlite], &nothing_leaks).await;
}

#[tokio::test]
async fn nothing_secret_is_left_in_three_stores_and_the_log() {
    Place::with(&[Postgres, Redis, Nats], &nothing_leaks).await;
}

#[test]
#[should_panic(expected = "a code in the log")]
fn a_search_finds_what_is_there() {
    let mut traces = Traces::default();
    traces.add("the log", "sent \"012345\" to somebody");
    traces.hold_none_of(&[("a code", "012345")]);
}

#[test]
fn a_search_is_not_misled_by_numbers() {
    let mut traces = Traces::default();
    traces.add("the log", "at 1700012345000, x012345");
    traces.hold_none_of(&[("a code", "012345")]);
}
