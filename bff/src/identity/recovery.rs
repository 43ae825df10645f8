//! A new password for whoever has forgotten the old one, and another address for whoever has moved: both by code.

use secrecy::SecretString;

use super::account::Identifier;
use super::caller::Caller;
use super::code::Purpose;
use super::error::Error;
use super::register::CodeProof;
use super::session::Client;
use super::{Identity, event};
use crate::events::What;
use crate::notify::Template;
use crate::store::{self, Contact, Keep, Proof, Written};

pub struct PasswordReset {
    pub proof: CodeProof,
    pub new_password: SecretString,
    pub client: Client,
}

impl Identity {
    /// Replaces the password and ends every session; signs nobody in.
    pub async fn reset_password(&self, reset: PasswordReset) -> Result<(), Error> {
        let result = self.try_reset_password(reset).await;
        event::count(&self.meter, "password-reset", &result);
        result
    }

    async fn try_reset_password(&self, reset: PasswordReset) -> Result<(), Error> {
        let PasswordReset { proof, new_password, client } = reset;
        self.check_new_password(&new_password, &[proof.identifier.as_str()])?;
        let now = self.clock.now();
        let write = |challenge: store::Challenge| {
            let (client, identifier) = (&client, &proof.identifier);
            async move {
                let Some(account) = self.account_of(identifier).await? else { return Ok(Written::Outdated) };
                self.check_new_password(&new_password, &[&account.name])?;
                let hash = self.passwords.hash(new_password).await?;
                let events = vec![What::PasswordChanged { reset: true }];
                let accompanying = self.own_change(&account, "password-reset", events, client, now);
                let proof = Proof::Challenge(&challenge);
                let written = self.store.set_password(account.id, &hash, proof, Keep::None, now, &accompanying).await?;
                Ok(written.map(|ended| (account, ended)))
            }
        };
        let (account, ended) = self.with_code(Purpose::ResetPassword, &proof, None, now, write).await?;
        self.sessions.ended(&ended, now).await;
        self.tell(&account, Template::PasswordChanged).await;
        Ok(())
    }

    /// Makes an address or a number the caller's own.
    pub async fn confirm_identifier(&self, caller: &Caller, proof: CodeProof, client: &Client) -> Result<(), Error> {
        let result = self.try_confirm_identifier(caller, proof, client).await;
        event::count(&self.meter, "identifier-confirmed", &result);
        result
    }

    async fn try_confirm_identifier(&self, caller: &Caller, proof: CodeProof, client: &Client) -> Result<(), Error> {
        let now = self.clock.now();
        let before = self.me(caller).await?;
        let (purpose, contact, old) = match &proof.identifier {
            Identifier::Email(email) => (Purpose::VerifyEmail, Contact::Email(email.clone()), &before.email),
            Identifier::Phone(phone) => (Purpose::VerifyPhone, Contact::Phone(phone.clone()), &before.phone),
        };
        let changed = old.as_deref() != Some(proof.identifier.as_str());
        let events = if changed { vec![What::IdentifierChanged] } else { Vec::new() };
        let accompanying = self.own_change(&before, "identifier-confirmed", events, client, now);
        let (accompanying, contact) = (&accompanying, &contact);
        let write = |challenge: store::Challenge| async move {
            Ok(self.store.confirm_contact(caller.sub, contact, &challenge, now, accompanying).await?)
        };
        self.with_code(purpose, &proof, Some(caller.sub), now, write).await?;
        if changed {
            self.tell(&before, Template::IdentifierChanged).await;
        }
        Ok(())
    }
}
