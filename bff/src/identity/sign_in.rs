//! Signing in, staying signed in, signing out.

use secrecy::SecretString;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use super::account::Identifier;
use super::attempts::Attempt;
use super::caller::Credentials;
use super::code::Asker;
use super::demo::is_demo;
use super::error::Error;
use super::password::{Lane, Verdict};
use super::secret::Secret;
use super::session::{Client, RefreshToken};
use super::sessions::{Ended, Live};
use super::{Identity, event, subject_of};
use crate::events::{Event, LoginRefusal, What};
use crate::store::{Account, Session, SessionKind};

pub struct Login {
    pub identifier: Identifier,
    pub password: SecretString,
    pub session: SessionKind,
    pub client: Client,
}

/// A successful login or refresh.
pub struct SignedIn {
    pub account: Account,
    pub grant: Grant,
    /// After a login or a registration: by what this client is known from now on.
    pub device: Option<String>,
}

/// What the client presents from now on.
pub enum Grant {
    Cookie { value: String, max_age: Duration },
    Tokens { access: String, refresh: String, expires_in: Duration },
}

impl Identity {
    /// Begins a session. An unknown account takes the same path, and as long, as a wrong password.
    pub async fn login(&self, login: Login) -> Result<SignedIn, Error> {
        // Boxed, so that whoever signs in does not carry the stores' futures in its own.
        let result = Box::pin(self.try_login(login)).await;
        event::count(&self.meter, "login", &result);
        result
    }

    async fn try_login(&self, login: Login) -> Result<SignedIn, Error> {
        let Login { identifier, password, session, client } = login;
        let now = self.clock.now();
        let attempt = self.attempts.begin(&identifier, &client, now).await?;
        let account = match self.account_of(&identifier).await {
            Ok(account) => account,
            Err(error) => {
                self.attempts.void(attempt).await;
                return Err(error);
            }
        };
        let compared = self.compare(attempt, Lane::Login, account.as_ref(), password).await;
        let owner = account.as_ref().map(|account| account.id);
        if matches!(compared, Err(Error::WrongCredentials)) {
            self.record_refusal(owner, LoginRefusal::InvalidCredentials, session, &client);
        }
        let renewed = compared?;
        let account = account.ok_or(Error::WrongCredentials)?;
        if let (Some(old), Some(new)) = (&account.password_hash, renewed) {
            self.store.rehash_password(account.id, old, &new).await?;
        }
        let device = self.attempts.devices.issue(client.device.as_deref(), &account, now);
        let signed_in = self.sign_in(account, session, &client).await;
        if matches!(signed_in, Err(Error::Disabled)) {
            self.record_refusal(owner, LoginRefusal::Disabled, session, &client);
        }
        Ok(SignedIn { device: Some(device), ..signed_in? })
    }

    /// Whether somebody who is signed in gave the account's password: it counts as a login does.
    pub(super) async fn check_password(
        &self,
        account: &Account,
        password: SecretString,
        client: &Client,
    ) -> Result<(), Error> {
        let email = account.email.clone().map(Identifier::Email);
        let identifier = email.or_else(|| account.phone.clone().map(Identifier::Phone));
        let identifier = identifier.ok_or(Error::WrongCredentials)?;
        let attempt = self.attempts.begin(&identifier, client, self.clock.now()).await?;
        self.compare(attempt, Lane::Other, Some(account), password).await.map(drop)
    }

    /// Whether this client is one that the owner of what it names was signed in on before.
    pub fn asker(&self, identifier: &Identifier, client: &Client) -> Asker {
        let token = client.device.as_deref();
        let known = token.and_then(|token| self.attempts.devices.known(token, identifier, self.clock.now()));
        if known.is_some() { Asker::KnownDevice } else { Asker::Stranger }
    }

    /// Settles the attempt by what comparing shows: a hash with today's parameters, where the stored one is older.
    async fn compare(
        &self,
        attempt: Attempt,
        lane: Lane,
        account: Option<&Account>,
        password: SecretString,
    ) -> Result<Option<String>, Error> {
        let stored = account.and_then(|account| account.password_hash.as_deref());
        match self.passwords.verify(lane, password, stored).await {
            Ok(Verdict::Match { renewed }) => {
                self.attempts.right(attempt).await;
                Ok(renewed)
            }
            Ok(Verdict::Mismatch) => Err(Error::WrongCredentials),
            Err(error) => {
                self.attempts.void(attempt).await;
                Err(error.into())
            }
        }
    }

