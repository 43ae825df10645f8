//! Accounts, sessions and signing keys.

use bff::clock::Clock;
use bff::store::{
    self, Accompanying, Account, Config, KeyChange, KeyState, Lapse, Lapsed, OpenError, Previous, Session, SessionKind,
    SigningKey, Stores,
};
use time::macros::datetime;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use super::Backend::{Postgres, Sqlite};
use super::{Place, at_once};

pub const BACKENDS: [super::Backend; 2] = [Sqlite, Postgres];
pub const NOON: OffsetDateTime = datetime!(2026-01-01 12:00:00.123456 UTC);
/// Beyond the sweep of stores that follow the real clock.
pub const FAR: OffsetDateTime = datetime!(2200-01-01 12:00 UTC);

pub fn account(number: u128, email: &str) -> Account {
    Account {
        id: Uuid::from_u128(number),
        email: Some(email.to_owned()),
        email_verified_at: Some(NOON),
        phone: None,
        phone_verified_at: None,
        password_hash: Some("old".to_owned()),
        name: "Ada".to_owned(),
        locale: None,
        role: "user".to_owned(),
        auth_version: 1,
        credentials_changed_at: NOON,
        created_at: NOON,
        disabled_at: None,
        deleted_at: None,
    }
}

pub fn session(number: u128, account: &Account) -> Session {
    Session {
        id: Uuid::from_u128(number),
        account_id: account.id,
        kind: SessionKind::Token,
        secret_hash: [number.to_le_bytes()[0]; 32],
        generation: 0,
        previous: None,
        created_at: NOON,
        last_seen_at: NOON,
        idle_expires_at: FAR,
        absolute_expires_at: FAR + Duration::WEEK,
        auth_version: 1,
        renewed_at: None,
        tokens_from: 0,
        user_agent: Some("test".to_owned()),
        address: None,
        revoked_at: None,
        revision: 0,
    }
}

fn signing_key(kid: &str, state: KeyState) -> SigningKey {
    SigningKey {
        kid: kid.to_owned(),
        algorithm: "ES256".to_owned(),
        state,
        sealed: vec![1],
        created_at: NOON,
        state_since: NOON,
    }
}

#[tokio::test]
async fn an_account_is_found_by_what_it_is_called() {
    Place::each(&BACKENDS, async |place| {
        let stores = place.open_at(NOON).await;
        let store = &stores.accounts;
        let ada = Account { phone: Some("+15550100001".to_owned()), ..account(1, "ada@shop.test") };
        assert!(store.insert_account(&ada).await.unwrap());

        for found in [
            store.account(ada.id).await.unwrap().unwrap(),
            store.account_by_email("ada@shop.test").await.unwrap().unwrap(),
            store.account_by_phone("+15550100001").await.unwrap().unwrap(),
        ] {
            assert_eq!((found.id, found.created_at, found.email_verified_at), (ada.id, NOON, Some(NOON)));
        }
        assert!(store.account_by_email("bob@shop.test").await.unwrap().is_none());
        stores.close().await;
    })
    .await;
}

#[tokio::test]
async fn an_address_belongs_to_one_account_until_it_is_deleted() {
    Place::each(&BACKENDS, async |place| {
        let stores = place.open_at(NOON).await;
        let store = &stores.accounts;
        let deleted = Account { deleted_at: Some(NOON), ..account(1, "ada@shop.test") };
        assert!(store.insert_account(&deleted).await.unwrap());
        assert!(store.account_by_email("ada@shop.test").await.unwrap().is_none());
        assert!(store.insert_account(&account(2, "ada@shop.test")).await.unwrap());
        assert!(!store.insert_account(&account(3, "ada@shop.test")).await.unwrap());
        assert_eq!(store.account_by_email("ada@shop.test").await.unwrap().unwrap().id, Uuid::from_u128(2));
        stores.close().await;
    })
    .await;
}

#[tokio::test]
async fn a_hash_is_replaced_only_by_who_knows_it() {
    Place::each(&BACKENDS, async |place| {
        let stores = place.open_at(NOON).await;
        let store = &stores.accounts;
        let ada = account(1, "ada@shop.test");
        store.insert_account(&ada).await.unwrap();
        assert!(!store.rehash_password(ada.id, "other", "new").await.unwrap());
        assert!(store.rehash_password(ada.id, "old", "new").await.unwrap());
        assert_eq!(store.account(ada.id).await.unwrap().unwrap().password_hash.as_deref(), Some("new"));
        stores.close().await;
    })
    .await;
}

