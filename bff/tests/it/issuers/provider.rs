//! Tokens of a real OpenID provider, a process of its own; ./test says where it is, and says so where it is not.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use bff::identity::{IssuerConfig, Role};
use serde_json::{Value, json};

use super::{views, visitor};
use crate::harness::{Answer, Caller, Server, client};

const AUDIENCE: &str = "https://api.shop.test";

/// node's oidc-provider; dropping it kills it.
struct Provider {
    url: String,
    child: Child,
}

impl Provider {
    /// None where the test run has none.
    fn start(port: &str, kid: &str) -> Option<Self> {
        #[expect(clippy::disallowed_methods, reason = "the test run's own setting")]
        let folder = std::env::var("BFF_TEST_OIDC_PROVIDER").ok().map(PathBuf::from);
        let Some(folder) = folder else {
            eprintln!("BFF_TEST_OIDC_PROVIDER is not set: no tokens of a real provider were tried");
            return None;
        };
        let mut child = Command::new("node")
            .args(["provider.mjs", port, kid])
            .current_dir(folder)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let url = lines.find(|line| line.starts_with("http://")).unwrap();
        // It ends where nobody reads what it says.
        std::thread::spawn(move || lines.for_each(drop));
        Some(Self { url, child })
    }

    async fn token(&self, form: &[(&str, &str)]) -> String {
        let form = [form, &[("client_secret", "a secret of the tests")]].concat();
        let body: Vec<String> =
            form.iter().map(|(name, value)| format!("{name}={}", value.replace(' ', "+"))).collect();
        let request = client().post(format!("{}/token", self.url)).body(body.join("&"));
        let answer = Answer::of(request.header("content-type", "application/x-www-form-urlencoded")).await;
        answer.json()["access_token"].as_str().unwrap_or_else(|| panic!("{}", answer.json())).to_owned()
    }

    async fn person(&self, name: &str, role: &str, resource: &str) -> String {
        let form = [("grant_type", "password"), ("client_id", "shop-app"), ("username", name), ("role", role)];
        self.token(&[&form[..], &[("resource", resource)]].concat()).await
    }

    async fn machine(&self, client: &str) -> String {
        let form = [("grant_type", "client_credentials"), ("client_id", client), ("scope", "orders:read")];
        self.token(&[&form[..], &[("resource", AUDIENCE)]].concat()).await
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn server(provider: &Provider) -> Server {
    Server::start_at(bff::clock::Clock::system(), |mut settings| {
        views(&settings);
        let mut issuer = IssuerConfig {
            issuer: provider.url.clone(),
            audience: AUDIENCE.to_owned(),
            clients: vec!["shop-app".to_owned()],
            roles: [("shop-staff".to_owned(), Role::Operator)].into(),
            ..IssuerConfig::default()
        };
        issuer.claims.role = "/realm_access/roles".to_owned();
        settings.identity.issuers.insert("oidc".to_owned(), issuer);
        settings
    })
    .await
}

#[tokio::test]
async fn a_real_provider_s_tokens_count() {
    let Some(provider) = Provider::start("0", "a") else { return };
    let server = server(&provider).await;
    for resource in ["https://api.shop.test/rsa", "https://api.shop.test/ec"] {
        let eve = visitor(&server, provider.person("eve", "customer", resource).await);
        let expected = json!({ "sub": "oidc:eve", "email": "eve@shop.test", "scopes": ["orders:read"] });
        assert_eq!(eve.get("/v1/whoami").await.json(), expected);
        assert_eq!(eve.get("/v1/business").await.status, 403);
    }
    let staff = visitor(&server, provider.person("adam", "shop-staff", AUDIENCE).await);
    assert_eq!(staff.get("/v1/business").await.json(), json!({ "role": "operator" }));

    let machine = visitor(&server, provider.machine("shop-app").await);
    assert_eq!(machine.get("/v1/whoami").await.json()["sub"], "oidc:shop-app");
    let stranger = visitor(&server, provider.machine("stranger").await);
    assert_eq!(stranger.get("/v1/whoami").await.status, 401, "another client");
    let elsewhere = visitor(&server, provider.person("eve", "x", "https://other.shop.test").await);
    assert_eq!(elsewhere.get("/v1/whoami").await.status, 401, "another audience");

    // The provider comes back at the same address with other keys.
    let port = provider.url.rsplit(':').next().unwrap().to_owned();
    let old = provider.person("eve", "customer", AUDIENCE).await;
    drop(provider);
    assert_eq!(visitor(&server, old.clone()).get("/v1/whoami").await.status, 200, "its keys are still known");
    let provider = Provider::start(&port, "b").unwrap();
    let new: Value =
        visitor(&server, provider.person("eve", "customer", AUDIENCE).await).get("/v1/whoami").await.json();
    assert_eq!(new["sub"], "oidc:eve");
    assert_eq!(visitor(&server, old).get("/v1/whoami").await.status, 401, "its key is gone");
}
