//! From a token to its caller, by the issuer's public keys alone.
//!
//! The key is chosen by `kid` from the issuer's set and the algorithm is the key's, never the token's choice.

mod jwks;

use std::sync::Arc;

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Header, Validation, decode, decode_header};
use serde::Deserialize;
use tokio_util::task::TaskTracker;
use tonic::Status;
use tonic::metadata::MetadataMap;

use crate::caller::{Caller, USER_ID_MAX};
use crate::config::Config;
use jwks::{Jwks, VerifyingKey};

const TOKEN_MAX_BYTES: usize = 8 * 1_024;
const LEEWAY_SECONDS: u64 = 30;

#[derive(Clone)]
pub struct Tokens {
    keys: Arc<Jwks>,
    issuer: Option<String>,
    audience: String,
}

#[derive(Deserialize)]
struct Claims {
    sub: String,
    role: Option<String>,
}

impl Tokens {
    pub fn new(config: &Config, tasks: TaskTracker) -> anyhow::Result<Self> {
        Ok(Self {
            keys: Arc::new(Jwks::new(&config.jwks_url, tasks)?),
            issuer: config.issuer.clone(),
            audience: config.audience.clone(),
        })
    }

    /// Who calls: UNAUTHENTICATED without a good token, UNAVAILABLE where the keys to tell cannot be had.
    pub async fn caller(&self, metadata: &MetadataMap) -> Result<Caller, Status> {
        let token = bearer(metadata)?;
        let header = decode_header(token).map_err(|_| refused("it is not a signed JWT of a known algorithm"))?;
        let kid = check_header(&header)?;
        let key = self.keys.find(kid).await?.ok_or_else(|| refused("the issuer has no key of its kid"))?;
        let verified = decode::<Claims>(token, &key.key, &self.validation(&key));
        let claims = verified.map_err(|error| refused(&fault_of(error.kind())))?.claims;
        if claims.sub.is_empty() || claims.sub.chars().count() > USER_ID_MAX || claims.sub.contains(char::is_control) {
            return Err(refused("its sub is not a user id"));
        }
        Ok(Caller::new(claims.sub, claims.role.as_deref()))
    }

    fn validation(&self, key: &VerifyingKey) -> Validation {
        let mut validation = Validation::new(key.algorithm);
        validation.leeway = LEEWAY_SECONDS;
        validation.validate_nbf = true;
        validation.set_audience(&[&self.audience]);
        validation.set_required_spec_claims(&["exp", "aud", "sub"]);
        if let Some(issuer) = &self.issuer {
            validation.set_issuer(&[issuer]);
            validation.set_required_spec_claims(&["exp", "aud", "sub", "iss"]);
        }
        validation
    }
}

fn bearer(metadata: &MetadataMap) -> Result<&str, Status> {
    let Some(value) = metadata.get("authorization") else {
        return Err(Status::unauthenticated("a token is required: metadata `authorization: Bearer <token>`"));
    };
    let (scheme, token) = value.to_str().ok().and_then(|value| value.split_once(' ')).unwrap_or_default();
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(Status::unauthenticated("metadata authorization: must be `Bearer <token>`"));
    }
    if token.len() > TOKEN_MAX_BYTES {
        return Err(refused("it is longer than 8 KiB"));
    }
    Ok(token)
}

fn check_header(header: &Header) -> Result<&str, Status> {
    let typ = header.typ.as_deref().unwrap_or_default();
    if !typ.eq_ignore_ascii_case("at+jwt") && !typ.eq_ignore_ascii_case("application/at+jwt") {
        return Err(refused("its typ is not at+jwt"));
    }
    if header.crit.is_some() {
        return Err(refused("it has a crit header"));
    }
    header.kid.as_deref().ok_or_else(|| refused("it has no kid"))
}

fn fault_of(error: &ErrorKind) -> String {
    match error {
        ErrorKind::ExpiredSignature => "it has expired".to_owned(),
        ErrorKind::ImmatureSignature => "it is not valid yet".to_owned(),
        ErrorKind::InvalidAudience => "its aud is not this service".to_owned(),
        ErrorKind::InvalidIssuer => "its iss is not the expected issuer".to_owned(),
        ErrorKind::InvalidAlgorithm => "its alg is not the algorithm of its key".to_owned(),
        ErrorKind::InvalidSignature => "its signature is not made by its key".to_owned(),
        ErrorKind::MissingRequiredClaim(claim) => format!("it has no {claim}"),
        _ => "it is malformed".to_owned(),
    }
}

fn refused(reason: &str) -> Status {
    Status::unauthenticated(format!("the token is refused: {reason}"))
}