#[tokio::test]
async fn of_two_writers_of_a_session_one_wins() {
    Place::each(&BACKENDS, async |place| {
        let stores = place.open_at(NOON).await;
        let store = &stores.accounts;
        let ada = account(1, "ada@shop.test");
        store.insert_account(&ada).await.unwrap();
        let first = session(7, &ada);
        store.insert_session(&first).await.unwrap();

        let previous = Previous {
            secret_hash: first.secret_hash,
            sealed_successor: vec![1, 2, 3],
            rotated_at: NOON + Duration::HOUR,
        };
        let rotated = Session { secret_hash: [8; 32], generation: 1, previous: Some(previous), ..first.clone() };
        assert!(store.update_session(&rotated).await.unwrap());
        assert!(!store.update_session(&first).await.unwrap());

        let found = store.session(first.id).await.unwrap().unwrap();
        assert_eq!((found.revision, found.generation, found.secret_hash), (1, 1, [8; 32]));
        let previous = found.previous.unwrap();
        assert_eq!((previous.secret_hash, previous.sealed_successor), (first.secret_hash, vec![1, 2, 3]));
        assert_eq!(previous.rotated_at, NOON + Duration::HOUR);
        assert!(store.session_by_secret(&first.secret_hash).await.unwrap().is_none());
        assert_eq!(store.session_by_secret(&[8; 32]).await.unwrap().unwrap().id, first.id);
        stores.close().await;
    })
    .await;
}

#[tokio::test]
async fn revoked_sessions_are_listed_newest_first() {
    Place::each(&BACKENDS, async |place| {
        let stores = place.open_at(NOON).await;
        let store = &stores.accounts;
        let ada = account(1, "ada@shop.test");
        store.insert_account(&ada).await.unwrap();
        for number in 1..=4 {
            let session = session(number, &ada);
            store.insert_session(&session).await.unwrap();
            let at = NOON + Duration::minutes(i64::try_from(number).unwrap());
            store.update_session(&Session { revoked_at: Some(at), ..session }).await.unwrap();
        }
        let since = store.lapsed_since(NOON + Duration::MINUTE, 2).await.unwrap();
        let expected = [4, 3].map(|minute| Lapse {
            session: Uuid::from_u128(minute),
            at: NOON + Duration::minutes(i64::try_from(minute).unwrap()),
            what: Lapsed::All,
        });
        assert_eq!(since, expected);
        stores.close().await;
    })
    .await;
}

#[tokio::test]
async fn sessions_that_have_ended_are_forgotten_and_a_revocation_stays() {
    Place::each(&BACKENDS, async |place| {
        let stores = place.open_at(NOON).await;
        let store = &stores.accounts;
        let ada = account(1, "ada@shop.test");
        store.insert_account(&ada).await.unwrap();
        for (number, ends) in [(1, FAR), (2, FAR + Duration::HOUR)] {
            store.insert_session(&Session { idle_expires_at: ends, ..session(number, &ada) }).await.unwrap();
        }
        assert_eq!(store.forget_sessions(FAR + Duration::MINUTE).await.unwrap(), 1);
        assert!(store.session(Uuid::from_u128(1)).await.unwrap().is_none());

        let kept = store.session(Uuid::from_u128(2)).await.unwrap().unwrap();
        let revoked = Session { revoked_at: Some(NOON), ..kept.clone() };
        assert!(store.update_session(&revoked).await.unwrap());
        // Whoever knows the new revision but not the end cannot take it back.
        assert!(store.update_session(&Session { revision: kept.revision + 1, ..kept }).await.unwrap());
        assert_eq!(store.session(Uuid::from_u128(2)).await.unwrap().unwrap().revoked_at, Some(NOON));
        assert_eq!(store.forget_sessions(NOON).await.unwrap(), 0);
        assert_eq!(store.forget_sessions(NOON + Duration::SECOND).await.unwrap(), 1, "long before it would have ended");
        stores.close().await;
    })
    .await;
}

