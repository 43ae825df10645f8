//! `GET /dev/messages`: what was sent in development, where nobody has a provider.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::{Problem, Query};
use crate::identity::Identifier;

/// Gives what was sent to an address, or to all, newest first.
#[derive(Clone)]
pub struct Mailbox(Arc<Mails>);

type Mails = dyn Fn(Option<&str>) -> Vec<Mail> + Send + Sync;

pub struct Mail {
    pub to: String,
    pub channel: &'static str,
    pub purpose: &'static str,
    pub code: Option<SecretString>,
    pub sent_at: OffsetDateTime,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Whose {
    /// An e-mail address or a phone number, however it is typed.
    to: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown {
    to: String,
    channel: &'static str,
    purpose: &'static str,
    code: Option<String>,
    #[serde(with = "time::serde::rfc3339")]
    sent_at: OffsetDateTime,
}

impl Mailbox {
    pub fn new(mails: impl Fn(Option<&str>) -> Vec<Mail> + Send + Sync + 'static) -> Self {
        Self(Arc::new(mails))
    }
}

/// 404 in production: there is no mailbox.
pub async fn messages(State(mailbox): State<Option<Mailbox>>, Query(whose): Query<Whose>) -> Result<Response, Problem> {
    let mailbox = mailbox.ok_or_else(Problem::not_found)?;
    let to = whose.to.map(normal);
    let mails: Vec<Shown> = (mailbox.0)(to.as_deref()).into_iter().map(shown).collect();
    Ok(axum::Json(mails).into_response())
}

/// The plus of a number that is typed as it is arrives as a space.
fn normal(to: String) -> String {
    let typed = to.strip_prefix(' ').map_or(to.clone(), |number| format!("+{number}"));
    match Identifier::parse(&typed) {
        Ok(Identifier::Email(normal) | Identifier::Phone(normal)) => normal,
        Err(_) => to,
    }
}

fn shown(mail: Mail) -> Shown {
    Shown {
        to: mail.to,
        channel: mail.channel,
        purpose: mail.purpose,
        code: mail.code.map(|code| code.expose_secret().to_owned()),
        sent_at: mail.sent_at,
    }
}
