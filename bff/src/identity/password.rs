//! Password hashes: argon2id, off the async threads, and never more at once than there are cores.
//!
//! A hash takes 30 ms and 19 MiB, so a flood of logins must neither starve other requests nor pile
//! up: it waits at most half a second in a bounded queue and is then told to come back. The memory
//! is used again and again, because an allocator keeps what each of many threads gave back.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use argon2::password_hash::phc::{Output, ParamsString, PasswordHash, Salt};
use argon2::{Algorithm, Argon2, Block, Params, Version};
use aws_lc_rs::rand;
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::meter::{Gauge, Raised};

/// The pool of hashing threads.
pub struct Passwords {
    permits: Arc<Semaphore>,
    /// Who hashes or waits to; beyond it nobody would be served in time anyway.
    places: Arc<Semaphore>,
    queue: Gauge,
    /// Stands in for the hash of an account that has none, so that both take equally long.
    dummy: Arc<str>,
    /// The memory of hashes that are not running now: never more than there are permits.
    spare: Arc<Mutex<Vec<Memory>>>,
}

/// What argon2 fills; its content means nothing between two hashes.
type Memory = Vec<Block>;

/// What comparing a password with a stored hash shows.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    Match {
        /// A hash with today's parameters, if the stored one has older ones.
        renewed: Option<String>,
    },
    Mismatch,
}

#[derive(Debug, thiserror::Error)]
pub enum PasswordError {
    #[error("too many passwords are being checked")]
    Busy,
    #[error("the password hasher failed: {0}")]
    Hasher(#[from] argon2::password_hash::Error),
    #[error("the password hasher stopped")]
    Stopped,
}

/// A longer password is no password of ours, and is refused before it costs anything.
pub const MAX_PASSWORD_BYTES: usize = 512;

impl Passwords {
    /// `queue` shows how many wait for a core.
    pub fn new(cores: usize, queue: Gauge) -> Result<Self, PasswordError> {
        let mut memory = Memory::new();
        let nobodys = hash(&"the password of no account".into(), &mut memory)?;
        Ok(Self {
            permits: Arc::new(Semaphore::new(cores)),
            places: Arc::new(Semaphore::new(cores * PLACES_PER_CORE)),
            queue,
            dummy: nobodys.into(),
            spare: Arc::new(Mutex::new(vec![memory])),
        })
    }

    /// Compares with the stored hash, or with the dummy where there is none: that never matches.
    pub async fn verify(&self, password: SecretString, stored: Option<&str>) -> Result<Verdict, PasswordError> {
        let (hash, genuine) = match stored {
            Some(hash) => (Arc::from(hash), true),
            None => (Arc::clone(&self.dummy), false),
        };
        let verdict = self.run(move |memory| verify(&password, &hash, memory)).await?;
        if genuine { verdict } else { verdict.map(|_| Verdict::Mismatch) }
    }

    pub async fn hash(&self, password: SecretString) -> Result<String, PasswordError> {
        self.run(move |memory| hash(&password, memory)).await?
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Memory) -> T + Send + 'static,
    ) -> Result<T, PasswordError> {
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_| PasswordError::Busy)?;
        let permit = self.permit().await?;
        // Both move into the closure: a client that leaves does not make room while its hash still runs.
        let held = (place, permit);
        let spare = Arc::clone(&self.spare);
        let task = spawn_blocking(move || {
            let _held = held;
            let taken = spare.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let mut memory = taken.unwrap_or_default();
            let result = work(&mut memory);
            spare.lock().unwrap_or_else(PoisonError::into_inner).push(memory);
            result
        });
        task.await.map_err(|_| PasswordError::Stopped)
    }

    async fn permit(&self) -> Result<OwnedSemaphorePermit, PasswordError> {
        let _queued = Raised::new(&self.queue);
        let waiting = timeout(MAX_WAIT, Arc::clone(&self.permits).acquire_owned());
        waiting.await.map_err(|_| PasswordError::Busy)?.map_err(|_| PasswordError::Stopped)
    }
}

const MAX_WAIT: Duration = Duration::from_millis(500);
/// As many as one core can hash within the longest wait, and a few.
const PLACES_PER_CORE: usize = 20;

const MEMORY_KIB: u32 = 19_456;
const PASSES: u32 = 2;
const LANES: u32 = 1;
const SALT_BYTES: usize = 16;
/// A stored hash that asks for more than this was not written by us.
const MAX_MEMORY_KIB: u32 = 65_536;
const MAX_PASSES: u32 = 10;
const MAX_LANES: u32 = 4;

fn hash(password: &SecretString, memory: &mut Memory) -> Result<String, PasswordError> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None).expect("the parameters are within argon2's range");
    let mut salt = [0; SALT_BYTES];
    rand::fill(&mut salt).expect("the system's random generator works");
    let hash = PasswordHash {
        algorithm: Algorithm::Argon2id.ident(),
        version: Some(Version::V0x13.into()),
        params: ParamsString::try_from(&params)?,
        salt: Some(Salt::new(&salt).map_err(argon2::password_hash::Error::from)?),
        hash: Some(digest(password, &salt, params, Params::DEFAULT_OUTPUT_LEN, memory)?),
    };
    Ok(hash.to_string())
}

