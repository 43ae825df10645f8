//! What must be there before identity opens: settings that can work, and secrets outside the store.

use std::path::{Path, PathBuf};

use time::OffsetDateTime;

use super::config::{Config, Deployment};
use super::keys::{self, KeyRing, Seals};
use super::master_key::{self, MasterKey, MasterKeyError};
use super::password::{PepperError, Peppers};
use super::{OpenError, issuer};
use crate::store::{Accounts, Stores};

/// An upstream's token is replaced a minute before its end, so it must live clearly longer.
const MIN_UPSTREAM_TOKEN_S: u32 = 120;
const MIN_ACCESS_TOKEN_S: u32 = 60;
/// A key is published for an hour before it signs.
const MIN_KEY_ROTATION_S: u32 = 7_200;

/// Everything that cannot work, as far as it shows without the database; makes nothing.
pub fn problems(config: &Config, development: bool) -> Vec<OpenError> {
    let too_short = |is: u32, least: u32, option| (is < least).then_some(OpenError::TooShort(option, least));
    let key = match &config.master_key_file {
        None if development => None,
        None => Some(MasterKeyError::Unset),
        // Development makes what is missing.
        Some(path) if development && !path.exists() => None,
        Some(path) => master_key::load(path, false).err(),
    };
    let previous = config.master_key_previous_file.as_ref();
    let previous = previous.and_then(|path| master_key::load_previous(path).err());
    let pepper = match &config.pepper_file {
        None if development => None,
        None => Some(PepperError::Unset),
        Some(path) if development && !path.exists() => None,
        Some(path) => Peppers::load(path, false).err(),
    };
    let no_key_for =
        (!config.key_algorithms.contains(&config.algorithm)).then_some(OpenError::NoKeyFor(config.algorithm));
    [
        key.map(OpenError::from),
        previous.map(OpenError::from),
        pepper.map(OpenError::from),
        too_short(config.access_token_s, MIN_ACCESS_TOKEN_S, "access_token_s"),
        too_short(config.upstream_token_s, MIN_UPSTREAM_TOKEN_S, "upstream_token_s"),
        too_short(config.key_rotation_s, MIN_KEY_ROTATION_S, "key_rotation_s"),
        no_key_for,
    ]
    .into_iter()
    .flatten()
    .chain(issuer::problems(config, development).into_iter().map(OpenError::Issuer))
    .collect()
}

/// The keys alone, for commands about them: they are read, and made where some are missing.
pub async fn open_keys(
    config: &Config,
    master: &MasterKey,
    stores: &Stores,
    now: OffsetDateTime,
) -> Result<KeyRing, OpenError> {
    keys::install_provider();
    let previous = config.master_key_previous_file.as_ref();
    let previous = previous.map(|path| master_key::load_previous(path)).transpose()?;
    let seals = Seals::new(master.sealing_key(), previous.map(|key| key.sealing_key()));
    Ok(KeyRing::open(stores.accounts.clone(), stores.bus.clone(), seals, config.keys(), now).await?)
}

/// The key outside the store; development makes one where there is none.
pub fn master_key(config: &Config, deployment: &Deployment, store: &Accounts) -> Result<MasterKey, MasterKeyError> {
    let beside_the_database = || store.folder().map(|folder| folder.join("master.key"));
    let path: Option<PathBuf> = match &config.master_key_file {
        Some(path) => Some(path.clone()),
        None if deployment.development => beside_the_database(),
        None => None,
    };
    master_key::load(&path.ok_or(MasterKeyError::Unset)?, deployment.development)
}

/// Development keeps it beside the master key, or the database.
pub fn pepper_file(config: &Config, deployment: &Deployment, store: &Accounts) -> Result<PathBuf, PepperError> {
    let folder = || config.master_key_file.as_deref().and_then(Path::parent).or_else(|| store.folder());
    match &config.pepper_file {
        Some(path) => Some(path.clone()),
        None if deployment.development => folder().map(|folder| folder.join("pepper")),
        None => None,
    }
    .ok_or(PepperError::Unset)
}
