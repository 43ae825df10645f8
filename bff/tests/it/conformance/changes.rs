//! Changes that happen as a whole, with what accompanies them, or not at all.

use bff::store::{
    Accompanying, Account, Accounts, AuditEntry, Challenge, Contact, Ending, Ends, Keep, OutboxEvent, Proof, Session,
    SessionKind, Standing, Stores, Written,
};
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use super::accounts::{BACKENDS, FAR, NOON, account, session};
use super::{Place, at_once};

/// The stores sweep by the real clock.
pub const LATER: OffsetDateTime = time::macros::datetime!(2200-01-01 13:00 UTC);

pub fn entry(action: &str, target: Uuid) -> AuditEntry {
    AuditEntry {
        id: Uuid::now_v7(),
        at: NOON,
        actor: Some(target),
        action: action.to_owned(),
        target: Some(target.to_string()),
        network: Some("203.0.113.0/24".to_owned()),
        result: "ok".to_owned(),
        reason: None,
    }
}

pub fn event(name: &str, account: Uuid) -> OutboxEvent {
    OutboxEvent {
        id: Uuid::now_v7(),
        name: name.to_owned(),
        payload: vec![1, 2, 3],
        account_id: Some(account),
        created_at: NOON,
    }
}

fn newcomer(number: u128, email: &str) -> Account {
    Account { created_at: LATER, ..account(number, email) }
}

/// One line and one event of this name.
pub fn along(name: &str, account: &Account) -> Accompanying {
    Accompanying { audit: vec![entry(name, account.id)], events: vec![event(name, account.id)] }
}

fn challenge(id: &str) -> Challenge {
    Challenge { id: id.to_owned(), issued_at: NOON }
}

/// Another role, which shortens no session.
pub fn role<'a>(old: &'a str, new: &'a str) -> Standing<'a> {
    let ends = Ends { idle: FAR, absolute: FAR };
    Standing::Role { old, new, latest: [SessionKind::Cookie, SessionKind::Token].map(|kind| (kind, ends)) }
}

/// The names of the events that wait, and the actions of the audit, oldest first.
pub async fn told(store: &Accounts) -> (Vec<String>, Vec<String>) {
    // A lease that is over when it begins.
    let events = store.claim_events(100, std::time::Duration::ZERO, NOON).await.unwrap();
    let audit = store.audit(None, None, 100).await.unwrap();
    let actions = audit.into_iter().rev().map(|entry| entry.action).collect();
    (events.into_iter().map(|event| event.name).collect(), actions)
}

pub async fn with_ada(place: &Place, sessions: u128) -> (Stores, Account, Vec<Session>) {
    let stores = place.open_at(NOON).await;
    let ada = account(1, "ada@shop.test");
    stores.accounts.insert_account(&ada).await.unwrap();
    let sessions: Vec<Session> = (1..=sessions).map(|number| session(number, &ada)).collect();
    for session in &sessions {
        stores.accounts.begin_session(session, &Accompanying::default()).await.unwrap();
    }
    (stores, ada, sessions)
}

pub async fn live(store: &Accounts, account: &Account) -> Vec<Uuid> {
    let mut ids: Vec<Uuid> =
        store.sessions_of(account.id, NOON, 100).await.unwrap().iter().map(|session| session.id).collect();
    ids.sort();
    ids
}

