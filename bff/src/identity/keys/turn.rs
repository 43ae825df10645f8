//! Turning keys: what `rotation` finds due, applied to the store, and what an operator asks for.

use std::fmt;

use time::OffsetDateTime;
use uuid::Uuid;

use super::listing::minute;
use super::rotation::{NotYet, Step, due, early, in_state};
use super::{KeyError, KeyRing, Seals, Settings, SigningAlgorithm, key};
use crate::store::{Accompanying, Accounts, AuditEntry, KeyChange, KeyState, SigningKey};

/// The rows once nothing more is due.
pub struct Advanced {
    pub rows: Vec<SigningKey>,
    /// Whether this replica changed any.
    pub changed: bool,
}

/// Each turn does all that is due; what follows from one is due in the next.
const MAX_TURNS: usize = 8;

pub async fn advance(
    store: &Accounts,
    seals: &Seals,
    settings: &Settings,
    now: OffsetDateTime,
) -> Result<Advanced, KeyError> {
    let mut changed = false;
    for _ in 0..MAX_TURNS {
        let rows = store.signing_keys().await?;
        let steps = due(&rows, &settings.kept, &settings.rules, now);
        if steps.is_empty() {
            return Ok(Advanced { rows, changed });
        }
        for step in steps {
            let changes = changes(seals, &step, now).await?;
            // Refused where another replica came first, which the next turn sees.
            if store.change_signing_keys(&changes, &Accompanying::default()).await? {
                tracing::info!(cause = %step, "the signing keys changed");
                changed = true;
            }
        }
    }
    Err(KeyError::Contended)
}

async fn changes(seals: &Seals, step: &Step, now: OffsetDateTime) -> Result<Vec<KeyChange>, KeyError> {
    let moved = |kid: &String, from, to| KeyChange::Move { kid: kid.clone(), from, to, at: now };
    Ok(match step {
        Step::Make(algorithm, state) => vec![KeyChange::Insert(key::make(seals, *algorithm, *state, now).await?)],
        Step::Promote { next, current } => {
            let retire = current.iter().map(|kid| moved(kid, KeyState::Current, KeyState::Retiring));
            retire.chain([moved(next, KeyState::Next, KeyState::Current)]).collect()
        }
        Step::Forget(kid) => vec![KeyChange::Remove { kid: kid.clone(), state: KeyState::Retiring }],
    })
}

/// What an operator asked for, and what came of it.
pub enum Turned {
    Rotated { algorithm: SigningAlgorithm, kid: String },
    NotBefore { algorithm: SigningAlgorithm, at: OffsetDateTime },
    Revoked { kid: String, successor: Option<String> },
}

impl KeyRing {
    /// Makes the next key of this algorithm, or of each, sign now, where it has been published for long enough.
    pub async fn rotate(
        &self,
        algorithm: Option<SigningAlgorithm>,
        now: OffsetDateTime,
    ) -> Result<Vec<Turned>, KeyError> {
        let rows = advance(&self.store, &self.seals, &self.settings, now).await?.rows;
        let mut turned = Vec::new();
        for algorithm in algorithm.map_or_else(|| self.settings.kept.clone(), |algorithm| vec![algorithm]) {
            let step = match early(&rows, algorithm, &self.settings.rules, now) {
                Ok(step) => step,
                Err(NotYet::Until(at)) => {
                    turned.push(Turned::NotBefore { algorithm, at });
                    continue;
                }
                Err(NotYet::NoNext) => return Err(KeyError::Missing(algorithm)),
            };
            let Step::Promote { next, .. } = &step else { continue };
            self.write(&changes(&self.seals, &step, now).await?, "key-rotated", next, now).await?;
            turned.push(Turned::Rotated { algorithm, kid: next.clone() });
        }
        self.keep_up(now).await?;
        self.announce().await;
        Ok(turned)
    }

    /// Removes a key, so that nothing that it signed is worth anything; another one takes its place at once.
    pub async fn revoke(&self, kid: &str, now: OffsetDateTime) -> Result<Turned, KeyError> {
        let rows = self.store.signing_keys().await?;
        let row = rows.iter().find(|row| row.kid == kid).ok_or_else(|| KeyError::Unknown(kid.to_owned()))?;
        let mut written = vec![KeyChange::Remove { kid: kid.to_owned(), state: row.state }];
        let successor = match SigningAlgorithm::from_name(&row.algorithm) {
            Some(algorithm) if row.state == KeyState::Current => Some(self.successor(&rows, algorithm, now).await?),
            _ => None,
        };
        let successor = successor.map(|(kid, change)| {
            written.push(change);
            kid
        });
        self.write(&written, "key-revoked", kid, now).await?;
        self.keep_up(now).await?;
        self.announce().await;
        Ok(Turned::Revoked { kid: kid.to_owned(), successor })
    }

    /// The next key, as it is published already, or a new one.
    async fn successor(
        &self,
        rows: &[SigningKey],
        algorithm: SigningAlgorithm,
        now: OffsetDateTime,
    ) -> Result<(String, KeyChange), KeyError> {
        if let Some(next) = in_state(rows, algorithm, KeyState::Next) {
            let (from, to) = (KeyState::Next, KeyState::Current);
            return Ok((next.kid.clone(), KeyChange::Move { kid: next.kid.clone(), from, to, at: now }));
        }
        let made = key::make(&self.seals, algorithm, KeyState::Current, now).await?;
        Ok((made.kid.clone(), KeyChange::Insert(made)))
    }

    async fn write(&self, changes: &[KeyChange], action: &str, kid: &str, now: OffsetDateTime) -> Result<(), KeyError> {
        let entry = AuditEntry {
            id: Uuid::now_v7(),
            at: now,
            actor: None,
            action: action.to_owned(),
            target: Some(kid.to_owned()),
            network: None,
            result: "ok".to_owned(),
            reason: None,
        };
        let along = Accompanying { audit: vec![entry], ..Accompanying::default() };
        if self.store.change_signing_keys(changes, &along).await? { Ok(()) } else { Err(KeyError::Contended) }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Make(algorithm, state) => write!(f, "made a {} {} key", state.as_str(), algorithm.as_str()),
            Self::Promote { next, .. } => write!(f, "{next} signs from now on"),
            Self::Forget(kid) => write!(f, "{kid} has rested for long enough and is gone"),
        }
    }
}

impl fmt::Display for Turned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rotated { algorithm, kid } => writeln!(f, "{}: {kid} signs from now on", algorithm.as_str()),
            Self::NotBefore { algorithm, at } => writeln!(
                f,
                "{}: the next key may sign from {}, when everybody who verifies has had time to read it",
                algorithm.as_str(),
                minute(*at)
            ),
            Self::Revoked { kid, successor } => {
                writeln!(
                    f,
                    "{kid} is revoked: servers refuse its tokens within seconds, services within five minutes"
                )?;
                match successor {
                    Some(successor) => writeln!(f, "{successor} signs from now on"),
                    None => Ok(()),
                }
            }
        }
    }
}
