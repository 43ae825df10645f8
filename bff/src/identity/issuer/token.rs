//! Reading a token of another issuer without trusting a word of it: its header names a key, and nothing more.

use std::sync::OnceLock;

use serde::Deserialize;

use super::claims::Visitor;
use super::{Issuer, Verified, strict};
use crate::identity::error::Error;
use crate::identity::token::{canonical, decode};

/// What a header may say; `crit`, `jku`, `jwk`, `x5u`, `x5c` and whatever else there is are refused.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    alg: String,
    kid: String,
    #[serde(default = "plain")]
    typ: String,
    /// Digests of certificates, which some issuers add; nobody looks at them.
    #[serde(rename = "x5t")]
    _x5t: Option<String>,
    #[serde(rename = "x5t#S256")]
    _x5t_s256: Option<String>,
}

fn plain() -> String {
    "JWT".to_owned()
}

#[derive(Deserialize)]
struct Named {
    iss: String,
}

/// What a token says of its issuer, true or not.
pub fn issuer(token: &str) -> Option<String> {
    let claims = token.split('.').nth(1)?;
    decode::<Named>(claims).ok().map(|named| named.iss)
}

impl Issuer {
    /// Everything is checked but the time.
    pub async fn read(&self, token: &str) -> Result<Verified, Error> {
        let (message, signature) = token.rsplit_once('.').ok_or(Error::Refused("it is not a JWT"))?;
        let (header, claims) = message.split_once('.').ok_or(Error::Refused("it is not a JWT"))?;
        let header: Header = decode(header)?;
        if !self.config.types.iter().any(|typ| is_type(&header.typ, typ)) {
            return Err(Error::Refused("its typ is not one of the issuer's"));
        }
        let key = self.keys.find(&header.kid).await?.ok_or(Error::Refused("its key is not the issuer's"))?;
        if header.alg != key.algorithm.as_str() {
            return Err(Error::Refused("its algorithm is not its key's"));
        }
        canonical(signature)?;
        let signed = jsonwebtoken::crypto::verify(signature, message.as_bytes(), &key.verifying, key.algorithm.into());
        if !signed.unwrap_or(false) {
            return Err(Error::Refused("its signature does not fit"));
        }
        let claims = strict::object(&canonical(claims)?).ok_or(Error::Refused("its claims are malformed"))?;
        let (visitor, not_before) = Visitor::read(self, &claims).map_err(Error::Refused)?;
        Ok(Verified { visitor: visitor.into(), kid: header.kid, not_before, tokens: OnceLock::new() })
    }
}

/// RFC 7515: a media type, whose `application/` may be left out, whatever the case of its letters.
fn is_type(typ: &str, allowed: &str) -> bool {
    let typ = typ.to_ascii_lowercase();
    let allowed = allowed.to_ascii_lowercase();
    typ == allowed || typ.strip_prefix("application/") == Some(&allowed)
}
