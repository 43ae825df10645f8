//! Password hashes: argon2id over a peppered password, off the async threads, never more at once than there are cores.
//!
//! A hash takes 30 ms and 19 MiB, so a flood of logins must neither starve other requests nor pile
//! up: it waits at most half a second in a bounded queue and is then told to come back. The memory
//! is used again and again, because an allocator keeps what each of many threads gave back.

mod gate;
mod pepper;
mod rules;

pub use gate::Lane;
pub use pepper::{PepperError, Peppers};
pub use rules::{Unfit, check};

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use argon2::password_hash::phc::{Output, ParamsString, PasswordHash, Salt};
use argon2::{Algorithm, Argon2, Block, KeyId, Params, ParamsBuilder, Version};
use aws_lc_rs::rand;
use secrecy::{ExposeSecret, SecretString};
use tokio::task::spawn_blocking;
use tokio::time::timeout;
use zeroize::Zeroizing;

use crate::meter::{Gauge, Raised};
use gate::{Gate, Turn};

/// The pool of hashing threads.
pub struct Passwords {
    gate: Arc<Gate>,
    queue: Gauge,
    peppers: Arc<Peppers>,
    /// Stands in for the hash of an account that has none, so that both take equally long.
    dummy: Arc<str>,
    /// The memory of hashes that are not running now: never more than there are turns.
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
    #[error("a stored password hash names a pepper that is not in identity.pepper_file")]
    UnknownPepper,
}

/// A longer password is no password of ours, and is refused before it costs anything.
pub const MAX_PASSWORD_BYTES: usize = 512;

impl Passwords {
    /// `queue` shows how many wait for a core.
    pub fn new(cores: usize, peppers: impl Into<Arc<Peppers>>, queue: Gauge) -> Result<Self, PasswordError> {
        let peppers = peppers.into();
        let mut memory = Memory::new();
        let nobodys = hash(&"the password of no account".into(), &peppers, &mut memory)?;
        Ok(Self {
            gate: Gate::new(cores, cores * PLACES_PER_CORE),
            queue,
            peppers,
            dummy: nobodys.into(),
            spare: Arc::new(Mutex::new(vec![memory])),
        })
    }

    /// Compares with the stored hash, or with the dummy where there is none: that never matches.
    pub async fn verify(
        &self,
        lane: Lane,
        password: SecretString,
        stored: Option<&str>,
    ) -> Result<Verdict, PasswordError> {
        let (hash, genuine) = match stored {
            Some(hash) => (Arc::from(hash), true),
            None => (Arc::clone(&self.dummy), false),
        };
        let peppers = Arc::clone(&self.peppers);
        let verdict = self.run(lane, move |memory| verify(&password, &hash, &peppers, memory)).await?;
        if genuine { verdict } else { verdict.map(|_| Verdict::Mismatch) }
    }

    /// Of a password that `check` has found fit.
    pub async fn hash(&self, password: SecretString) -> Result<String, PasswordError> {
        let peppers = Arc::clone(&self.peppers);
        self.run(Lane::Other, move |memory| hash(&password, &peppers, memory)).await?
    }

