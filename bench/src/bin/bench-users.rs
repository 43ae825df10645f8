//! Accounts for the benchmark: opens the stores of a configuration, adds what is missing of so many users, begins a session
//! of each, and writes their access tokens to a file, one a line. Nobody hashes a password: these have none.

use std::io::{self, Write};
use std::path::PathBuf;

use anyhow::{Context, bail};
use bff::app;
use bff::clock::Clock;
use bff::config;
use bff::identity::{Client, Grant, Identity, Role};
use bff::limits::Limits;
use bff::meter::Meter;
use bff::store::{Account, SessionKind, Stores};
use clap::Parser;
use uuid::Uuid;

#[derive(Parser)]
struct Arguments {
    /// The server's configuration file.
    #[arg(long, default_value = "bench/home.toml")]
    config: PathBuf,
    /// How many users.
    #[arg(long, default_value_t = 10_000)]
    count: usize,
    /// Where the tokens go.
    #[arg(long)]
    out: PathBuf,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let pairs = std::env::vars_os().filter_map(|(name, text)| name.into_string().ok().zip(text.into_string().ok()));
    let config = config::load(&[arguments.config], &pairs.collect())?;
    let clock = Clock::system();
    let stores = Stores::open(&config.store, clock.clone()).await?;
    let meter = Meter::none();
    let limits = Limits::new(stores.hot_key_value.clone(), clock.clone(), &meter);
    let identity = app::identity(&config, &stores, &limits, &clock, &meter).await?;
    let mut tokens = String::new();
    for number in 0..arguments.count {
        tokens += &token(&stores, &identity, &clock, number).await?;
        tokens.push('\n');
    }
    std::fs::write(&arguments.out, tokens).with_context(|| arguments.out.display().to_string())?;
    stores.close().await;
    writeln!(io::stdout(), "{} tokens in {}", arguments.count, arguments.out.display())?;
    Ok(())
}

async fn token(stores: &Stores, identity: &Identity, clock: &Clock, number: usize) -> anyhow::Result<String> {
    let email = format!("user-{number}@bench.test");
    let account = match stores.accounts.account_by_email(&email).await? {
        Some(account) => account,
        None => {
            let account = user(email, clock);
            stores.accounts.insert_account(&account).await?;
            account
        }
    };
    match identity.sign_in(account, SessionKind::Token, &Client::default()).await?.grant {
        Grant::Tokens { access, .. } => Ok(access),
        Grant::Cookie { .. } => bail!("asked for tokens"),
    }
}

fn user(email: String, clock: &Clock) -> Account {
    let now = clock.now();
    Account {
        id: Uuid::now_v7(),
        email: Some(email),
        email_verified_at: Some(now),
        phone: None,
        phone_verified_at: None,
        password_hash: None,
        name: "Somebody".to_owned(),
        locale: None,
        role: Role::User.to_string(),
        auth_version: 1,
        credentials_changed_at: now,
        created_at: now,
        disabled_at: None,
        deleted_at: None,
    }
}
