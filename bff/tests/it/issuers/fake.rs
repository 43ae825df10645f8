//! An issuer of the test's own: it serves its keys, and signs whatever it is asked to.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use axum::Router;
use axum::routing::get;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bff::identity::IssuerConfig;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, crypto};
use serde_json::{Value, json};
use time::macros::datetime;

use crate::harness::Backend;

pub const AUDIENCE: &str = "https://api.shop.test";

pub struct FakeIssuer {
    pub url: String,
    pub kid: String,
    key: EncodingKey,
    served: Arc<Served>,
    backend: Option<Backend>,
}

#[derive(Default)]
struct Served {
    keys: Mutex<Vec<Value>>,
    asked: AtomicUsize,
}

pub fn config(issuer: &FakeIssuer) -> IssuerConfig {
    IssuerConfig { issuer: issuer.url.clone(), audience: AUDIENCE.to_owned(), ..IssuerConfig::default() }
}

impl FakeIssuer {
    pub async fn start() -> Self {
        let served = Arc::new(Served::default());
        let backend = Backend::start_at(crate::harness::ANY_PORT, Router::new()).await;
        let address = backend.address;
        backend.kill().await;
        let url = format!("http://{address}");
        let key = pair();
        served.keys.lock().unwrap().push(public(&key, "first"));
        let issuer = Self { url, kid: "first".to_owned(), key, served, backend: None };
        issuer.started().await
    }

    /// The same issuer, reachable again.
    pub async fn started(mut self) -> Self {
        let address: SocketAddr = self.url.trim_start_matches("http://").parse().unwrap();
        self.backend = Some(Backend::start_at(address, routes(&self.url, &self.served)).await);
        self
    }

    pub async fn stopped(mut self) -> Self {
        self.backend.take().unwrap().kill().await;
        self
    }

    /// How often its key set was asked for.
    pub fn asked(&self) -> usize {
        self.served.asked.load(Ordering::SeqCst)
    }

    /// Serves other keys from now on.
    pub fn serve(&self, keys: Vec<Value>) {
        *self.served.keys.lock().unwrap() = keys;
    }

    /// The same issuer with another key, the only one that it serves now.
    pub fn turned(&self, kid: &str) -> Self {
        let key = pair();
        self.serve(vec![public(&key, kid)]);
        Self { url: self.url.clone(), kid: kid.to_owned(), key, served: Arc::clone(&self.served), backend: None }
    }

    /// What a good token of it says, at the servers' noon.
    pub fn claims(&self, sub: &str) -> Value {
        let now = datetime!(2026-01-01 12:00 UTC).unix_timestamp();
        json!({
            "iss": self.url, "sub": sub, "aud": AUDIENCE, "iat": now, "exp": now + 300, "client_id": "shop-app",
            "email": format!("{sub}@shop.test"), "scope": "orders:read orders:write",
        })
    }

    pub fn header(&self) -> Value {
        json!({ "alg": "ES256", "typ": "at+jwt", "kid": self.kid })
    }

    pub fn token(&self, claims: &Value) -> String {
        self.sign(&self.header().to_string(), &claims.to_string())
    }

    /// These texts, well signed.
    pub fn sign(&self, header: &str, claims: &str) -> String {
        let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
        let signature = crypto::sign(message.as_bytes(), &self.key, Algorithm::ES256).unwrap();
        format!("{message}.{signature}")
    }

    /// As it is served.
    pub fn public_key(&self) -> Value {
        public(&self.key, &self.kid)
    }
}

fn routes(url: &str, served: &Arc<Served>) -> Router {
    let discovery = json!({ "issuer": url, "jwks_uri": format!("{url}/keys") });
    let served = Arc::clone(served);
    Router::new().route("/.well-known/openid-configuration", get(async move || axum::Json(discovery))).route(
        "/keys",
        get(async move || {
            served.asked.fetch_add(1, Ordering::SeqCst);
            axum::Json(json!({ "keys": *served.keys.lock().unwrap() }))
        }),
    )
}

fn pair() -> EncodingKey {
    let pair = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new()).unwrap();
    EncodingKey::from_ec_der(pair.as_ref())
}

fn public(key: &EncodingKey, kid: &str) -> Value {
    let mut jwk = Jwk::from_encoding_key(key, Algorithm::ES256).unwrap();
    jwk.common.key_id = Some(kid.to_owned());
    serde_json::to_value(&jwk).unwrap()
}
