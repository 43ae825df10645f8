//! What the owner of an account does to it: the profile, the password, the end.

use secrecy::{ExposeSecret, SecretString};

use super::caller::Caller;
use super::error::Error;
use super::password::Unfit;
use super::session::Client;
use super::sessions::Live;
use super::sign_in::Grant;
use super::{Identity, event};
use crate::events::What;
use crate::notify::Template;
use crate::store::{Account, Keep, Proof, SessionKind, Standing, Written};

/// What of a profile shall change.
pub struct Profile {
    pub name: Option<String>,
    /// With none inside: forget it.
    pub locale: Option<Option<String>>,
}

pub struct PasswordChange {
    pub current: SecretString,
    pub new: SecretString,
}

impl Identity {
    pub async fn update_profile(&self, caller: &Caller, profile: Profile, client: &Client) -> Result<Account, Error> {
        let now = self.clock.now();
        let account = self.me(caller).await?;
        let accompanying = self.own_change(&account, "profile-changed", Vec::new(), client, now);
        let locale = profile.locale.as_ref().map(Option::as_deref);
        let changed = self.store.update_profile(account.id, profile.name.as_deref(), locale, &accompanying).await?;
        changed.ok_or(Error::Refused("the account is gone"))
    }

    /// Ends every other session. A cookie session becomes a new one, whose cookie it gives; one of tokens stays.
    pub async fn update_password(
        &self,
        caller: &Caller,
        change: PasswordChange,
        client: &Client,
    ) -> Result<Option<Grant>, Error> {
        let result = self.try_update_password(caller, change, client).await;
        event::count(&self.meter, "password-changed", &result);
        result
    }

    /// Signed out everywhere at once; the personal data goes later.
    pub async fn delete_own(&self, caller: &Caller, password: SecretString, client: &Client) -> Result<(), Error> {
        let result = self.try_delete_own(caller, password, client).await;
        event::count(&self.meter, "deleted", &result);
        result
    }

    async fn try_update_password(
        &self,
        caller: &Caller,
        change: PasswordChange,
        client: &Client,
    ) -> Result<Option<Grant>, Error> {
        let account = self.me(caller).await?;
        self.check_new_password(&change.new, &known_of(&account))?;
        let same = change.new.expose_secret() == change.current.expose_secret();
        let old = self.prove(&account, change.current, client).await?;
        if same {
            // Told to those alone who have shown that they know it.
            return Err(Error::Unfit(Unfit::Same));
        }
        let hash = self.passwords.hash(change.new).await?;
        let now = self.clock.now();
        let events = vec![What::PasswordChanged { reset: false }];
        let accompanying = self.own_change(&account, "password-changed", events, client, now);
        let successor = match caller.kind {
            SessionKind::Cookie => Some(self.sessions.prepare(&account, caller.role, SessionKind::Cookie, client, now)),
            SessionKind::Token => None,
        };
        let keep = successor.as_ref().map_or(Keep::Session(caller.session), |(session, _)| Keep::New(session));
        let proof = Proof::OldHash(old);
        let Written::Done(ended) = self.store.set_password(account.id, &hash, proof, keep, now, &accompanying).await?
        else {
            // The password, or the account, changed while this was under way.
            return Err(Error::Contended);
        };
        self.sessions.ended(&ended, now).await;
        self.tell(&account, Template::PasswordChanged).await;
        let Some((session, secret)) = successor else { return Ok(None) };
        let live = Live { session, account: account.clone(), role: caller.role };
        Ok(Some(self.granted(live, secret, now)?.grant))
    }

    async fn try_delete_own(&self, caller: &Caller, password: SecretString, client: &Client) -> Result<(), Error> {
        let account = self.me(caller).await?;
        self.prove(&account, password, client).await?;
        let now = self.clock.now();
        let accompanying = self.own_change(&account, "deleted", vec![What::Deleted], client, now);
        self.change_standing(&account, Standing::Deleted, now, accompanying).await?;
        self.tell(&account, Template::AccountDeleted).await;
        Ok(())
    }

    /// The hash that the password fits.
    async fn prove<'a>(&self, account: &'a Account, password: SecretString, client: &Client) -> Result<&'a str, Error> {
        match (self.check_password(account, password, client).await, account.password_hash.as_deref()) {
            (Ok(()), Some(hash)) => Ok(hash),
            (Ok(()) | Err(Error::WrongCredentials), _) => Err(Error::WrongPassword),
            (Err(error), _) => Err(error),
        }
    }
}

/// What others know of somebody.
fn known_of(account: &Account) -> Vec<&str> {
    [Some(account.name.as_str()), account.email.as_deref(), account.phone.as_deref()].into_iter().flatten().collect()
}