#[tokio::test]
async fn a_challenge_registers_one_account_with_its_session() {
    Place::each(&BACKENDS, async |place| {
        let stores = place.open_at(NOON).await;
        let store = &stores.accounts;
        let (ada, bob) = (newcomer(1, "ada@shop.test"), newcomer(2, "bob@shop.test"));
        let first =
            store.register(&ada, &session(7, &ada), &challenge("c1"), &along("registered", &ada)).await.unwrap();
        assert_eq!(first, Written::Done(()));
        let again = store.register(&bob, &session(8, &bob), &challenge("c1"), &along("again", &bob)).await.unwrap();
        assert_eq!(again, Written::Spent);
        let rival = newcomer(3, "ada@shop.test");
        let taken = store.register(&rival, &session(9, &rival), &challenge("c2"), &along("rival", &rival)).await;
        assert_eq!(taken.unwrap(), Written::Taken);
        assert_eq!(live(store, &ada).await, [Uuid::from_u128(7)]);
        assert!(store.account(bob.id).await.unwrap().is_none());

        // What failed has spent nothing, written no line and told nobody.
        let bob = store.register(&bob, &session(8, &bob), &challenge("c2"), &Accompanying::default()).await.unwrap();
        assert_eq!(bob, Written::Done(()));
        assert_eq!(told(store).await, (vec!["registered".to_owned()], vec!["registered".to_owned()]));
        stores.close().await;
    })
    .await;
}

#[tokio::test]
async fn of_fifty_uses_of_a_challenge_one_counts() {
    Place::each(&BACKENDS, async |place| {
        let stores = place.open_at(NOON).await;
        let won = at_once(50, |number| {
            let store = stores.accounts.clone();
            let number = number as u128 + 1;
            let ada = newcomer(number, &format!("ada{number}@shop.test"));
            async move {
                let first = session(number, &ada);
                store.register(&ada, &first, &challenge("c1"), &along("registered", &ada)).await.unwrap()
            }
        });
        assert_eq!(won.await.into_iter().filter(|won| *won == Written::Done(())).count(), 1);
        assert_eq!(told(&stores.accounts).await.0.len(), 1);
        stores.close().await;
    })
    .await;
}

#[tokio::test]
async fn a_new_password_ends_every_session_but_the_kept_one() {
    Place::each(&BACKENDS, async |place| {
        let (stores, ada, sessions) = with_ada(place, 3).await;
        let store = &stores.accounts;
        let set = async |old: &str, new: &str, keep: Keep<'_>| {
            store.set_password(ada.id, new, Proof::OldHash(old), keep, LATER, &along(new, &ada)).await.unwrap()
        };
        assert_eq!(set("wrong", "lost", Keep::None).await, Written::Outdated);
        assert_eq!(live(store, &ada).await.len(), 3);

        let Written::Done(mut ended) = set("old", "new", Keep::Session(sessions[1].id)).await else { panic!() };
        ended.sort();
        assert_eq!(ended, [sessions[0].id, sessions[2].id]);
        assert_eq!(live(store, &ada).await, [sessions[1].id]);
        let kept = store.session(sessions[1].id).await.unwrap().unwrap();
        assert_eq!((kept.auth_version, kept.revoked_at, kept.revision), (2, None, 1));
        let revoked = store.session(sessions[0].id).await.unwrap().unwrap();
        assert_eq!(revoked.revoked_at, Some(LATER));

        let next = session(9, &ada);
        assert_eq!(set("new", "newer", Keep::New(&next)).await, Written::Done(vec![sessions[1].id]));
        assert_eq!(live(store, &ada).await, [next.id]);
        let changed = store.account(ada.id).await.unwrap().unwrap();
        assert_eq!((changed.auth_version, changed.credentials_changed_at), (3, LATER));
        assert_eq!(changed.password_hash.as_deref(), Some("newer"));
        assert_eq!(
            told(store).await,
            (vec!["new".to_owned(), "newer".to_owned()], vec!["new".to_owned(), "newer".to_owned()])
        );
        stores.close().await;
    })
    .await;
}

#[tokio::test]
async fn a_challenge_is_worth_nothing_once_the_credentials_have_changed() {
    Place::each(&BACKENDS, async |place| {
        let (stores, ada, _) = with_ada(place, 1).await;
        let store = &stores.accounts;
        let reset = async |id: &str, issued_at: OffsetDateTime| {
            let challenge = Challenge { id: id.to_owned(), issued_at };
            let proof = Proof::Challenge(&challenge);
            store.set_password(ada.id, id, proof, Keep::None, LATER, &along(id, &ada)).await.unwrap()
        };
        assert_eq!(reset("early", NOON - Duration::SECOND).await, Written::Outdated);
        assert_eq!(reset("fresh", NOON).await, Written::Done(vec![Uuid::from_u128(1)]));
        assert_eq!(reset("fresh", LATER).await, Written::Spent);
        assert_eq!(reset("second", NOON).await, Written::Outdated);
        assert_eq!(store.account(ada.id).await.unwrap().unwrap().password_hash.as_deref(), Some("fresh"));
        stores.close().await;
    })
    .await;
}

