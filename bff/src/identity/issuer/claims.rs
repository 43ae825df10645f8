//! What another issuer's token says of whom it speaks for, in our terms.

use std::sync::Arc;

use serde_json::{Map, Value};
use uuid::{Builder, Uuid};

use super::Issuer;
use crate::identity::role::Role;
use crate::identity::secret::sha256;

/// Somebody whom another issuer vouches for.
#[derive(Debug, PartialEq, Eq)]
pub struct Visitor {
    pub issuer: Arc<str>,
    /// An id of his own, made from the issuer and the subject. Accounts have ids of another version.
    pub id: Uuid,
    /// What services know him by: `keycloak:6f1c`, never the name of an account or of another issuer's subject.
    pub subject: String,
    pub role: Role,
    pub email: Option<String>,
    pub scopes: Vec<String>,
    /// The issuer's word for the application that he uses.
    pub client: String,
    /// Seconds since 1970.
    pub expires_at: i64,
}

type Claims = Map<String, Value>;

const MAX_SUBJECT_CHARS: usize = 200;
const MAX_SCOPES: usize = 100;
/// Who has several roles gets the first of these.
const ORDER: [Role; 4] = [Role::Admin, Role::Operator, Role::Auditor, Role::User];

impl Visitor {
    /// The visitor, and the second from which the token is valid; or why it is not for us.
    pub fn read(issuer: &Issuer, claims: &Claims) -> Result<(Self, i64), &'static str> {
        let config = &issuer.config;
        if text(claims, "iss")? != config.issuer {
            return Err("its issuer is another");
        }
        if !audiences(claims)?.contains(&config.audience.as_str()) {
            return Err("it is for somebody else");
        }
        let expires_at = second(claims, "exp")?.ok_or("it has no exp")?;
        let issued_at = second(claims, "iat")?.ok_or("it has no iat")?;
        let not_before = second(claims, "nbf")?.unwrap_or(issued_at).max(issued_at);
        let client = client(claims)?.unwrap_or(&issuer.name);
        if !config.clients.is_empty() && !config.clients.iter().any(|known| known == client) {
            return Err("its client is not one of the issuer's that count here");
        }
        let names = &config.claims;
        let subject = at(claims, &names.subject).and_then(Value::as_str).filter(|subject| is_name(subject));
        let subject = subject.ok_or("it has no subject")?;
        let visitor = Self {
            id: id(&config.issuer, subject),
            subject: if config.bare_subject { subject.to_owned() } else { format!("{}:{subject}", issuer.name) },
            role: role(issuer, at(claims, &names.role))?,
            email: email(claims, &names.email),
            scopes: words(at(claims, &names.scopes)).map(str::to_owned).take(MAX_SCOPES).collect(),
            client: client.to_owned(),
            issuer: Arc::clone(&issuer.name),
            expires_at,
        };
        Ok((visitor, not_before))
    }
}

/// A UUID of version 8 that nobody can choose: 122 bits of a digest.
fn id(issuer: &str, subject: &str) -> Uuid {
    let digest = sha256(format!("visitor\n{issuer}\n{subject}").as_bytes());
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    Builder::from_custom_bytes(bytes).into_uuid()
}

fn text<'c>(claims: &'c Claims, name: &str) -> Result<&'c str, &'static str> {
    claims.get(name).and_then(Value::as_str).ok_or("a claim is missing or of another type")
}

fn second(claims: &Claims, name: &str) -> Result<Option<i64>, &'static str> {
    match claims.get(name) {
        None => Ok(None),
        Some(value) => value.as_i64().map(Some).ok_or("a time is not a whole number of seconds"),
    }
}

fn audiences(claims: &Claims) -> Result<Vec<&str>, &'static str> {
    let ill_typed = "its aud is neither a text nor a list of texts";
    match claims.get("aud") {
        Some(Value::String(one)) => Ok(vec![one]),
        Some(Value::Array(several)) => several.iter().map(|it| it.as_str().ok_or(ill_typed)).collect(),
        _ => Err(ill_typed),
    }
}

/// `azp` and `client_id` say the same, where a token has both.
fn client(claims: &Claims) -> Result<Option<&str>, &'static str> {
    let named = |name| match claims.get(name) {
        None => Ok(None),
        Some(value) => value.as_str().map(Some).ok_or("its client is not a text"),
    };
    match (named("azp")?, named("client_id")?) {
        (Some(one), Some(other)) if one != other => Err("it names two clients"),
        (one, other) => Ok(one.or(other)),
    }
}

fn is_name(subject: &str) -> bool {
    !matches!(subject, "" | "." | "..")
        && subject.chars().count() <= MAX_SUBJECT_CHARS
        && !subject.contains(char::is_control)
}

fn role(issuer: &Issuer, value: Option<&Value>) -> Result<Role, &'static str> {
    let roles = &issuer.config.roles;
    let has: Vec<Role> = words(value).filter_map(|name| roles.get(name)).copied().collect();
    let first = ORDER.into_iter().find(|role| has.contains(role));
    first.or(issuer.config.default_role).ok_or("none of its roles means one here")
}

/// An address that the issuer says is not verified is nobody's.
fn email(claims: &Claims, name: &str) -> Option<String> {
    let verified = claims.get("email_verified").is_none_or(|it| *it == Value::Bool(true));
    at(claims, name).and_then(Value::as_str).filter(|_| verified).map(str::to_owned)
}

/// A member by its name, or by a JSON pointer.
fn at<'c>(claims: &'c Claims, name: &str) -> Option<&'c Value> {
    let Some(pointer) = name.strip_prefix('/') else { return claims.get(name) };
    let (first, rest) = pointer.split_once('/').map_or((pointer, None), |(first, rest)| (first, Some(rest)));
    let value = claims.get(&first.replace("~1", "/").replace("~0", "~"))?;
    rest.map_or(Some(value), |rest| value.pointer(&format!("/{rest}")))
}

/// The words of a text, or the texts of a list.
fn words(value: Option<&Value>) -> impl Iterator<Item = &str> {
    let list = value.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    let text = value.and_then(Value::as_str).unwrap_or_default();
    text.split(' ').filter(|word| !word.is_empty()).chain(list)
}
