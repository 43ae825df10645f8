//! The outside world's part: an issuer with a key of each algorithm, who publishes the public halves.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, LazyLock, Mutex};

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair};
use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode, get_current_timestamp};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::task::TaskTracker;

pub struct Issuer {
    pub jwks_url: String,
    state: Arc<State>,
}

/// How the issuer answers for its keys.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Mood {
    Good,
    Broken,
    Silent,
}

pub struct Key {
    pub kid: &'static str,
    pub algorithm: Algorithm,
    pub private: EncodingKey,
    pub public: Jwk,
}

struct State {
    mood: Mutex<Mood>,
    asked: AtomicU32,
}

pub static KEYS: LazyLock<Vec<Key>> = LazyLock::new(|| {
    let random = SystemRandom::new();
    let ec = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
    let ed = Ed25519KeyPair::generate_pkcs8v1(&random).unwrap();
    let rsa: Pkcs8V1Der<'_> = KeyPair::generate(KeySize::Rsa2048).unwrap().as_der().unwrap();
    // jsonwebtoken takes PKCS#1, which PKCS#8 wraps in 26 bytes for every 2048-bit key.
    let rsa = EncodingKey::from_rsa_der(&rsa.as_ref()[26..]);
    vec![
        key("es256", Algorithm::ES256, EncodingKey::from_ec_der(ec.as_ref())),
        key("rs256", Algorithm::RS256, rsa.clone()),
        key("ps256", Algorithm::PS256, rsa),
        key("eddsa", Algorithm::EdDSA, EncodingKey::from_ed_der(ed.as_ref())),
    ]
});

impl Issuer {
    pub async fn start(tasks: &TaskTracker) -> Self {
        let state = Arc::new(State { mood: Mutex::new(Mood::Good), asked: AtomicU32::new(0) });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let jwks_url = format!("http://{}/.well-known/jwks.json", listener.local_addr().unwrap());
        let shown = state.clone();
        let router = Router::new().route("/.well-known/jwks.json", get(async move || shown.answer().await));
        tasks.spawn(async move { axum::serve(listener, router).await });
        Self { jwks_url, state }
    }

    pub fn set_mood(&self, mood: Mood) {
        *self.state.mood.lock().unwrap() = mood;
    }

    pub fn times_asked(&self) -> u32 {
        self.state.asked.load(Ordering::SeqCst)
    }
}

impl State {
    async fn answer(&self) -> (StatusCode, String) {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let mood = *self.mood.lock().unwrap();
        match mood {
            Mood::Good => (StatusCode::OK, public_keys().to_string()),
            Mood::Broken => (StatusCode::INTERNAL_SERVER_ERROR, String::new()),
            Mood::Silent => std::future::pending().await,
        }
    }
}

/// The claims of a good token.
pub fn claims(sub: &str, role: &str) -> Value {
    let now = get_current_timestamp();
    json!({ "iss": "https://bff.test", "aud": "orders", "sub": sub, "role": role, "iat": now, "exp": now + 300 })
}

pub fn header(key: &Key) -> Header {
    Header { typ: Some("at+jwt".to_owned()), kid: Some(key.kid.to_owned()), ..Header::new(key.algorithm) }
}

pub fn token(claims: &Value) -> String {
    encode(&header(&KEYS[0]), claims, &KEYS[0].private).unwrap()
}

fn key(kid: &'static str, algorithm: Algorithm, private: EncodingKey) -> Key {
    let mut public = Jwk::from_encoding_key(&private, algorithm).unwrap();
    public.common.key_id = Some(kid.to_owned());
    Key { kid, algorithm, private, public }
}

/// All public keys, beside two that no verifier here can use.
fn public_keys() -> Value {
    let mut keys: Vec<Value> = KEYS.iter().map(|key| serde_json::to_value(&key.public).unwrap()).collect();
    keys.push(json!({ "kty": "XX", "kid": "from-the-future", "alg": "ML-DSA-44" }));
    keys.push(json!({ "kty": "oct", "kid": "shared", "alg": "HS256", "k": "c2VjcmV0" }));
    json!({ "keys": keys })
}
