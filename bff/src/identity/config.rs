//! What identity is told from outside.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;
use time::Duration;

use super::codes::CodesConfig;
use super::issuer::IssuerConfig;
use super::keys::{Rules, Settings, SigningAlgorithm};
use super::session;
use super::throttle;
use super::token::LEEWAY;

/// `[identity]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// 32 random bytes in base64 that encrypt the signing keys at rest. Development makes one beside
    /// the database unless it is set; production needs it.
    pub master_key_file: Option<PathBuf>,
    /// Another master key that opens what is stored too, while one takes the other's place.
    pub master_key_previous_file: Option<PathBuf>,
    /// Lines of 32 random bytes in base64 that go into every password hash: the first into new ones. Development makes
    /// one beside the database unless it is set; production needs it.
    pub pepper_file: Option<PathBuf>,
    /// What signs new tokens: ES256, RS256, PS256 or EdDSA.
    pub algorithm: SigningAlgorithm,
    /// For which algorithms a key is kept and published, so that `algorithm` can change at any time.
    pub key_algorithms: Vec<SigningAlgorithm>,
    /// How long a key signs before the next one does.
    pub key_rotation_s: u32,
    /// Whom our own access tokens are for.
    pub audience: String,
    /// How long one of our own access tokens lives.
    pub access_token_s: u32,
    /// How long a token for a service behind this server lives.
    pub upstream_token_s: u32,
    pub sessions: session::Rules,
    pub codes: CodesConfig,
    pub login: throttle::Rules,
    /// Whether people have accounts here; without them only other issuers' tokens make a caller.
    pub accounts: bool,
    /// Whose tokens count here besides our own, by a name for each.
    pub issuers: BTreeMap<String, IssuerConfig>,
}

/// How long a key is published before it signs: longer than anybody keeps our public keys without asking again.
const KEY_AHEAD: Duration = Duration::HOUR;

impl Default for Config {
    fn default() -> Self {
        Self {
            master_key_file: None,
            master_key_previous_file: None,
            pepper_file: None,
            algorithm: SigningAlgorithm::Es256,
            key_algorithms: vec![SigningAlgorithm::Es256, SigningAlgorithm::Rs256],
            key_rotation_s: 2_592_000,
            audience: "bff".to_owned(),
            access_token_s: 600,
            upstream_token_s: 300,
            sessions: session::Rules::default(),
            codes: CodesConfig::default(),
            login: throttle::Rules::default(),
            accounts: true,
            issuers: BTreeMap::new(),
        }
    }
}

/// The store remembers for a little longer that a session has ended.
const MAX_ACCESS_TOKEN_S: u32 = 86_400;

impl Config {
    /// What signs, and when keys turn.
    pub fn keys(&self) -> Settings {
        let longest = self.access_token_s.max(self.upstream_token_s);
        let rules = Rules {
            every: Duration::seconds(self.key_rotation_s.into()),
            ahead: KEY_AHEAD,
            // A replica that hears of nothing for an hour signs with the old key that long.
            keep: Duration::seconds(longest.into()) + LEEWAY + KEY_AHEAD,
        };
        Settings { signing: self.algorithm, kept: self.key_algorithms.clone(), rules }
    }

    /// What cannot work, beyond what the types refuse; `identity::problems` looks at the files as well.
    pub fn problems(&self) -> Vec<String> {
        let session::Rules {
            web_idle_s,
            web_absolute_s,
            mobile_idle_s,
            mobile_absolute_s,
            staff_idle_s,
            staff_absolute_s,
            per_account,
            ..
        } = self.sessions;
        let lives = [
            ("web_idle_s", web_idle_s),
            ("web_absolute_s", web_absolute_s),
            ("mobile_idle_s", mobile_idle_s),
            ("mobile_absolute_s", mobile_absolute_s),
            ("staff_idle_s", staff_idle_s),
            ("staff_absolute_s", staff_absolute_s),
        ];
        let none = lives.into_iter().filter(|(_, seconds)| *seconds == 0);
        let mut problems: Vec<String> =
            none.map(|(name, _)| format!("identity.sessions.{name}: must be at least 1")).collect();
        if !(1..=session::MAX_PER_ACCOUNT).contains(&per_account) {
            problems.push(format!("identity.sessions.per_account: must be 1 to {}", session::MAX_PER_ACCOUNT));
        }
        if self.audience.is_empty() {
            problems.push("identity.audience: must name whom the tokens are for, as in \"bff\"".to_owned());
        }
        if self.access_token_s > MAX_ACCESS_TOKEN_S {
            problems.push(format!("identity.access_token_s: must be at most {MAX_ACCESS_TOKEN_S}"));
        }
        problems.extend(self.codes.problems());
        problems.extend(self.login.problems());
        problems
    }
}

/// Where this server stands.
#[derive(Debug, Clone)]
pub struct Deployment {
    /// How the outside names it, without a slash at the end: the issuer of its tokens.
    pub public_url: String,
    /// Other sites whose pages may act for the account that a browser is signed in to.
    pub allowed_origins: Vec<String>,
    /// Allows what must not happen in production: a master key made on the spot, demo accounts.
    pub development: bool,
}

impl Deployment {
    /// The host of its name.
    pub fn host(&self) -> &str {
        let (_, rest) = self.public_url.split_once("://").unwrap_or_default();
        rest.split(['/', ':']).next().unwrap_or_default()
    }
}