#[tokio::test]
async fn an_address_is_confirmed_or_changed_unless_it_is_taken() {
    Place::each(&BACKENDS, async |place| {
        let (stores, ada, _) = with_ada(place, 0).await;
        let store = &stores.accounts;
        store.insert_account(&account(2, "bob@shop.test")).await.unwrap();
        let confirm = async |id: &str, contact: Contact| {
            store.confirm_contact(ada.id, &contact, &challenge(id), LATER, &along(id, &ada)).await.unwrap()
        };
        let email = |text: &str| Contact::Email(text.to_owned());
        assert_eq!(confirm("c1", email("ada@shop.test")).await, Written::Done(()));
        let found = store.account(ada.id).await.unwrap().unwrap();
        assert_eq!((found.email_verified_at, found.credentials_changed_at), (Some(LATER), NOON));

        assert_eq!(confirm("c2", email("bob@shop.test")).await, Written::Taken);
        assert_eq!(confirm("c2", Contact::Phone("+15550100001".to_owned())).await, Written::Done(()));
        let found = store.account_by_phone("+15550100001").await.unwrap().unwrap();
        assert_eq!((found.id, found.phone_verified_at, found.credentials_changed_at), (ada.id, Some(LATER), LATER));
        // The change of the number has ended what was issued before it.
        assert_eq!(confirm("c3", email("new@shop.test")).await, Written::Outdated);
        assert_eq!(told(store).await.0, ["c1", "c2"]);
        stores.close().await;
    })
    .await;
}

#[tokio::test]
async fn a_change_of_standing_but_of_the_role_ends_every_session() {
    Place::each(&BACKENDS, async |place| {
        let (stores, ada, _) = with_ada(place, 0).await;
        let store = &stores.accounts;
        let change = async |standing: Standing<'_>, version: i64| {
            let running = Session { auth_version: version, ..session(u128::try_from(version).unwrap(), &ada) };
            store.insert_session(&running).await.unwrap();
            let changed =
                store.change_standing(ada.id, standing, "admin", LATER, &along("changed", &ada)).await.unwrap();
            let Written::Done(changed) = changed else { panic!("{standing:?}") };
            assert_eq!(changed.sessions, [running.id], "{standing:?}");
            assert_eq!(changed.account.auth_version, version + 1);
            changed.account
        };
        assert_eq!(change(Standing::Disabled, 1).await.disabled_at, Some(LATER));
        assert_eq!(change(Standing::Enabled, 2).await.disabled_at, None);
        assert_eq!(change(Standing::Deleted, 3).await.deleted_at, Some(LATER));
        for late in [role("user", "operator"), Standing::Disabled, Standing::Deleted] {
            let late = store.change_standing(ada.id, late, "admin", LATER, &along("late", &ada)).await.unwrap();
            assert!(matches!(late, Written::Outdated));
        }
        assert!(store.update_profile(ada.id, Some("x"), None, &Accompanying::default()).await.unwrap().is_none());
        assert_eq!(told(store).await.0, ["changed"; 3]);
        stores.close().await;
    })
    .await;
}