    fn record_refusal(&self, account: Option<Uuid>, reason: LoginRefusal, kind: SessionKind, client: &Client) {
        let what = What::LoginFailed { reason, kind };
        self.events.record(&Event { account, actor: None, at: self.clock.now(), origin: client.origin(), what });
    }

    /// Whoever is called that, now.
    pub(super) async fn account_of(&self, identifier: &Identifier) -> Result<Option<Account>, Error> {
        Ok(match identifier {
            Identifier::Email(email) => self.store.account_by_email(email).await?,
            Identifier::Phone(phone) => self.store.account_by_phone(phone).await?,
        })
    }

    /// Begins a session of an account that has proved itself, by its password or whatever the caller takes for proof.
    pub async fn sign_in(&self, account: Account, kind: SessionKind, client: &Client) -> Result<SignedIn, Error> {
        if !self.deployment.development && is_demo(account.id) {
            tracing::warn!("a demo account, left from development, was refused");
            return Err(Error::WrongCredentials);
        }
        if account.disabled_at.is_some() {
            return Err(Error::Disabled);
        }
        let role = account.role.parse()?;
        let now = self.clock.now();
        let (session, secret) = self.sessions.begin(&account, role, kind, client, now).await?;
        self.granted(Live { session, account, role }, secret, now)
    }

    /// What a client gets for a session that has just begun.
    pub(super) fn granted(&self, live: Live, secret: Secret, now: OffsetDateTime) -> Result<SignedIn, Error> {
        match live.session.kind {
            SessionKind::Cookie => {
                let grant = cookie_grant(&live.session, &secret, now);
                Ok(SignedIn { account: live.account, grant, device: None })
            }
            SessionKind::Token => {
                let refresh = RefreshToken { session: live.session.id, generation: live.session.generation, secret };
                self.token_grant(live, &refresh, now)
            }
        }
    }

    /// Trades a refresh token for the next one and a new access token.
    pub async fn refresh(&self, token: &str, client: &Client) -> Result<SignedIn, Error> {
        let result = self.try_refresh(token, client).await;
        event::count(&self.meter, "refresh", &result);
        result
    }

    async fn try_refresh(&self, token: &str, client: &Client) -> Result<SignedIn, Error> {
        let token = RefreshToken::parse(token).ok_or(Error::Refused("it is not a refresh token"))?;
        let now = self.clock.now();
        let (live, next) = self.sessions.refresh(&token, client, now).await?;
        self.token_grant(live, &next, now)
    }

    /// Ends the session of these credentials, which may have expired; without any there is nothing to do.
    pub async fn logout(&self, credentials: &Credentials) -> Result<Ended, Error> {
        let result = self.try_logout(credentials).await;
        event::count(&self.meter, "logout", &result);
        result
    }

    async fn try_logout(&self, credentials: &Credentials) -> Result<Ended, Error> {
        let now = self.clock.now();
        match credentials {
            Credentials::None => Ok(Ended::Done),
            Credentials::Bearer(token) => self.sessions.revoke(self.tokens.read(token)?.1.sid, now).await,
            Credentials::Cookie(value) => match cookie_secret(value) {
                Some(secret) => self.sessions.revoke_secret(&secret, now).await,
                None => Ok(Ended::Done),
            },
        }
    }

    fn token_grant(&self, live: Live, refresh: &RefreshToken, now: OffsetDateTime) -> Result<SignedIn, Error> {
        let lifetime = self.access_token.min(live.session.absolute_expires_at - now);
        let access = self.tokens.mint(&subject_of(&live), lifetime, now)?;
        let grant = Grant::Tokens { access, refresh: refresh.encode(), expires_in: lifetime };
        Ok(SignedIn { account: live.account, grant, device: None })
    }
}

/// The secret of a session cookie's value.
pub fn cookie_secret(value: &str) -> Option<Secret> {
    Secret::decode(value.strip_prefix(COOKIE_PREFIX)?)
}

const COOKIE_PREFIX: &str = "st1.";

pub fn cookie_grant(session: &Session, secret: &Secret, now: OffsetDateTime) -> Grant {
    let value = format!("{COOKIE_PREFIX}{}", secret.encode());
    Grant::Cookie { value, max_age: session.absolute_expires_at - now }
}
