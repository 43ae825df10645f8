//! Signing keys, and several replicas that turn them at once.

use bff::clock::Clock;
use bff::identity::{self, Deployment, KeyError, SigningAlgorithm};
use bff::store::{Accompanying, AuditEntry, KeyChange, KeyState, SigningKey, Stores};
use time::macros::datetime;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use super::Backend::{Postgres, Sqlite};
use super::{Place, at_once};

const BACKENDS: [super::Backend; 2] = [Sqlite, Postgres];
const NOON: OffsetDateTime = datetime!(2026-01-01 12:00:00.123456 UTC);

fn key(kid: &str, state: KeyState) -> SigningKey {
    SigningKey {
        kid: kid.to_owned(),
        algorithm: "ES256".to_owned(),
        state,
        sealed: vec![1],
        created_at: NOON,
        state_since: NOON,
    }
}

fn moved(kid: &str, from: KeyState, to: KeyState) -> KeyChange {
    KeyChange::Move { kid: kid.to_owned(), from, to, at: NOON + Duration::HOUR }
}

async fn change(stores: &Stores, changes: &[KeyChange]) -> bool {
    stores.accounts.change_signing_keys(changes, &Accompanying::default()).await.unwrap()
}

async fn states(stores: &Stores) -> Vec<(String, KeyState)> {
    stores.accounts.signing_keys().await.unwrap().into_iter().map(|key| (key.kid, key.state)).collect()
}

#[tokio::test]
async fn an_algorithm_has_one_current_and_one_next_key() {
    Place::each(&BACKENDS, async |place| {
        let stores = place.open().await;
        let insert = |kid, state| [KeyChange::Insert(key(kid, state))];
        assert!(change(&stores, &insert("a", KeyState::Current)).await);
        assert!(!change(&stores, &insert("b", KeyState::Current)).await);
        assert!(change(&stores, &insert("c", KeyState::Next)).await);
        assert!(!change(&stores, &insert("d", KeyState::Next)).await);
        // Not even by a move: the one that signs must rest first.
        assert!(!change(&stores, &[moved("c", KeyState::Next, KeyState::Current)]).await);
        let expected = [("a".to_owned(), KeyState::Current), ("c".to_owned(), KeyState::Next)];
        assert_eq!(states(&stores).await, expected);
        stores.close().await;
    })
    .await;
}

#[tokio::test]
async fn keys_change_together_with_their_audit_or_not_at_all() {
    Place::each(&BACKENDS, async |place| {
        let stores = place.open().await;
        let both = [KeyChange::Insert(key("a", KeyState::Current)), KeyChange::Insert(key("b", KeyState::Next))];
        assert!(change(&stores, &both).await);
        let entry = AuditEntry {
            id: Uuid::now_v7(),
            at: NOON,
            actor: None,
            action: "key-rotated".to_owned(),
            target: Some("b".to_owned()),
            network: None,
            result: "ok".to_owned(),
            reason: None,
        };
        let along = Accompanying { audit: vec![entry.clone()], ..Accompanying::default() };
        let retire = || moved("a", KeyState::Current, KeyState::Retiring);
        let torn = [retire(), moved("x", KeyState::Next, KeyState::Current)];
        assert!(!stores.accounts.change_signing_keys(&torn, &along).await.unwrap());
        assert_eq!(stores.accounts.audit(Some("b"), None, 10).await.unwrap(), []);

        let whole = [retire(), moved("b", KeyState::Next, KeyState::Current)];
        assert!(stores.accounts.change_signing_keys(&whole, &along).await.unwrap());
        assert_eq!(stores.accounts.audit(Some("b"), None, 10).await.unwrap(), [entry]);
        let keys = stores.accounts.signing_keys().await.unwrap();
        assert!(keys.iter().all(|key| key.state_since == NOON + Duration::HOUR && key.created_at == NOON));

        let reseal = |from: u8, to: u8| [KeyChange::Reseal { kid: "a".to_owned(), from: vec![from], to: vec![to] }];
        assert!(change(&stores, &reseal(1, 2)).await);
        assert!(!change(&stores, &reseal(1, 3)).await);
        let remove = |state| [KeyChange::Remove { kid: "a".to_owned(), state }];
        assert!(!change(&stores, &remove(KeyState::Current)).await);
        assert!(change(&stores, &remove(KeyState::Retiring)).await);
        assert_eq!(states(&stores).await, [("b".to_owned(), KeyState::Current)]);
        stores.close().await;
    })
    .await;
}

#[tokio::test]
async fn replicas_that_turn_a_key_at_once_turn_it_once() {
    Place::each(&BACKENDS, async |place| {
        let master = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(master.path(), "n1dU0c4vQkq9m3l8Yb7sR2xWz5tHj6aEoPfGuKiLwXQ=").unwrap();
        let config = identity::Config {
            master_key_file: Some(master.path().to_owned()),
            key_algorithms: vec![SigningAlgorithm::Es256],
            ..identity::Config::default()
        };
        let stores: Vec<Stores> = {
            let mut stores = Vec::new();
            for _ in 0..4 {
                stores.push(Stores::open(&place.config, Clock::system()).await.unwrap());
            }
            stores
        };
        let ring = async |stores: &Stores, now| {
            let deployment = Deployment {
                public_url: "https://bff.test".to_owned(),
                allowed_origins: Vec::new(),
                development: false,
            };
            let master = identity::master_key(&config, &deployment, &stores.accounts).unwrap();
            identity::open_keys(&config, &master, stores, now).await.unwrap()
        };

        // All of them find the keys missing, and agree on two.
        let rings = futures_util::future::join_all(stores.iter().map(|stores| ring(stores, NOON))).await;
        let first = rings[0].jwks();
        assert!(rings.iter().all(|ring| ring.jwks().body == first.body));
        let kids = states(&stores[0]).await;
        assert_eq!(kids.len(), 2);

        let later = NOON + Duration::hours(2);
        let rings: Vec<_> = rings.into_iter().map(std::sync::Arc::new).collect();
        let turned = at_once(4, |number| {
            let ring = std::sync::Arc::clone(&rings[number]);
            async move { ring.rotate(None, later).await }
        })
        .await;
        let lost = |outcome: &&Result<_, KeyError>| matches!(outcome, Err(KeyError::Contended));
        let not_yet = turned.iter().filter_map(|outcome| outcome.as_ref().ok()).filter(|turned| {
            // Whoever comes after the first finds a next key that is too young.
            turned[0].to_string().contains("may sign from")
        });
        assert_eq!(turned.iter().filter(lost).count() + not_yet.count(), 3);
        let after = states(&stores[0]).await;
        let count = |state| after.iter().filter(|(_, it)| *it == state).count();
        assert_eq!([KeyState::Retiring, KeyState::Current, KeyState::Next].map(count), [1, 1, 1]);
        assert!(kids.iter().all(|(kid, _)| after.iter().any(|(it, _)| it == kid)));
        for stores in stores {
            stores.close().await;
        }
    })
    .await;
}
