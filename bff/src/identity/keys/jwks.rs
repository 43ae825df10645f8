//! The public halves, as they are served.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use jsonwebtoken::jwk::{Jwk, JwkSet};

use super::KeyError;
use crate::identity::secret::sha256;

#[derive(Debug)]
pub struct Jwks {
    pub body: Bytes,
    /// Strong, quotes included.
    pub etag: String,
}

impl Jwks {
    pub fn new<'k>(keys: impl Iterator<Item = &'k Jwk>) -> Result<Self, KeyError> {
        let set = JwkSet { keys: keys.cloned().collect() };
        let body = serde_json::to_vec(&set).map_err(|error| KeyError::Generate(error.to_string()))?;
        let etag = format!("\"{}\"", URL_SAFE_NO_PAD.encode(&sha256(&body)[..12]));
        Ok(Self { body: body.into(), etag })
    }
}
