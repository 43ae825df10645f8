//! Accounts, sessions and tokens: who is asking, and proof of it for others.
//!
//! Everything that decides is a pure function below; this is where it meets the store, the keys
//! and the clock.

mod account;
mod administration;
mod attempts;
mod caller;
mod code;
mod codes;
mod config;
mod demo;
mod device;
mod error;
mod event;
mod issuer;
mod jobs;
mod keys;
mod master_key;
mod own_account;
mod own_sessions;
mod password;
mod recovery;
mod register;
mod revocation;
mod role;
mod secret;
mod seed;
mod session;
mod sessions;
mod sign_in;
mod standing;
mod start;
mod throttle;
mod token;
mod trail;
mod turns;
mod visitors;

pub use account::{Identifier, InvalidIdentifier};
pub use administration::{AccountChange, Admin};
pub use caller::{Caller, Credentials, Sender, TokenFor};
pub use code::{Asker, Purpose};
pub use codes::{Ask, Asked};
pub use config::{Config, Deployment};
pub use demo::DEMO_PASSWORD;
pub use device::DEVICE_LIFE;
pub use error::Error;
pub use issuer::{ClaimNames, IssuerConfig, Visitor};
pub use keys::{Jwks, KeyError, KeyRing, Listing, SigningAlgorithm, Turned};
pub use master_key::{MasterKey, MasterKeyError};
pub use own_account::{PasswordChange, Profile};
pub use password::{MAX_PASSWORD_BYTES, PasswordError, PepperError, Unfit};
pub use recovery::PasswordReset;
pub use register::{CodeProof, Registration};
pub use role::{Access, Role, UnknownRole};
pub use seed::{SeedConfig, SeedError, Seeded};
pub use session::{Client, Rules, network};
pub use sessions::Ended;
pub use sign_in::{Grant, Login, SignedIn};
pub use standing::Standing;
pub use start::{master_key, open_keys, problems};
pub use token::TokenError;

/// The records that answers are made of.
pub use crate::store::{
    Account, AccountFilter, AccountState, AuditEntry, Ending, LoginEntry, Position, Session, SessionKind,
};

use std::sync::Arc;

use moka::sync::Cache;
use secrecy::{ExposeSecret, SecretString};
use time::Duration;
use tokio::task::spawn_blocking;
use uuid::Uuid;

use crate::clock::Clock;
use crate::events::Recorder;
use crate::limits::Limits;
use crate::meter::Meter;
use crate::notify::Notify;
use crate::seal::SealingKey;
use crate::store::{self, Accounts, KeyValue, Stores};
use attempts::Attempts;
use code::Digester;
use codes::{Budgets, Codes};
use issuer::Issuers;
use password::{Passwords, Peppers};
use sessions::{Copies, Live, Sessions};
use sign_in::{cookie_grant, cookie_secret};
use token::{LEEWAY, SessionTokens, Subject, Tokens};

/// The part that knows who is asking; one for the whole server.
pub struct Identity {
    deployment: Deployment,
    store: Accounts,
    notify: Notify,
    events: Recorder,
    values: KeyValue,
    codes: Codes,
    clock: Clock,
    meter: Meter,
    passwords: Passwords,
    attempts: Attempts,
    keys: Arc<KeyRing>,
    tokens: Arc<Tokens>,
    sessions: Sessions,
    issuers: Issuers,
    has_accounts: bool,
    /// Tokens for upstreams, by session and version of the account.
    upstream: Cache<(Uuid, i64, Role), Arc<SessionTokens>>,
    access_token: Duration,
    upstream_token: Duration,
}

/// What identity stands on.
pub struct Ground<'a> {
    pub deployment: Deployment,
    pub master: &'a MasterKey,
    pub stores: &'a Stores,
    pub notify: Notify,
    pub events: Recorder,
    pub limits: Limits,
    pub clock: Clock,
    pub meter: Meter,
}

