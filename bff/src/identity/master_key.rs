//! The key that encrypts the signing keys at rest, and from which others are derived. It lives in a file outside the
//! store, so that a copy of the store alone signs and reveals nothing.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use super::secret::Secret;
use crate::seal::SealingKey;

pub struct MasterKey(Secret);

#[derive(Debug, thiserror::Error)]
pub enum MasterKeyError {
    #[error(
        "identity.master_key_file: set it to a file with 32 random bytes in base64, \
         for example from `openssl rand -base64 32`"
    )]
    Unset,
    #[error("{setting}: cannot read {}", path.display())]
    Read { setting: &'static str, path: PathBuf, source: io::Error },
    #[error("identity.master_key_file: cannot create {}", path.display())]
    Create { path: PathBuf, source: io::Error },
    #[error("{setting}: {} must hold exactly 32 bytes in base64", path.display())]
    Malformed { setting: &'static str, path: PathBuf },
}

/// The setting that names the file.
const SETTING: &str = "identity.master_key_file";
const PREVIOUS_SETTING: &str = "identity.master_key_previous_file";

impl MasterKey {
    /// Under which the signing keys are kept.
    pub fn sealing_key(&self) -> SealingKey {
        SealingKey::new(self.0.as_bytes())
    }

    /// A key of its own for each purpose: none tells of another, or of the master.
    pub fn derive(&self, purpose: &str) -> Secret {
        self.0.derive(purpose)
    }
}

/// Reads the key; with `create`, makes a new one where there is none.
pub fn load(path: &Path, create: bool) -> Result<MasterKey, MasterKeyError> {
    match File::open(path) {
        Ok(file) => read(SETTING, path, file),
        Err(error) if error.kind() == ErrorKind::NotFound && create => {
            make(path).map_err(|source| MasterKeyError::Create { path: path.to_owned(), source })
        }
        Err(source) => Err(MasterKeyError::Read { setting: SETTING, path: path.to_owned(), source }),
    }
}

/// Reads the key that is on its way out, or in.
pub fn load_previous(path: &Path) -> Result<MasterKey, MasterKeyError> {
    let setting = PREVIOUS_SETTING;
    let file = File::open(path).map_err(|source| MasterKeyError::Read { setting, path: path.to_owned(), source })?;
    read(setting, path, file)
}

/// 32 bytes are 44 characters; anything much longer is some other file.
const MAX_FILE_BYTES: u64 = 256;

fn read(setting: &'static str, path: &Path, file: File) -> Result<MasterKey, MasterKeyError> {
    let mut text = Zeroizing::new(String::new());
    file.take(MAX_FILE_BYTES).read_to_string(&mut text).map_err(|source| MasterKeyError::Read {
        setting,
        path: path.to_owned(),
        source,
    })?;
    let bytes = STANDARD.decode(text.trim()).ok().map(Zeroizing::new);
    let key = bytes.and_then(|bytes| Secret::from_bytes(&bytes));
    key.map(MasterKey).ok_or_else(|| MasterKeyError::Malformed { setting, path: path.to_owned() })
}

fn make(path: &Path) -> io::Result<MasterKey> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let key = Secret::random();
    let text = Zeroizing::new(STANDARD.encode(key.as_bytes()));
    let mut file = options.open(path)?;
    file.write_all(text.as_bytes())?;
    file.write_all(b"\n")?;
    file.sync_all()?;
    Ok(MasterKey(key))
}
