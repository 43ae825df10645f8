//! What this server says of itself to a service, and which of the client's headers it hands on.

use http::header::{
    AUTHORIZATION, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, EXPECT, HOST, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
};
use http::{HeaderName, HeaderValue};
use secrecy::{ExposeSecret, SecretString};

use super::{Config, Headers, Identity, grpc, rest};

/// The setting that is wrong, and why.
type Wrong = (&'static str, String);

/// Of the connection, of the body or of the deadline, so that nobody may set them. HTTP/2 forbids some of them outright.
const RESERVED: [HeaderName; 13] = [
    CONNECTION,
    CONTENT_LENGTH,
    CONTENT_TYPE,
    EXPECT,
    HOST,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    grpc::TIMEOUT,
    rest::TIMEOUT,
];

/// The headers of every request, and the names of those that are the client's.
pub fn read(config: &Config) -> Result<(Headers, Vec<HeaderName>), Wrong> {
    let mut credentials = Headers::new();
    for (name, value) in &config.headers {
        credentials.push((header(".headers", name)?, secret(".headers", value, "")?));
    }
    if let Some(key) = &config.api_key {
        credentials.push((header(".api_key_header", &config.api_key_header)?, secret(".api_key", key, "")?));
    }
    if let Some(bearer) = &config.bearer {
        if config.identity == Identity::Token {
            let reason = "a caller's token (`identity = \"token\"`) is in the same header; use `api_key`";
            return Err((".bearer", reason.to_owned()));
        }
        credentials.push((AUTHORIZATION, secret(".bearer", bearer, "Bearer ")?));
    }
    let forward = config.forward.iter().map(|name| header(".forward", name)).collect::<Result<Vec<_>, _>>()?;
    let twice = |name: &&HeaderName| credentials.iter().filter(|(other, _)| other == *name).count() > 1;
    if let Some(name) = credentials.iter().map(|(name, _)| name).find(twice) {
        return Err((".headers", format!("`{name}` is set twice")));
    }
    if let Some(name) = forward.iter().find(|name| credentials.iter().any(|(own, _)| own == *name)) {
        return Err((".forward", format!("`{name}` is this server's own")));
    }
    Ok((credentials, forward))
}

fn header(setting: &'static str, name: &str) -> Result<HeaderName, Wrong> {
    let parsed = HeaderName::try_from(name).map_err(|_| (setting, format!("`{name}` is no name of a header")))?;
    if RESERVED.contains(&parsed) {
        return Err((setting, format!("`{parsed}` is not for anybody to set")));
    }
    Ok(parsed)
}

fn secret(setting: &'static str, value: &SecretString, prefix: &str) -> Result<HeaderValue, Wrong> {
    let text = format!("{prefix}{}", value.expose_secret());
    let value = HeaderValue::try_from(text);
    let mut value = value.map_err(|_| (setting, "has characters that no header can carry".to_owned()))?;
    value.set_sensitive(true);
    Ok(value)
}