/// Why identity cannot start.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error(transparent)]
    MasterKey(#[from] MasterKeyError),
    #[error(transparent)]
    Pepper(#[from] PepperError),
    #[error(transparent)]
    Keys(#[from] KeyError),
    #[error(transparent)]
    Store(#[from] store::Error),
    #[error(transparent)]
    Password(#[from] PasswordError),
    #[error("identity.{0}: must be at least {1}")]
    TooShort(&'static str, u32),
    #[error("identity.algorithm: there is no key for {}; add it to identity.key_algorithms", .0.as_str())]
    NoKeyFor(SigningAlgorithm),
    #[error("{0}")]
    Issuer(String),
}

const MAX_UPSTREAM_SESSIONS: u64 = 20_000;
const UPSTREAM_IDLE: std::time::Duration = std::time::Duration::from_secs(300);

impl Identity {
    pub async fn open(config: &Config, ground: Ground<'_>) -> Result<Self, OpenError> {
        let Ground { deployment, master, stores, notify, events, limits, clock, meter } = ground;
        if let Some(problem) = problems(config, deployment.development).into_iter().next() {
            return Err(problem);
        }
        if !deployment.public_url.starts_with("https://") {
            tracing::info!(
                "the public address is plain http: the session cookie is `sid`, without the `__Host-` protection"
            );
        }
        let issuers = Issuers::new(config, &deployment.public_url, &meter).map_err(OpenError::Issuer)?;
        let now = clock.now();
        let store = stores.accounts.clone();
        let keys = Arc::new(open_keys(config, master, stores, now).await?);
        let queue = meter.gauge("bff_password_queue_depth", &[]);
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let pepper_file = start::pepper_file(config, &deployment, &store)?;
        let peppers = Arc::new(Peppers::load(&pepper_file, deployment.development)?);
        let passwords = spawn_blocking({
            let peppers = Arc::clone(&peppers);
            move || Passwords::new(cores, peppers, queue)
        });
        let passwords = passwords.await.map_err(|_| PasswordError::Stopped)??;
        let access_token = Duration::seconds(i64::from(config.access_token_s));
        let (rules, bus) = (config.sessions.clone(), stores.bus.clone());
        let copies = SealingKey::new(master.derive("copies of sessions").as_bytes());
        let copies = Copies::new(stores.hot_key_value.clone(), copies);
        let sessions = Sessions::open(store.clone(), bus, rules, copies, access_token + LEEWAY, now, &meter).await?;
        let tokens = Tokens::new(deployment.public_url.clone(), config.audience.clone(), Arc::clone(&keys));
        let attempts = Attempts::new(config.login.clone(), master, stores.key_value.clone(), limits.clone(), cores);
        let budgets = Budgets::new(&config.codes.budgets, limits, deployment.development);
        let digester = Digester::new(peppers, &master.derive("identifiers"));
        let errands = SealingKey::new(master.derive("errands").as_bytes());
        let codes = Codes::new(&config.codes.rules, budgets, digester, errands, stores);
        Ok(Self {
            deployment,
            store,
            notify,
            events,
            values: stores.key_value.clone(),
            codes,
            clock,
            meter,
            passwords,
            attempts,
            keys,
            tokens: Arc::new(tokens),
            sessions,
            issuers,
            has_accounts: config.accounts,
            upstream: Cache::builder().max_capacity(MAX_UPSTREAM_SESSIONS).time_to_idle(UPSTREAM_IDLE).build(),
            access_token,
            upstream_token: Duration::seconds(i64::from(config.upstream_token_s)),
        })
    }

    /// Keeps up with what other replicas revoke, with the signing keys and with those of other issuers; never ends.
    pub async fn follow(&self) {
        let Self { sessions, keys, issuers, clock, meter, .. } = self;
        tokio::join!(sessions.follow(clock), sessions.look_after(clock), keys.follow(clock, meter), issuers.follow());
    }

    /// Where events of what changed nothing are gathered.
    pub fn events(&self) -> &Recorder {
        &self.events
    }

    /// For what an account's owner must be told.
    pub fn notify(&self) -> &Notify {
        &self.notify
    }

    pub fn deployment(&self) -> &Deployment {
        &self.deployment
    }

    /// The public keys with which others verify our tokens.
    pub fn jwks(&self) -> Arc<Jwks> {
        self.keys.jwks()
    }

    /// For operators, who turn and revoke keys ahead of time.
    pub fn keys(&self) -> &KeyRing {
        &self.keys
    }

    /// The caller's account as it is now.
    pub async fn me(&self, caller: &Caller) -> Result<Account, Error> {
        let account = self.store.account(caller.sub).await?;
        account
            .filter(|account| account.deleted_at.is_none() && account.disabled_at.is_none())
            .ok_or(Error::Refused("the account is gone"))
    }

    /// Whether a new password may be one; `context` is what others know of its owner.
    pub fn check_new_password(&self, password: &SecretString, context: &[&str]) -> Result<(), Error> {
        let place = ["bff", self.deployment.host()];
        Ok(password::check(password.expose_secret(), &[context, &place].concat())?)
    }

    /// Who has signed in to the caller's account, or tried to: newest first, from before a position.
    pub async fn logins(
        &self,
        caller: &Caller,
        before: Option<Position>,
        limit: u32,
    ) -> Result<Vec<LoginEntry>, Error> {
        Ok(self.store.logins(caller.sub, before, limit).await?)
    }

    /// Who sent a request; none if it does not say, an error if what it says is not true.
    ///
    /// What asks the store is boxed: with it within, whoever has a token would move ten times as many bytes.
    pub async fn authenticate(&self, credentials: &Credentials) -> Result<Option<Sender>, Error> {
        match credentials {
            Credentials::None => Ok(None),
            Credentials::Bearer(token) => Ok(Some(Sender { caller: self.bearer(token).await?, grant: None })),
            Credentials::Cookie(value) => Box::pin(self.cookie(value)).await.map(Some),
        }
    }

    /// The caller's session, for something that stays open: it must end when the session does.
    pub fn standing(&self, caller: &Caller) -> Standing {
        match &caller.visitor {
            Some(visitor) => self.standing_of(visitor),
            None => self.sessions.standing(caller.session, caller.version, caller.role),
        }
    }

    async fn bearer(&self, token: &str) -> Result<Caller, Error> {
        let now = self.clock.now();
        if let Some(issuer) = self.issuers.of(token) {
            return Box::pin(self.visitor(issuer, token, now)).await;
        }
        let verified = match self.tokens.verify(token, now) {
            Err(TokenError::UnknownKey(kid)) if Box::pin(self.keys.learns_of(&kid)).await => {
                self.tokens.verify(token, now)?
            }
            verified => verified?,
        };
        let claims = &verified.claims;
        if self.sessions.is_token_revoked(claims.sid, claims.ver, claims.issued_at()) {
            return Err(Error::Refused("the session is over"));
        }
        if claims.role.is_privileged() {
            // What such a caller may do is worth a look at the records.
            let live = Box::pin(self.sessions.by_id(claims.sid, now)).await?;
            if claims.ver < live.session.tokens_from {
                return Err(Error::Refused("the account has another role now"));
            }
            return Ok(self.caller(subject_of(&live)));
        }
        let tokens = verified.session.get_or_init(|| self.session_tokens(&claims.subject()));
        Ok(caller(claims.subject(), Arc::clone(tokens)))
    }

    async fn cookie(&self, value: &str) -> Result<Sender, Error> {
        let secret = cookie_secret(value).ok_or(Error::Refused("it is not a session cookie"))?;
        let now = self.clock.now();
        let (live, successor) = self.sessions.by_secret(&secret, now).await?;
        let grant = successor.map(|secret| cookie_grant(&live.session, &secret, now));
        Ok(Sender { caller: self.caller(subject_of(&live)), grant })
    }

    fn caller(&self, subject: Subject) -> Caller {
        let tokens = self.session_tokens(&subject);
        caller(subject, tokens)
    }

    fn session_tokens(&self, subject: &Subject) -> Arc<SessionTokens> {
        let key = (subject.session, subject.auth_version, subject.role);
        self.upstream.get_with(key, || {
            let tokens = Arc::clone(&self.tokens);
            Arc::new(SessionTokens::new(tokens, self.clock.clone(), subject.clone(), self.upstream_token))
        })
    }
}

fn caller(subject: Subject, tokens: Arc<SessionTokens>) -> Caller {
    Caller {
        sub: subject.account,
        role: subject.role,
        email: subject.email,
        session: subject.session,
        version: subject.auth_version,
        kind: subject.kind,
        visitor: None,
        tokens,
    }
}

fn subject_of(live: &Live) -> Subject {
    Subject {
        account: live.account.id,
        session: live.session.id,
        kind: live.session.kind,
        auth_version: live.account.auth_version,
        role: live.role,
        email: live.account.email.clone(),
        visitor: None,
    }
}
