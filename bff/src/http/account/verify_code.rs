//! `POST /v1/auth/verify-code`: sends a code to an address or a number.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;
use serde::Deserialize;
use utoipa::ToSchema;

use super::codes::{CodeSent, ask, identifier};
use crate::http::caller::refuse_cross_site;
use crate::http::openapi::Refuses;
use crate::http::{FieldError, Json, Location, Problem};
use crate::identity::{Caller, Client, Identifier, Identity, Purpose};

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = VerifyCode)]
pub struct Body {
    /// An e-mail address, or a phone number in E.164.
    #[schema(examples("ada@shop.test"))]
    identifier: String,
    #[schema(inline)]
    purpose: CodePurpose,
}

#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
enum CodePurpose {
    /// For a new account.
    Register,
    /// For an address that shall be the caller's.
    VerifyEmail,
    /// For a number that shall be the caller's.
    VerifyPhone,
}

/// Where nothing delivers to identifiers of this kind it is 400 `channel-unavailable`, whoever is asked about.
#[utoipa::path(
    post, path = "/v1/auth/verify-code", tag = "account", operation_id = "auth-verify-code",
    request_body = Body,
    responses(
        (status = 202, description = "A code is on its way, if there is a reason to send one.", body = CodeSent),
        Refuses<400>, Refuses<401>, Refuses<403>, Refuses<413>, Refuses<415>, Refuses<429>, Refuses<503>,
    ),
    security((), ("bearer" = []), ("cookie" = []))
)]
pub async fn verify_code(
    State(identity): State<Arc<Identity>>,
    client: Client,
    caller: Option<Caller>,
    headers: HeaderMap,
    Json(body): Json<Body>,
) -> Result<Response, Problem> {
    refuse_cross_site(&headers, identity.deployment())?;
    let identifier = identifier(&body.identifier)?;
    let (purpose, caller) = match (body.purpose, &identifier) {
        (CodePurpose::Register, _) => (Purpose::Register, None),
        (CodePurpose::VerifyEmail, Identifier::Email(_)) => (Purpose::VerifyEmail, Some(caller)),
        (CodePurpose::VerifyPhone, Identifier::Phone(_)) => (Purpose::VerifyPhone, Some(caller)),
        (CodePurpose::VerifyEmail, Identifier::Phone(_)) => return Err(misplaced("an e-mail address")),
        (CodePurpose::VerifyPhone, Identifier::Email(_)) => return Err(misplaced("a phone number like +15550100001")),
    };
    let account = caller.map(|caller| caller.ok_or_else(Problem::unauthorized)).transpose()?.map(|caller| caller.sub);
    ask(&identity, purpose, identifier, account, &client, &headers).await
}

fn misplaced(expected: &str) -> Problem {
    Problem::invalid(vec![FieldError {
        location: Location::Pointer("/identifier".to_owned()),
        code: "invalid".to_owned(),
        message: format!("expected {expected} for this purpose"),
    }])
}
