//! Peppers: secrets that go into every password hash and lie outside the store, so that a copy of the store alone is
//! nothing to guess from. A hash names its pepper, so that another can take its place.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use crate::identity::secret::{Secret, sha256};

/// The first one is for new hashes. No `Debug`: these are secrets.
pub struct Peppers(Vec<Pepper>);

struct Pepper {
    id: Id,
    key: hmac::Key,
}

/// Tells peppers apart and says nothing about them.
pub type Id = [u8; 4];

#[derive(Debug, thiserror::Error)]
pub enum PepperError {
    #[error(
        "identity.pepper_file: set it to a file with 32 random bytes in base64, \
         for example from `openssl rand -base64 32`"
    )]
    Unset,
    #[error("identity.pepper_file: cannot read {}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("identity.pepper_file: cannot create {}", path.display())]
    Create { path: PathBuf, source: io::Error },
    #[error(
        "identity.pepper_file: {} must hold 1 to {MAX_PEPPERS} lines, each of exactly 32 bytes in base64",
        path.display()
    )]
    Malformed { path: PathBuf },
}

const MAX_PEPPERS: usize = 8;
const MAX_FILE_BYTES: u64 = 1024;

impl Peppers {
    /// Reads them; with `create`, makes one where there is no file.
    pub fn load(path: &Path, create: bool) -> Result<Self, PepperError> {
        match File::open(path) {
            Err(error) if error.kind() == ErrorKind::NotFound && create => {
                make(path).map_err(|source| PepperError::Create { path: path.to_owned(), source })?;
            }
            Err(source) => return Err(PepperError::Read { path: path.to_owned(), source }),
            Ok(_) => {}
        }
        let mut text = Zeroizing::new(String::new());
        let read = File::open(path).and_then(|file| file.take(MAX_FILE_BYTES).read_to_string(&mut text));
        read.map_err(|source| PepperError::Read { path: path.to_owned(), source })?;
        Self::parse(&text).ok_or_else(|| PepperError::Malformed { path: path.to_owned() })
    }

    fn parse(text: &str) -> Option<Self> {
        let secret = |line: &str| Secret::from_bytes(&Zeroizing::new(STANDARD.decode(line.trim()).ok()?));
        let peppers: Vec<Pepper> =
            text.trim().lines().map(|line| secret(line).map(|secret| Pepper::new(&secret))).collect::<Option<_>>()?;
        (1..=MAX_PEPPERS).contains(&peppers.len()).then_some(Self(peppers))
    }

    /// Of the pepper for new hashes.
    pub fn current(&self) -> Id {
        self.0[0].id
    }

    /// What is hashed in place of the password; none if there is no such pepper.
    pub fn apply(&self, id: &[u8], password: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let pepper = self.0.iter().find(|pepper| pepper.id == id)?;
        Some(Zeroizing::new(hmac::sign(&pepper.key, password).as_ref().to_vec()))
    }

    #[cfg(test)]
    pub fn of(bytes: &[u8]) -> Self {
        Self(bytes.iter().map(|byte| Pepper::new(&Secret::from_bytes(&[*byte; 32]).unwrap())).collect())
    }
}

impl Pepper {
    fn new(secret: &Secret) -> Self {
        let named = [b"bff pepper".as_slice(), secret.as_bytes()].concat();
        let [a, b, c, d, ..] = sha256(&Zeroizing::new(named));
        Self { id: [a, b, c, d], key: hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()) }
    }
}

/// Under its name at once as a whole: another process may make one at the same moment, and reads the first one's then.
fn make(path: &Path) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let draft = path.with_extension(uuid::Uuid::new_v4().to_string());
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let text = Zeroizing::new(format!("{}\n", STANDARD.encode(Secret::random().as_bytes())));
    let mut file = options.open(&draft)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    let linked = std::fs::hard_link(&draft, path);
    std::fs::remove_file(&draft)?;
    match linked {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_made_once_and_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/pepper");
        assert!(matches!(Peppers::load(&path, false), Err(PepperError::Read { .. })));
        let first = Peppers::load(&path, true).unwrap().current();
        assert_eq!(Peppers::load(&path, true).unwrap().current(), first);
        assert_eq!(std::fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "no draft stays");
    }

    #[test]
    fn the_first_line_is_for_new_hashes_and_the_others_are_still_known() {
        let line = |byte: u8| STANDARD.encode([byte; 32]);
        let peppers = Peppers::parse(&format!("{}\n{}\n", line(2), line(1))).unwrap();
        assert_eq!(peppers.current(), Peppers::of(&[2]).current());
        let old = Peppers::of(&[1]);
        assert_eq!(peppers.apply(&old.current(), b"x"), old.apply(&old.current(), b"x"));
        assert_eq!(peppers.apply(b"none", b"x"), None);
        for text in ["", "\n", "c2hvcnQ=", &format!("{}\n\n{}", line(1), line(2)), &format!("{}\n", line(1)).repeat(9)]
        {
            assert!(Peppers::parse(text).is_none(), "{text:?}");
        }
    }
}