fn verify(password: &SecretString, stored: &str, memory: &mut Memory) -> Result<Verdict, PasswordError> {
    let stored = PasswordHash::new(stored).map_err(|_| argon2::password_hash::Error::EncodingInvalid)?;
    let params = Params::try_from(&stored)?;
    check_bounds(&stored, &params)?;
    let (Some(salt), Some(expected)) = (stored.salt, stored.hash) else {
        return Err(argon2::password_hash::Error::EncodingInvalid.into());
    };
    let current = is_current(&params);
    // `Output` compares in constant time.
    if digest(password, &salt, params, expected.len(), memory)? != expected {
        return Ok(Verdict::Mismatch);
    }
    Ok(Verdict::Match { renewed: if current { None } else { Some(hash(password, memory)?) } })
}

fn digest(
    password: &SecretString,
    salt: &[u8],
    params: Params,
    bytes: usize,
    memory: &mut Memory,
) -> Result<Output, PasswordError> {
    memory.resize(params.block_count(), Block::default());
    let hasher = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let mut output = [0; Output::MAX_LENGTH];
    let output = &mut output[..bytes];
    hasher
        .hash_password_into_with_memory(password.expose_secret().as_bytes(), salt, output, memory)
        .map_err(argon2::password_hash::Error::from)?;
    Ok(Output::new(output).map_err(argon2::password_hash::Error::from)?)
}

fn check_bounds(stored: &PasswordHash, params: &Params) -> Result<(), PasswordError> {
    let ours = stored.algorithm.as_str() == Algorithm::Argon2id.as_str()
        && stored.version == Some(Version::V0x13.into())
        && params.m_cost() <= MAX_MEMORY_KIB
        && params.t_cost() <= MAX_PASSES
        && params.p_cost() <= MAX_LANES;
    if ours { Ok(()) } else { Err(argon2::password_hash::Error::ParamsInvalid.into()) }
}

fn is_current(params: &Params) -> bool {
    (params.m_cost(), params.t_cost(), params.p_cost()) == (MEMORY_KIB, PASSES, LANES)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use argon2::password_hash::PasswordHasher;

    use super::*;

    fn with_parameters(memory_kib: u32, passes: u32, password: &str) -> String {
        let params = Params::new(memory_kib, passes, LANES, None).unwrap();
        let hasher = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let hash: PasswordHash = hasher.hash_password(password.as_bytes()).unwrap();
        hash.to_string()
    }

    #[tokio::test]
    async fn the_right_password_matches_and_an_old_hash_is_renewed() {
        let passwords = Passwords::new(1, Gauge::noop()).unwrap();
        let right = || SecretString::from("right");
        let stored = passwords.hash(right()).await.unwrap();
        assert!(stored.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{stored}");
        let verdict = passwords.verify(right(), Some(&stored)).await.unwrap();
        assert_eq!(verdict, Verdict::Match { renewed: None });
        assert_eq!(passwords.verify("wrong".into(), Some(&stored)).await.unwrap(), Verdict::Mismatch);

        let old = with_parameters(4096, 1, "right");
        let Verdict::Match { renewed: Some(renewed) } = passwords.verify(right(), Some(&old)).await.unwrap() else {
            panic!("expected a new hash")
        };
        let verdict = passwords.verify(right(), Some(&renewed)).await.unwrap();
        assert_eq!(verdict, Verdict::Match { renewed: None });
    }

    #[tokio::test]
    async fn no_account_never_matches_not_even_the_dummys_password() {
        let passwords = Passwords::new(1, Gauge::noop()).unwrap();
        let verdict = passwords.verify("the password of no account".into(), None).await.unwrap();
        assert_eq!(verdict, Verdict::Mismatch);
    }

    #[tokio::test]
    async fn a_stored_hash_does_not_decide_what_checking_it_costs() {
        let passwords = Passwords::new(1, Gauge::noop()).unwrap();
        let costly = with_parameters(64, 1, "right").replace("m=64", "m=1048576");
        for stored in [&costly, "$argon2i$v=19$m=64,t=1,p=1$c2FsdHNhbHQ$aGFzaGhhc2g", "plain"] {
            let refused = passwords.verify("right".into(), Some(stored)).await;
            assert!(matches!(refused, Err(PasswordError::Hasher(_))), "{stored}");
        }
    }

    #[tokio::test]
    async fn no_more_run_at_once_than_there_are_permits_even_if_clients_leave() {
        let passwords = Passwords::new(2, Gauge::noop()).unwrap();
        let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let work = || {
            let (running, most) = (Arc::clone(&running), Arc::clone(&most));
            passwords.run(move |_| {
                most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                std::thread::sleep(Duration::from_millis(5));
                running.fetch_sub(1, Ordering::SeqCst);
            })
        };
        let impatient = async { drop(timeout(Duration::from_millis(1), work()).await) };
        let patient = futures_util::future::join_all((0..8).map(|_| work()));
        tokio::join!(impatient, patient);
        assert_eq!(most.load(Ordering::SeqCst), 2);
        assert!(passwords.spare.lock().unwrap().len() <= 2);
    }

    #[tokio::test]
    async fn beyond_the_places_there_is_only_the_answer_busy() {
        let passwords = Passwords::new(1, Gauge::noop()).unwrap();
        let all = u32::try_from(PLACES_PER_CORE).unwrap();
        let _taken = passwords.places.clone().acquire_many_owned(all).await.unwrap();
        assert!(matches!(passwords.hash("x".into()).await, Err(PasswordError::Busy)));
    }
}