#[tokio::test]
async fn of_many_sessions_those_that_go_on_are_known_with_their_roles() {
    Place::each(&BACKENDS, async |place| {
        let stores = place.open_at(NOON).await;
        let store = &stores.accounts;
        let ada = account(1, "ada@shop.test");
        let bob = Account { role: "operator".to_owned(), ..account(2, "bob@shop.test") };
        let gone = Account { disabled_at: Some(NOON), ..account(3, "gone@shop.test") };
        let deleted = Account { deleted_at: Some(NOON), ..account(4, "deleted@shop.test") };
        for account in [&ada, &bob, &gone, &deleted] {
            assert!(store.insert_account(account).await.unwrap());
        }
        let secret = |number: u128| std::array::from_fn(|place| number.to_le_bytes()[place % 16]);
        let running = |number, account| Session { secret_hash: secret(number), ..session(number, account) };
        let live: Vec<Session> = (1..=1_100).map(|number| running(number, &ada)).collect();
        let over = [
            Session { revoked_at: Some(NOON), ..running(2_000, &ada) },
            Session { idle_expires_at: NOON, ..running(2_001, &ada) },
            Session { absolute_expires_at: NOON, ..running(2_002, &ada) },
            Session { auth_version: 0, ..running(2_003, &ada) },
            running(2_004, &gone),
            running(2_005, &deleted),
        ];
        let other = running(3_000, &bob);
        for session in live.iter().chain(&over).chain([&other]) {
            store.insert_session(session).await.unwrap();
        }
        // What was revoked is revoked by a write of its own.
        assert!(store.update_session(&over[0]).await.unwrap());

        let unknown = Uuid::from_u128(9_999);
        let asked: Vec<Uuid> =
            over.iter().chain(&live).chain([&other]).map(|session| session.id).chain([unknown]).collect();
        let mut found = store.live_among(&asked, NOON).await.unwrap();
        found.sort();
        let mut expected: Vec<_> = live.iter().map(|session| (session.id, "user".to_owned())).collect();
        expected.push((other.id, "operator".to_owned()));
        assert!(found == expected, "{} were found", found.len());
        assert!(store.live_among(&[], NOON).await.unwrap().is_empty());
        stores.close().await;
    })
    .await;
}

#[tokio::test]
async fn a_second_opening_finds_what_the_first_has_left() {
    Place::each(&BACKENDS, async |place| {
        let stores = place.open_at(NOON).await;
        stores.accounts.insert_account(&account(1, "ada@shop.test")).await.unwrap();
        stores.close().await;
        let stores = place.open_at(NOON).await;
        assert!(stores.accounts.account_by_email("ada@shop.test").await.unwrap().is_some());
        stores.close().await;
    })
    .await;
}

#[tokio::test]
async fn of_200_writers_of_a_session_one_wins() {
    Place::each(&BACKENDS, async |place| {
        let stores = place.open_at(NOON).await;
        let ada = account(1, "ada@shop.test");
        stores.accounts.insert_account(&ada).await.unwrap();
        let first = session(7, &ada);
        stores.accounts.insert_session(&first).await.unwrap();
        let won = at_once(200, |number| {
            let store = stores.accounts.clone();
            let changed = Session { generation: u32::try_from(number).unwrap(), ..first.clone() };
            async move { store.update_session(&changed).await.unwrap() }
        });
        assert_eq!(won.await.into_iter().filter(|won| *won).count(), 1);
        assert_eq!(stores.accounts.session(first.id).await.unwrap().unwrap().revision, 1);
        stores.close().await;
    })
    .await;
}

#[tokio::test]
async fn replicas_that_start_at_once_agree_on_tables_and_key() {
    Place::each(&BACKENDS, async |place| {
        let won = at_once(4, |number| {
            let config = place.config.clone();
            async move {
                let stores = Stores::open(&config, Clock::system()).await.unwrap();
                let key = signing_key(&format!("key {number}"), KeyState::Current);
                let won = stores
                    .accounts
                    .change_signing_keys(&[KeyChange::Insert(key)], &Accompanying::default())
                    .await
                    .unwrap();
                stores.close().await;
                won
            }
        });
        assert_eq!(won.await.into_iter().filter(|won| *won).count(), 1);
        let stores = place.open_at(NOON).await;
        assert_eq!(stores.accounts.signing_keys().await.unwrap().len(), 1);
        stores.close().await;
    })
    .await;
}

#[tokio::test]
async fn who_may_not_migrate_waits_for_who_may() {
    Place::each(&BACKENDS, async |place| {
        let config = Config { migrate_at_start: false, ..place.config.clone() };
        let open = || Stores::open(&config, Clock::system());
        assert!(matches!(open().await, Err(OpenError::Behind)));
        store::migrate(&config).await.unwrap();
        store::migrate(&config).await.unwrap();
        open().await.unwrap().close().await;
    })
    .await;
}

#[tokio::test]
async fn an_older_release_starts_over_newer_tables() {
    Place::each(&BACKENDS, async |place| {
        place.open_at(NOON).await.close().await;
        let newer = place.ask(
            "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
             SELECT 9999, description, success, checksum, execution_time FROM _sqlx_migrations WHERE version = 1
             RETURNING version",
        );
        assert_eq!(newer.await, 9999);
        place.open_at(NOON).await.close().await;
    })
    .await;
}