    async fn run<T: Send + 'static>(
        &self,
        lane: Lane,
        work: impl FnOnce(&mut Memory) -> T + Send + 'static,
    ) -> Result<T, PasswordError> {
        let turn = self.turn(lane).await?;
        let spare = Arc::clone(&self.spare);
        let task = spawn_blocking(move || {
            // It moves in here: a client that leaves does not make room while its hash still runs.
            let _turn = turn;
            let taken = spare.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let mut memory = taken.unwrap_or_default();
            let result = work(&mut memory);
            spare.lock().unwrap_or_else(PoisonError::into_inner).push(memory);
            result
        });
        task.await.map_err(|_| PasswordError::Stopped)
    }

    async fn turn(&self, lane: Lane) -> Result<Turn, PasswordError> {
        let _queued = Raised::new(&self.queue);
        let waiting = self.gate.line_up(lane).map_err(|_| PasswordError::Busy)?;
        timeout(MAX_WAIT, waiting).await.map_err(|_| PasswordError::Busy)?.map_err(|_| PasswordError::Stopped)
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

fn hash(password: &SecretString, peppers: &Peppers, memory: &mut Memory) -> Result<String, PasswordError> {
    let params = current(peppers);
    let mut salt = [0; SALT_BYTES];
    rand::fill(&mut salt).expect("the system's random generator works");
    let hash = PasswordHash {
        algorithm: Algorithm::Argon2id.ident(),
        version: Some(Version::V0x13.into()),
        params: ParamsString::try_from(&params)?,
        salt: Some(Salt::new(&salt).map_err(argon2::password_hash::Error::from)?),
        hash: Some(digest(&peppered(password, &params, peppers)?, &salt, params, Params::DEFAULT_OUTPUT_LEN, memory)?),
    };
    Ok(hash.to_string())
}

/// Today's parameters, with the pepper that goes with them.
fn current(peppers: &Peppers) -> Params {
    let mut params = ParamsBuilder::new();
    params.m_cost(MEMORY_KIB).t_cost(PASSES).p_cost(LANES);
    params.keyid(KeyId::new(&peppers.current()).expect("four bytes are within argon2's range"));
    params.build().expect("the parameters are within argon2's range")
}

/// What is hashed: a stored hash from before there were peppers names none.
fn peppered(password: &SecretString, params: &Params, peppers: &Peppers) -> Result<Zeroizing<Vec<u8>>, PasswordError> {
    let password = password.expose_secret().as_bytes();
    if params.keyid().is_empty() {
        return Ok(Zeroizing::new(password.to_vec()));
    }
    peppers.apply(params.keyid(), password).ok_or(PasswordError::UnknownPepper)
}

fn verify(
    password: &SecretString,
    stored: &str,
    peppers: &Peppers,
    memory: &mut Memory,
) -> Result<Verdict, PasswordError> {
    let stored = PasswordHash::new(stored).map_err(|_| argon2::password_hash::Error::EncodingInvalid)?;
    let params = Params::try_from(&stored)?;
    check_bounds(&stored, &params)?;
    let (Some(salt), Some(expected)) = (stored.salt, stored.hash) else {
        return Err(argon2::password_hash::Error::EncodingInvalid.into());
    };
    let up_to_date = is_current(&params, peppers);
    // `Output` compares in constant time.
    if digest(&peppered(password, &params, peppers)?, &salt, params, expected.len(), memory)? != expected {
        return Ok(Verdict::Mismatch);
    }
    Ok(Verdict::Match { renewed: if up_to_date { None } else { Some(hash(password, peppers, memory)?) } })
}

fn digest(
    password: &[u8],
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
        .hash_password_into_with_memory(password, salt, output, memory)
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

fn is_current(params: &Params, peppers: &Peppers) -> bool {
    (params.m_cost(), params.t_cost(), params.p_cost()) == (MEMORY_KIB, PASSES, LANES)
        && params.keyid() == peppers.current()
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

    fn passwords(cores: usize) -> Passwords {
        Passwords::new(cores, Peppers::of(&[1]), Gauge::noop()).unwrap()
    }

    async fn verify(passwords: &Passwords, password: &str, stored: Option<&str>) -> Result<Verdict, PasswordError> {
        passwords.verify(Lane::Login, password.into(), stored).await
    }

    async fn renewed(passwords: &Passwords, stored: &str) -> Option<String> {
        match verify(passwords, "right", Some(stored)).await.unwrap() {
            Verdict::Match { renewed } => renewed,
            Verdict::Mismatch => panic!("expected a match"),
        }
    }

    #[tokio::test]
    async fn the_right_password_matches_and_an_old_hash_is_renewed() {
        let passwords = passwords(1);
        let stored = passwords.hash("right".into()).await.unwrap();
        assert!(stored.starts_with("$argon2id$v=19$m=19456,t=2,p=1,keyid="), "{stored}");
        assert_eq!(renewed(&passwords, &stored).await, None);
        assert_eq!(verify(&passwords, "wrong", Some(&stored)).await.unwrap(), Verdict::Mismatch);

        // Weaker, and from before there were peppers.
        for old in [with_parameters(4096, 1, "right"), with_parameters(MEMORY_KIB, PASSES, "right")] {
            let renewed_hash = renewed(&passwords, &old).await.unwrap();
            assert_eq!(renewed(&passwords, &renewed_hash).await, None);
        }
    }

    #[tokio::test]
    async fn a_hash_is_worth_nothing_without_its_pepper_and_moves_on_to_the_next() {
        let stored = passwords(1).hash("right".into()).await.unwrap();
        let next = Passwords::new(1, Peppers::of(&[2, 1]), Gauge::noop()).unwrap();
        let moved = renewed(&next, &stored).await.unwrap();
        let without = Passwords::new(1, Peppers::of(&[2]), Gauge::noop()).unwrap();
        assert_eq!(renewed(&without, &moved).await, None);
        let lost = verify(&without, "right", Some(&stored)).await;
        assert!(matches!(lost, Err(PasswordError::UnknownPepper)));
        // Taking the name of the pepper away does not make the plain password fit.
        let (head, tail) = stored.split_once(",keyid=").unwrap();
        let bare = format!("{head}{}", &tail[tail.find('$').unwrap()..]);
        assert_eq!(verify(&without, "right", Some(&bare)).await.unwrap(), Verdict::Mismatch);
    }

    #[tokio::test]
    async fn no_account_never_matches_not_even_the_dummys_password() {
        let verdict = verify(&passwords(1), "the password of no account", None).await.unwrap();
        assert_eq!(verdict, Verdict::Mismatch);
    }

    #[tokio::test]
    async fn a_stored_hash_does_not_decide_what_checking_it_costs() {
        let passwords = passwords(1);
        let costly = with_parameters(64, 1, "right").replace("m=64", "m=1048576");
        for stored in [&costly, "$argon2i$v=19$m=64,t=1,p=1$c2FsdHNhbHQ$aGFzaGhhc2g", "plain"] {
            let refused = verify(&passwords, "right", Some(stored)).await;
            assert!(matches!(refused, Err(PasswordError::Hasher(_))), "{stored}");
        }
    }

    #[tokio::test]
    async fn no_more_run_at_once_than_there_are_permits_even_if_clients_leave() {
        let passwords = passwords(2);
        let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let work = || {
            let (running, most) = (Arc::clone(&running), Arc::clone(&most));
            passwords.run(Lane::Login, move |_| {
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
        let passwords = passwords(1);
        let _running = passwords.turn(Lane::Login).await.unwrap();
        let _waiting: Vec<_> = (0..PLACES_PER_CORE).map(|_| passwords.gate.line_up(Lane::Other).unwrap()).collect();
        assert!(matches!(passwords.hash("x".into()).await, Err(PasswordError::Busy)));
        // What others wait for does not keep anyone from lining up to sign in.
        assert!(passwords.gate.line_up(Lane::Login).is_ok());
    }
}
