//! Sessions that go on as others: renewed with another role, and replaced by a successor.

use bff::store::{Accompanying, Ends, Lapse, Lapsed, Previous, Session, SessionKind, Standing, Written};
use time::Duration;
use uuid::Uuid;

use super::accounts::{BACKENDS, FAR, NOON, session};
use super::changes::{LATER, along, live, role, told, with_ada};
use super::{Place, at_once};

#[tokio::test]
async fn another_role_renews_what_is_live_and_ends_nothing() {
    Place::each(&BACKENDS, async |place| {
        let (stores, ada, _) = with_ada(place, 0).await;
        let store = &stores.accounts;
        let browser = Session { kind: SessionKind::Cookie, ..session(1, &ada) };
        let app = session(2, &ada);
        let ended = Session { revoked_at: Some(NOON), ..session(3, &ada) };
        let outdated = Session { auth_version: 0, ..session(4, &ada) };
        for session in [&browser, &app, &ended, &outdated] {
            store.insert_session(session).await.unwrap();
        }
        store.update_session(&ended).await.unwrap();
        let cookie = Ends { idle: FAR - Duration::HOUR, absolute: FAR };
        let token = Ends { idle: FAR + Duration::HOUR, absolute: FAR + Duration::weeks(2) };
        let latest = [(SessionKind::Cookie, cookie), (SessionKind::Token, token)];
        let standing = Standing::Role { old: "user", new: "operator", latest };
        let changed = store.change_standing(ada.id, standing, "admin", LATER, &along("role", &ada)).await.unwrap();
        let Written::Done(mut changed) = changed else { panic!() };
        changed.sessions.sort();
        assert_eq!((changed.account.role.as_str(), changed.account.auth_version), ("operator", 2));
        assert_eq!(changed.sessions, [browser.id, app.id]);
        assert_eq!(told(store).await.0, ["role"]);

        let renewed = store.session(browser.id).await.unwrap().unwrap();
        assert_eq!((renewed.auth_version, renewed.tokens_from, renewed.revision), (2, 2, 1));
        assert_eq!((renewed.renewed_at, renewed.revoked_at), (Some(LATER), None));
        assert_eq!((renewed.idle_expires_at, renewed.absolute_expires_at), (cookie.idle, cookie.absolute));
        let renewed = store.session(app.id).await.unwrap().unwrap();
        let (idle, absolute) = (app.idle_expires_at, app.absolute_expires_at);
        assert_eq!((renewed.idle_expires_at, renewed.absolute_expires_at), (idle, absolute), "never later than before");
        assert_eq!(store.session(outdated.id).await.unwrap().unwrap().auth_version, 0);

        let mut lapses = store.lapsed_since(LATER - Duration::SECOND, 10).await.unwrap();
        lapses.sort_by_key(|lapse| lapse.session);
        let lapse = |session| Lapse { session, at: LATER, what: Lapsed::TokensBefore(2) };
        assert_eq!(lapses, [lapse(browser.id), lapse(app.id)]);
        stores.close().await;
    })
    .await;
}

/// The record that gives way, and its successor.
fn succession(old: &Session, number: u128) -> (Session, Session) {
    let previous =
        Previous { secret_hash: old.secret_hash, sealed_successor: vec![1], rotated_at: NOON + Duration::HOUR };
    let given_way = Session { previous: Some(previous), ..old.clone() };
    let id = Uuid::from_u128(number);
    let secret_hash = [u8::try_from(number).unwrap(); 32];
    (given_way, Session { id, secret_hash, ..old.clone() })
}

#[tokio::test]
async fn of_twenty_successors_of_a_session_one_takes_its_place() {
    Place::each(&BACKENDS, async |place| {
        let (stores, ada, _) = with_ada(place, 0).await;
        let store = &stores.accounts;
        let browser = Session { kind: SessionKind::Cookie, ..session(1, &ada) };
        store.insert_session(&browser).await.unwrap();
        let won = at_once(20, |number| {
            let store = stores.accounts.clone();
            let (old, new) = succession(&browser, 100 + number as u128);
            async move { store.replace_session(&old, &new).await.unwrap() }
        });
        assert_eq!(won.await.into_iter().filter(|won| *won).count(), 1);
        assert_eq!(place.ask("SELECT count(*) FROM sessions").await, 2);
        let shown = live(store, &ada).await;
        assert!(shown.len() == 1 && shown != [browser.id], "the old one is no place where somebody is signed in");
        stores.close().await;
    })
    .await;
}

#[tokio::test]
async fn a_session_that_has_ended_has_no_successor() {
    Place::each(&BACKENDS, async |place| {
        let (stores, ada, _) = with_ada(place, 0).await;
        let store = &stores.accounts;
        let browser = Session { kind: SessionKind::Cookie, ..session(1, &ada) };
        store.insert_session(&browser).await.unwrap();
        let change = async |standing| {
            let changed = store.change_standing(ada.id, standing, "admin", LATER, &Accompanying::default()).await;
            assert!(matches!(changed.unwrap(), Written::Done(_)));
        };
        change(role("user", "auditor")).await;
        let (old, new) = succession(&browser, 100);
        assert!(!store.replace_session(&old, &new).await.unwrap(), "it was renewed meanwhile");
        let renewed = store.session(browser.id).await.unwrap().unwrap();
        change(Standing::Disabled).await;
        let (old, new) = succession(&renewed, 100);
        assert!(!store.replace_session(&old, &new).await.unwrap());
        assert!(store.session(new.id).await.unwrap().is_none());
        stores.close().await;
    })
    .await;
}
