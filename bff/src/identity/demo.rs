//! The accounts that let a newcomer try everything at once; for development only.

use secrecy::SecretString;
use uuid::Uuid;

use super::Identity;
use super::error::Error;
use super::role::Role;
use crate::store::Account;

pub const DEMO_PASSWORD: &str = "correct-horse-battery";

struct Demo {
    id: Uuid,
    email: &'static str,
    phone: Option<&'static str>,
    name: &'static str,
    role: Role,
}

const DEMO_ACCOUNTS: [Demo; 4] = [
    Demo {
        id: demo_id(1),
        email: "user@shop.test",
        phone: Some("+15550100001"),
        name: "Ada Lovelace",
        role: Role::User,
    },
    Demo { id: demo_id(2), email: "operator@shop.test", phone: None, name: "Grace Hopper", role: Role::Operator },
    Demo { id: demo_id(3), email: "auditor@shop.test", phone: None, name: "Luca Pacioli", role: Role::Auditor },
    Demo { id: demo_id(4), email: "admin@shop.test", phone: None, name: "Margaret Hamilton", role: Role::Admin },
];

/// 01890000-0000-7000-8000-000000000001 and on: the example services know their data by these.
const fn demo_id(number: u128) -> Uuid {
    Uuid::from_u128(0x0189_0000_0000_7000_8000_0000_0000_0000 | number)
}

/// Whether this is one of the accounts whose password everybody knows.
pub fn is_demo(account: Uuid) -> bool {
    DEMO_ACCOUNTS.iter().any(|demo| demo.id == account)
}

impl Identity {
    /// Adds the demo accounts that are missing; changes none, and does nothing in production.
    pub async fn ensure_demo_accounts(&self) -> Result<(), Error> {
        if !self.deployment.development {
            return Ok(());
        }
        // One after the other: together they would wait for each other's hashing, and be told that it is busy.
        for demo in &DEMO_ACCOUNTS {
            self.ensure(demo).await?;
        }
        Ok(())
    }

    async fn ensure(&self, demo: &Demo) -> Result<(), Error> {
        if self.store.account(demo.id).await?.is_some() {
            return Ok(());
        }
        let now = self.clock.now();
        let account = Account {
            id: demo.id,
            email: Some(demo.email.to_owned()),
            email_verified_at: Some(now),
            phone: demo.phone.map(str::to_owned),
            phone_verified_at: demo.phone.map(|_| now),
            password_hash: Some(self.passwords.hash(SecretString::from(DEMO_PASSWORD)).await?),
            name: demo.name.to_owned(),
            locale: Some("en".to_owned()),
            role: demo.role.to_string(),
            auth_version: 1,
            credentials_changed_at: now,
            created_at: now,
            disabled_at: None,
            deleted_at: None,
        };
        self.store.insert_account(&account).await?;
        Ok(())
    }
}
