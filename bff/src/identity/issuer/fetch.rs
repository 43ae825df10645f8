//! Where an issuer's public keys come from: its key set, found by its discovery document unless we are told where.

use std::error::Error;
use std::time::Duration;

use reqwest::redirect::Policy;
use reqwest::{Certificate, Client};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::config::IssuerConfig;
use crate::causes::chain;

pub struct Fetch {
    client: Client,
    issuer: String,
    jwks_url: Option<String>,
}

/// The keys unparsed: one of an unknown kind must not make the others useless.
#[derive(Deserialize)]
struct Set {
    keys: Vec<Value>,
}

#[derive(Deserialize)]
struct Discovery {
    issuer: String,
    jwks_uri: String,
}

const CONNECT: Duration = Duration::from_secs(3);
const TOTAL: Duration = Duration::from_secs(5);
const MAX_BYTES: usize = 64 * 1024;

impl Fetch {
    pub fn new(config: &IssuerConfig) -> Result<Self, String> {
        let client = Client::builder().connect_timeout(CONNECT).timeout(TOTAL).redirect(Policy::none()).no_proxy();
        let is_plain = |url: &str| url.starts_with("http://");
        let client = match &config.tls_ca {
            Some(path) => {
                let unusable = |error: &dyn Error| format!("tls_ca: cannot use {}: {error}", path.display());
                let text = std::fs::read(path).map_err(|error| unusable(&error))?;
                let certificates = Certificate::from_pem_bundle(&text).map_err(|error| unusable(&error))?;
                client.tls_certs_only(certificates)
            }
            // A machine without any certificates is fine for this.
            None if is_plain(&config.issuer) && config.jwks_url.as_deref().is_none_or(is_plain) => {
                client.tls_certs_only([])
            }
            None => client,
        };
        let client = client.build().map_err(|error| format!("cannot make a client: {}", chain(&error)))?;
        Ok(Self { client, issuer: config.issuer.clone(), jwks_url: config.jwks_url.clone() })
    }

    /// What is asked first.
    pub fn address(&self) -> String {
        let discovery = || format!("{}/.well-known/openid-configuration", self.issuer.trim_end_matches('/'));
        self.jwks_url.clone().unwrap_or_else(discovery)
    }

    pub async fn keys(&self) -> Result<Vec<Value>, String> {
        let address = self.address();
        let url = match &self.jwks_url {
            Some(url) => url.clone(),
            None => self.discovered(&address).await?,
        };
        self.get::<Set>(&url).await.map(|set| set.keys)
    }

    async fn discovered(&self, address: &str) -> Result<String, String> {
        let found: Discovery = self.get(address).await?;
        if found.issuer != self.issuer {
            return Err(format!("{address} is the document of another issuer"));
        }
        if self.issuer.starts_with("https://") && !found.jwks_uri.starts_with("https://") {
            return Err(format!("{address} names a key set without https"));
        }
        Ok(found.jwks_uri)
    }

    async fn get<T: DeserializeOwned>(&self, url: &str) -> Result<T, String> {
        let failed = |error: reqwest::Error| format!("{url}: {}", chain(&error.without_url()));
        let response = self.client.get(url).header("accept", "application/json").send().await.map_err(failed)?;
        if !response.status().is_success() {
            return Err(format!("{url}: answered {}", response.status()));
        }
        let mut response = response;
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(failed)? {
            if body.len() + chunk.len() > MAX_BYTES {
                return Err(format!("{url}: the answer is larger than 64 KiB"));
            }
            body.extend_from_slice(&chunk);
        }
        serde_json::from_slice(&body).map_err(|error| format!("{url}: the answer is not what it should be: {error}"))
    }
}
