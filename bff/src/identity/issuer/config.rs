//! What is said about an issuer whose tokens count here.

use std::collections::BTreeMap;
use std::path::PathBuf;

use http::Uri;
use serde::Deserialize;

use crate::identity::keys::SigningAlgorithm;
use crate::identity::role::Role;

/// `[identity.issuers.NAME]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct IssuerConfig {
    /// What its tokens have as `iss`, letter by letter.
    pub issuer: String,
    /// Where its public keys are; unless set, its discovery document says it.
    pub jwks_url: Option<String>,
    /// The certificates that its own must descend from, instead of the system's.
    pub tls_ca: Option<PathBuf>,
    /// Whom its tokens for this server are for.
    pub audience: String,
    pub algorithms: Vec<SigningAlgorithm>,
    /// What may stand in a token's header as `typ`; a token without one counts as `JWT`.
    pub types: Vec<String>,
    /// The clients whose tokens count, by `azp` or `client_id`; all unless named.
    pub clients: Vec<String>,
    pub claims: ClaimNames,
    /// Its roles that mean one here; who has several gets the first of admin, operator, auditor and user.
    pub roles: BTreeMap<String, Role>,
    /// What those are who have none of these; without it they are refused.
    pub default_role: Option<Role>,
    pub leeway_s: u32,
    /// How long its keys count while it does not answer.
    pub keys_max_age_s: u32,
    /// Leaves its name out of its subjects.
    pub bare_subject: bool,
    /// Whether this server is not ready without its keys.
    pub required: bool,
}

/// Which members of a token say what: names, or JSON pointers like `/realm_access/roles`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ClaimNames {
    pub subject: String,
    pub role: String,
    pub email: String,
    pub scopes: String,
}

impl Default for IssuerConfig {
    fn default() -> Self {
        use SigningAlgorithm::{EdDsa, Es256, Ps256, Rs256};
        Self {
            issuer: String::new(),
            jwks_url: None,
            tls_ca: None,
            audience: String::new(),
            algorithms: vec![Es256, Rs256, Ps256, EdDsa],
            types: vec!["at+jwt".to_owned(), "JWT".to_owned()],
            clients: Vec::new(),
            claims: ClaimNames::default(),
            roles: BTreeMap::new(),
            default_role: Some(Role::User),
            leeway_s: 30,
            keys_max_age_s: 3_600,
            bare_subject: false,
            required: false,
        }
    }
}

impl Default for ClaimNames {
    fn default() -> Self {
        let [subject, role, email, scopes] = ["sub", "role", "email", "scope"].map(str::to_owned);
        Self { subject, role, email, scopes }
    }
}

const MAX_NAME_CHARS: usize = 32;
const MAX_LEEWAY_S: u32 = 300;

impl IssuerConfig {
    /// What cannot work; `alone` where nobody else can be a caller here.
    pub fn problems(&self, name: &str, development: bool, alone: bool) -> Vec<String> {
        let named = !name.is_empty() && name.len() <= MAX_NAME_CHARS;
        let plain =
            named && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
        let has_scheme = |url: &str| is_address(url) && (development || url.starts_with("https://"));
        let roles = self.roles.values().chain(&self.default_role);
        [
            (!plain).then_some("its name must be 1 to 32 of a-z, 0-9 and -"),
            (!has_scheme(&self.issuer)).then_some("issuer: must be the https address that its tokens name as `iss`"),
            self.jwks_url.as_deref().filter(|url| !has_scheme(url)).map(|_| "jwks_url: must be an https address"),
            self.audience.is_empty().then_some("audience: must name whom its tokens for this server are for"),
            self.algorithms.is_empty().then_some("algorithms: must name one at least"),
            self.types.is_empty().then_some("types: must name one at least"),
            roles.into_iter().any(|role| *role == Role::Partner).then_some("roles: nobody signs in as a partner"),
            (self.leeway_s > MAX_LEEWAY_S).then_some("leeway_s: must be at most 300"),
            (self.bare_subject && !alone).then_some(
                "bare_subject: needs `identity.accounts = false` and no other issuer, so that no two callers share a name",
            ),
        ]
        .into_iter()
        .flatten()
        .map(|problem| format!("identity.issuers.{name}.{problem}").replace(".its name", ": its name"))
        .collect()
    }
}

fn is_address(url: &str) -> bool {
    let Ok(uri) = url.parse::<Uri>() else { return false };
    matches!(uri.scheme_str(), Some("http" | "https")) && uri.query().is_none() && !url.contains(['@', '#'])
}