#[tokio::test]
async fn of_two_admins_who_remove_each_other_one_stays() {
    Place::each(&BACKENDS, async |place| {
        let stores = place.open_at(NOON).await;
        for number in 1..=2 {
            let admin = Account { role: "admin".to_owned(), ..account(number, &format!("a{number}@shop.test")) };
            stores.accounts.insert_account(&admin).await.unwrap();
        }
        let outcomes = at_once(8, |number| {
            let store = stores.accounts.clone();
            let admin = Uuid::from_u128(number as u128 % 2 + 1);
            async move {
                let standing = match number / 2 % 3 {
                    0 => role("admin", "user"),
                    1 => Standing::Disabled,
                    _ => Standing::Deleted,
                };
                let changed =
                    store.change_standing(admin, standing, "admin", LATER, &Accompanying::default()).await.unwrap();
                matches!(changed, Written::Needed)
            }
        });
        assert!(outcomes.await.into_iter().any(|refused| refused), "one of them was needed");
        let left = place
            .ask("SELECT count(*) FROM accounts WHERE role = 'admin' AND disabled_at IS NULL AND deleted_at IS NULL");
        assert_eq!(left.await, 1);
        stores.close().await;
    })
    .await;
}

#[tokio::test]
async fn sessions_end_one_by_one_or_together() {
    Place::each(&BACKENDS, async |place| {
        let (stores, ada, sessions) = with_ada(place, 4).await;
        let store = &stores.accounts;
        let end = async |which: Ending| {
            let mut ended = store.end_sessions_of(ada.id, which, LATER, &along("ended", &ada)).await.unwrap();
            ended.sort();
            ended
        };
        assert_eq!(end(Ending::One(sessions[0].id)).await, [sessions[0].id]);
        assert!(end(Ending::One(sessions[0].id)).await.is_empty());
        assert_eq!(end(Ending::AllBut(sessions[1].id)).await, [sessions[2].id, sessions[3].id]);
        assert_eq!(live(store, &ada).await, [sessions[1].id]);
        let stranger =
            store.end_sessions_of(Uuid::from_u128(99), Ending::One(sessions[1].id), LATER, &along("x", &ada)).await;
        assert!(stranger.unwrap().is_empty());
        assert_eq!(end(Ending::All).await, [sessions[1].id]);
        assert_eq!(told(store).await.0, ["ended"; 3]);
        stores.close().await;
    })
    .await;
}

#[tokio::test]
async fn a_profile_changes_in_what_is_given() {
    Place::each(&BACKENDS, async |place| {
        let (stores, ada, _) = with_ada(place, 0).await;
        let change = async |name: Option<&str>, locale: Option<Option<&str>>| {
            let changed = stores.accounts.update_profile(ada.id, name, locale, &along("profile", &ada)).await;
            let changed = changed.unwrap().unwrap();
            (changed.name, changed.locale)
        };
        assert_eq!(change(Some("Grace"), None).await, ("Grace".to_owned(), None));
        assert_eq!(change(None, Some(Some("de"))).await, ("Grace".to_owned(), Some("de".to_owned())));
        assert_eq!(change(None, Some(None)).await, ("Grace".to_owned(), None));
        stores.close().await;
    })
    .await;
}

#[tokio::test]
async fn a_deleted_account_loses_its_personal_data_after_a_while() {
    Place::each(&BACKENDS, async |place| {
        let (stores, ada, _) = with_ada(place, 2).await;
        let store = &stores.accounts;
        let bob = account(2, "bob@shop.test");
        store.insert_account(&bob).await.unwrap();
        store.change_standing(ada.id, Standing::Deleted, "admin", LATER, &along("deleted", &ada)).await.unwrap();
        let end = LATER + Duration::HOUR;
        assert_eq!(store.purge_accounts(LATER, LATER).await.unwrap(), 0);
        assert_eq!(store.purge_accounts(end, end).await.unwrap(), 1);
        assert_eq!(store.purge_accounts(end, end).await.unwrap(), 0);
        let purged = store.account(ada.id).await.unwrap().unwrap();
        assert_eq!((purged.email, purged.name, purged.password_hash), (None, String::new(), None));
        assert_eq!(place.ask("SELECT count(*) FROM sessions").await, 0);
        assert_eq!(store.account(bob.id).await.unwrap().unwrap().name, "Ada");
        assert_eq!(told(store).await.1, ["deleted"], "the audit stays");
        stores.close().await;
    })
    .await;
}
