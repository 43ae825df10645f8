//! What the routes that send and take codes have in common.

use axum::response::{IntoResponse, Response};
use http::header::ACCEPT_LANGUAGE;
use http::{HeaderMap, StatusCode};
use secrecy::SecretString;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::http::Problem;
use crate::identity::{Ask, Client, CodeProof, Error, Identifier, Identity, Purpose};

/// The same, whoever was asked about.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CodeSent {
    /// To be sent back with the code.
    challenge_id: String,
    /// Seconds until the code expires.
    expires_in: i64,
    /// Seconds until another may be asked for.
    resend_after: i64,
}

pub async fn ask(
    identity: &Identity,
    purpose: Purpose,
    identifier: Identifier,
    account: Option<Uuid>,
    client: &Client,
    headers: &HeaderMap,
) -> Result<Response, Problem> {
    let asker = identity.asker(&identifier, client);
    let (address, locale) = (client.address, locale(headers));
    let asked = identity.ask_for_code(Ask { purpose, identifier, account, asker, address, locale }).await?;
    let sent = CodeSent {
        challenge_id: asked.challenge.as_str().to_owned(),
        expires_in: asked.expires_in.whole_seconds(),
        // Rounded up, so that a client that waits exactly this long is not early.
        resend_after: (asked.resend_after + time::Duration::milliseconds(999)).whole_seconds(),
    };
    Ok((StatusCode::ACCEPTED, axum::Json(sent)).into_response())
}

pub fn identifier(text: &str) -> Result<Identifier, Problem> {
    Ok(Identifier::parse(text).map_err(Error::from)?)
}

pub fn proof(
    identity: &Identity,
    client: &Client,
    identifier_text: &str,
    challenge: String,
    code: SecretString,
) -> Result<CodeProof, Problem> {
    let identifier = identifier(identifier_text)?;
    let asker = identity.asker(&identifier, client);
    Ok(CodeProof { identifier, challenge, code, asker })
}

/// The language that a browser likes best.
pub fn locale(headers: &HeaderMap) -> Option<String> {
    let first = headers.get(ACCEPT_LANGUAGE)?.to_str().ok()?.split([',', ';']).next()?.trim();
    let tag = (2..=MAX_LOCALE_BYTES).contains(&first.len())
        && first.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    tag.then(|| first.to_owned())
}

const MAX_LOCALE_BYTES: usize = 35;
