//! What every store of accounts promises.

use bff::store::{Account, Accounts, Config, KeyState, OpenError, Previous, Session, SessionKind, SigningKey};
use tempfile::TempDir;
use time::macros::datetime;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

const NOON: OffsetDateTime = datetime!(2026-01-01 12:00:00.123456 UTC);

async fn open(folder: &TempDir) -> Accounts {
    let path = folder.path().join("a/new/folder/bff.db");
    Accounts::open(&Config { database_url: format!("sqlite:{}", path.display()).into() }).await.unwrap()
}

fn account(number: u128, email: &str) -> Account {
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

fn session(number: u128, account: &Account) -> Session {
    Session {
        id: Uuid::from_u128(number),
        account_id: account.id,
        kind: SessionKind::Token,
        secret_hash: [number.to_le_bytes()[0]; 32],
        generation: 0,
        previous: None,
        created_at: NOON,
        last_seen_at: NOON,
        idle_expires_at: NOON + Duration::DAY,
        absolute_expires_at: NOON + Duration::WEEK,
        auth_version: 1,
        user_agent: Some("test".to_owned()),
        address: None,
        revoked_at: None,
        revision: 0,
    }
}

#[tokio::test]
async fn an_account_is_found_by_what_it_is_called() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder).await;
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
}

#[tokio::test]
async fn an_address_belongs_to_one_account_until_it_is_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder).await;
    let deleted = Account { deleted_at: Some(NOON), ..account(1, "ada@shop.test") };
    assert!(store.insert_account(&deleted).await.unwrap());
    assert!(store.account_by_email("ada@shop.test").await.unwrap().is_none());
    assert!(store.insert_account(&account(2, "ada@shop.test")).await.unwrap());
    assert!(!store.insert_account(&account(3, "ada@shop.test")).await.unwrap());
    assert_eq!(store.account_by_email("ada@shop.test").await.unwrap().unwrap().id, Uuid::from_u128(2));
}

#[tokio::test]
async fn a_hash_is_replaced_only_by_who_knows_it() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder).await;
    let ada = account(1, "ada@shop.test");
    store.insert_account(&ada).await.unwrap();
    assert!(!store.rehash_password(ada.id, "other", "new").await.unwrap());
    assert!(store.rehash_password(ada.id, "old", "new").await.unwrap());
    assert_eq!(store.account(ada.id).await.unwrap().unwrap().password_hash.as_deref(), Some("new"));
}

#[tokio::test]
async fn of_two_writers_of_a_session_one_wins() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder).await;
    let ada = account(1, "ada@shop.test");
    store.insert_account(&ada).await.unwrap();
    let first = session(7, &ada);
    store.insert_session(&first).await.unwrap();

    let previous =
        Previous { secret_hash: first.secret_hash, sealed_successor: vec![1, 2, 3], rotated_at: NOON + Duration::HOUR };
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
}

#[tokio::test]
async fn revoked_sessions_are_listed_newest_first() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder).await;
    let ada = account(1, "ada@shop.test");
    store.insert_account(&ada).await.unwrap();
    for number in 1..=4 {
        let session = session(number, &ada);
        store.insert_session(&session).await.unwrap();
        let at = NOON + Duration::minutes(i64::try_from(number).unwrap());
        store.update_session(&Session { revoked_at: Some(at), ..session }).await.unwrap();
    }
    let since = store.revoked_since(NOON + Duration::MINUTE, 2).await.unwrap();
    let expected =
        [4, 3].map(|minute| (Uuid::from_u128(minute), NOON + Duration::minutes(i64::try_from(minute).unwrap())));
    assert_eq!(since, expected);
}

#[tokio::test]
async fn an_algorithm_has_one_current_key() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder).await;
    let key = |kid: &str, state| SigningKey {
        kid: kid.to_owned(),
        algorithm: "ES256".to_owned(),
        state,
        sealed: vec![1],
        created_at: NOON,
        state_since: NOON,
    };
    assert!(store.insert_signing_key(&key("a", KeyState::Current)).await.unwrap());
    assert!(!store.insert_signing_key(&key("b", KeyState::Current)).await.unwrap());
    assert!(store.insert_signing_key(&key("c", KeyState::Next)).await.unwrap());
    let kids: Vec<String> = store.signing_keys().await.unwrap().into_iter().map(|key| key.kid).collect();
    assert_eq!(kids, ["a", "c"]);
}

#[tokio::test]
async fn a_second_opening_finds_what_the_first_has_left() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder).await;
    store.insert_account(&account(1, "ada@shop.test")).await.unwrap();
    store.close().await;
    assert!(open(&folder).await.account_by_email("ada@shop.test").await.unwrap().is_some());
}

#[tokio::test]
async fn an_address_that_is_not_a_file_is_refused() {
    for url in ["", "bff.db", "sqlite:", "sqlite::memory:", "postgres://localhost/bff"] {
        let opened = Accounts::open(&Config { database_url: url.into() }).await;
        assert!(matches!(opened, Err(OpenError::Url)), "{url}");
    }
}
