//! The accounts a new installation starts with: the demo's in development, the first admin anywhere.
//!
//! Whatever is there already stays as it is, so that seeding again changes nothing.

use std::fmt;

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use uuid::Uuid;

use super::account::Identifier;
use super::error::Error;
use super::password::{self, Unfit};
use super::role::Role;
use super::{DEMO_PASSWORD, Identity};
use crate::store::Account;

/// `[seed]`
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SeedConfig {
    /// The e-mail address of the first admin.
    pub admin_email: Option<String>,
    pub admin_password: Option<SecretString>,
}

/// What an installation starts with now.
#[derive(Debug)]
pub struct Seeded {
    admin: Option<(String, Addition)>,
    demo: bool,
}

#[derive(Debug)]
enum Addition {
    Added,
    Present,
}

#[derive(Debug, thiserror::Error)]
pub enum SeedError {
    #[error(
        "seed.admin_email: production starts with a first admin; set BFF__SEED__ADMIN_EMAIL to the address, and \
         BFF__SEED__ADMIN_PASSWORD_FILE to a file with the password"
    )]
    NoAdmin,
    #[error("seed.admin_email: `{0}` is not an e-mail address")]
    Email(String),
    #[error("seed.admin_password: set BFF__SEED__ADMIN_PASSWORD_FILE to a file with the first admin's password")]
    NoPassword,
    #[error("seed.admin_password: {0}")]
    Password(Unfit),
    #[error(
        "seed.admin_email: {email} is an account with the role {role}, which is left as it is; name another address"
    )]
    OtherRole { email: String, role: String },
    #[error(transparent)]
    Identity(#[from] Error),
}

impl Identity {
    /// Adds what is missing of the accounts to start with.
    pub async fn seed(&self, config: &SeedConfig) -> Result<Seeded, SeedError> {
        let demo = self.deployment.development;
        let admin = match &config.admin_email {
            Some(email) => Some(self.ensure_admin(email, config.admin_password.as_ref()).await?),
            None if demo => None,
            None => return Err(SeedError::NoAdmin),
        };
        self.ensure_demo_accounts().await?;
        Ok(Seeded { admin, demo })
    }

    async fn ensure_admin(
        &self,
        email: &str,
        password: Option<&SecretString>,
    ) -> Result<(String, Addition), SeedError> {
        let Ok(Identifier::Email(email)) = Identifier::parse(email) else {
            return Err(SeedError::Email(email.to_owned()));
        };
        if let Some(account) = self.account_at(&email).await? {
            return present(account, email);
        }
        let password = password.ok_or(SeedError::NoPassword)?;
        password::check(password.expose_secret(), &[&email]).map_err(SeedError::Password)?;
        let admin = self.first_admin(&email, password.clone()).await?;
        if self.store.insert_account(&admin).await.map_err(Error::from)? {
            return Ok((email, Addition::Added));
        }
        // Another seeder came first.
        match self.account_at(&email).await? {
            Some(account) => present(account, email),
            None => Err(SeedError::Identity(Error::Contended)),
        }
    }

    async fn account_at(&self, email: &str) -> Result<Option<Account>, Error> {
        Ok(self.store.account_by_email(email).await?)
    }

    async fn first_admin(&self, email: &str, password: SecretString) -> Result<Account, Error> {
        let now = self.clock.now();
        Ok(Account {
            id: Uuid::now_v7(),
            email: Some(email.to_owned()),
            // Whoever configures the server vouches for the address.
            email_verified_at: Some(now),
            phone: None,
            phone_verified_at: None,
            password_hash: Some(self.passwords.hash(password).await?),
            name: "Admin".to_owned(),
            locale: None,
            role: Role::Admin.to_string(),
            auth_version: 1,
            credentials_changed_at: now,
            created_at: now,
            disabled_at: None,
            deleted_at: None,
        })
    }
}

/// An account at the admin's address is only right if it is the admin's.
fn present(account: Account, email: String) -> Result<(String, Addition), SeedError> {
    if account.role == Role::Admin.as_str() {
        Ok((email, Addition::Present))
    } else {
        Err(SeedError::OtherRole { email, role: account.role })
    }
}

impl fmt::Display for Seeded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.admin {
            Some((email, Addition::Added)) => writeln!(f, "added the first admin, {email}")?,
            Some((email, Addition::Present)) => writeln!(f, "the first admin, {email}, is there already")?,
            None => {}
        }
        if self.demo {
            writeln!(f, "the demo accounts are there: user@shop.test and others, password {DEMO_PASSWORD}")?;
        }
        Ok(())
    }
}
