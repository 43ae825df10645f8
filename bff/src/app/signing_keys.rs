//! What operators do with the signing keys, beside the servers that use them.

use super::{StartError, master_key};
use crate::clock::Clock;
use crate::config::Config;
use crate::identity::{self, KeyRing, Listing, SigningAlgorithm, Turned};
use crate::store::Stores;

/// The signing keys as they are.
pub async fn list_keys(config: &Config, clock: Clock) -> Result<Listing, StartError> {
    let stores = Stores::open(&config.store, clock).await?;
    let keys = stores.accounts.signing_keys().await?;
    stores.close().await;
    Ok(Listing { keys, rules: config.identity.keys().rules })
}

/// Turns signing keys ahead of time, all of them or those of one algorithm; every server follows within seconds.
pub async fn rotate_keys(
    config: &Config,
    clock: Clock,
    algorithm: Option<SigningAlgorithm>,
) -> Result<Vec<Turned>, StartError> {
    let stores = Stores::open(&config.store, clock.clone()).await?;
    let keys = open(config, &stores, &clock).await?;
    let turned = keys.rotate(algorithm, clock.now()).await?;
    stores.close().await;
    Ok(turned)
}

/// Makes a signing key, and every token that it signed, worthless.
pub async fn revoke_key(config: &Config, clock: Clock, kid: &str) -> Result<Turned, StartError> {
    let stores = Stores::open(&config.store, clock.clone()).await?;
    let keys = open(config, &stores, &clock).await?;
    let turned = keys.revoke(kid, clock.now()).await?;
    stores.close().await;
    Ok(turned)
}

async fn open(config: &Config, stores: &Stores, clock: &Clock) -> Result<KeyRing, StartError> {
    let master = master_key(config, stores)?;
    Ok(identity::open_keys(&config.identity, &master, stores, clock.now()).await?)
}
