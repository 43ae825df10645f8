//! Signing up: an account for whoever holds an address or a number, which a code has shown.

use secrecy::{ExposeSecret, SecretString};
use time::OffsetDateTime;
use uuid::Uuid;

use super::account::Identifier;
use super::code::Purpose;
use super::codes::{Ask, Asked, Given};
use super::error::Error;
use super::role::Role;
use super::session::Client;
use super::sessions::Live;
use super::sign_in::SignedIn;
use super::{Asker, Identity, event};
use crate::events::What;
use crate::notify::Reach;
use crate::store::{self, Account, SessionKind, Written};

pub struct Registration {
    pub proof: CodeProof,
    pub password: SecretString,
    pub name: String,
    pub locale: Option<String>,
    pub session: SessionKind,
    pub client: Client,
}

/// What shows that somebody reads what is sent to an identifier. No `Debug`: the code is a secret.
pub struct CodeProof {
    pub identifier: Identifier,
    pub challenge: String,
    pub code: SecretString,
    pub asker: Asker,
}

impl Identity {
    /// Sends a code, if there is a reason to; answers the same in any case, and before anybody has looked.
    pub async fn ask_for_code(&self, ask: Ask) -> Result<Asked, Error> {
        let result = match self.reaches(&ask.identifier) {
            Ok(()) => self.codes.ask(ask, self.clock.now()).await,
            Err(unreachable) => Err(unreachable),
        };
        event::count(&self.meter, "code-asked", &result);
        result
    }

    /// Says nothing about anybody: only over what this installation sends.
    fn reaches(&self, identifier: &Identifier) -> Result<(), Error> {
        let Reach { email, sms } = self.notify.reach();
        match identifier {
            Identifier::Email(_) if email => Ok(()),
            Identifier::Phone(_) if sms => Ok(()),
            _ if email => Err(Error::NoChannel("accounts here are reached by e-mail only")),
            _ if sms => Err(Error::NoChannel("accounts here are reached by SMS only")),
            _ => Err(Error::NoChannel("no codes are sent here")),
        }
    }

    /// Makes an account with the role of a user and begins its first session.
    pub async fn register(&self, registration: Registration) -> Result<SignedIn, Error> {
        let result = self.try_register(registration).await;
        event::count(&self.meter, "registered", &result);
        result
    }

    async fn try_register(&self, registration: Registration) -> Result<SignedIn, Error> {
        let Registration { proof, password, name, locale, session, client } = registration;
        self.check_new_password(&password, &[proof.identifier.as_str(), &name])?;
        let now = self.clock.now();
        let write = |challenge: store::Challenge| {
            let (name, client, identifier) = (name, &client, &proof.identifier);
            async move {
                let hash = self.passwords.hash(password).await?;
                let account = new_account(identifier, hash, name, locale, now);
                let (begun, secret) = self.sessions.prepare(&account, Role::User, session, client, now);
                let events = vec![What::Registered, What::LoggedIn { session: begun.id, kind: session }];
                let accompanying = self.own_change(&account, "registered", events, client, now);
                let written = self.store.register(&account, &begun, &challenge, &accompanying).await?;
                Ok(written.map(|()| (Live { session: begun, account, role: Role::User }, secret)))
            }
        };
        let (live, secret) = self.with_code(Purpose::Register, &proof, None, now, write).await?;
        let device = self.attempts.devices.issue(client.device.as_deref(), &live.account, now);
        Ok(SignedIn { device: Some(device), ..self.granted(live, secret, now)? })
    }

    /// Does what a code is good for, once. Whatever stands in its way but an outage is told as a wrong code.
    pub(super) async fn with_code<T, F>(
        &self,
        purpose: Purpose,
        proof: &CodeProof,
        account: Option<Uuid>,
        now: OffsetDateTime,
        change: impl FnOnce(store::Challenge) -> F,
    ) -> Result<T, Error>
    where
        F: Future<Output = Result<Written<T>, Error>>,
    {
        let given = Given {
            purpose,
            identifier: &proof.identifier,
            challenge: &proof.challenge,
            code: proof.code.expose_secret(),
            account,
            asker: proof.asker,
        };
        let claim = self.codes.claim(&given, now).await;
        event::count(&self.meter, "code", &claim);
        let claim = claim?;
        let written = change(claim.payment()).await;
        self.codes.settle(claim, written.is_ok()).await;
        match written? {
            Written::Done(done) => Ok(done),
            Written::Spent | Written::Taken | Written::Outdated | Written::Needed => Err(Error::CodeOver),
        }
    }
}

fn new_account(
    identifier: &Identifier,
    password_hash: String,
    name: String,
    locale: Option<String>,
    now: OffsetDateTime,
) -> Account {
    let (email, phone) = match identifier {
        Identifier::Email(email) => (Some(email.clone()), None),
        Identifier::Phone(phone) => (None, Some(phone.clone())),
    };
    Account {
        id: Uuid::now_v7(),
        email_verified_at: email.as_ref().map(|_| now),
        email,
        phone_verified_at: phone.as_ref().map(|_| now),
        phone,
        password_hash: Some(password_hash),
        name,
        locale,
        role: Role::User.to_string(),
        auth_version: 1,
        credentials_changed_at: now,
        created_at: now,
        disabled_at: None,
        deleted_at: None,
    }
}
