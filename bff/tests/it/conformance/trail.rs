//! The audit, the outbox, the login history, and accounts as an admin looks for them.

use std::time::Duration;

use bff::store::{Accompanying, Account, AccountFilter, AccountState, LoginEntry, Position};
use time::OffsetDateTime;
use uuid::Uuid;

use super::accounts::{BACKENDS, NOON, account};
use super::changes::{entry, event};
use super::{Place, at_once};

const LEASE: Duration = Duration::from_secs(30);

#[tokio::test]
async fn the_audit_is_read_in_pages_and_never_rewritten() {
    Place::each(&BACKENDS, async |place| {
        let stores = place.open_at(NOON).await;
        let store = &stores.accounts;
        let (ada, bob) = (Uuid::from_u128(1), Uuid::from_u128(2));
        // All at once: their ids alone tell them apart.
        let audit: Vec<_> = [("a", ada), ("b", bob), ("c", ada)].map(|(action, who)| entry(action, who)).into();
        store.note(&Accompanying { audit: audit.clone(), events: Vec::new() }).await.unwrap();

        let first = store.audit(None, None, 2).await.unwrap();
        assert_eq!(first, [audit[2].clone(), audit[1].clone()]);
        let after = Position { at: first[1].at, id: first[1].id };
        assert_eq!(store.audit(None, Some(after), 2).await.unwrap(), audit[..1]);
        let of_ada = store.audit(Some(&ada.to_string()), None, 10).await.unwrap();
        assert_eq!(of_ada, [audit[2].clone(), audit[0].clone()]);

        for change in ["DELETE FROM audit", "UPDATE audit SET result = 'x'"] {
            assert!(place.run(change).await.is_err(), "{change}");
        }
        stores.close().await;
    })
    .await;
}

#[tokio::test]
async fn events_are_claimed_in_order_by_one_publisher() {
    Place::each(&BACKENDS, async |place| {
        let stores = place.open_at(NOON).await;
        let store = &stores.accounts;
        let events: Vec<_> = ["a", "b", "c"].map(|name| event(name, Uuid::nil())).into();
        store.note(&Accompanying { audit: Vec::new(), events: events.clone() }).await.unwrap();

        assert_eq!(store.claim_events(2, LEASE, NOON).await.unwrap(), events[..2]);
        assert!(store.claim_events(2, LEASE, NOON).await.unwrap().is_empty(), "another has its turn");
        store.published(events[0].id).await.unwrap();
        store.release_event(events[1].id).await.unwrap();
        assert_eq!(store.claim_events(1, LEASE, NOON).await.unwrap(), events[1..2]);
        // Whoever had it is gone.
        assert_eq!(store.claim_events(5, LEASE, NOON + LEASE).await.unwrap(), events[1..]);
        stores.close().await;
    })
    .await;
}

#[tokio::test]
async fn of_twenty_publishers_one_gets_the_events() {
    Place::each(&BACKENDS, async |place| {
        let stores = place.open_at(NOON).await;
        let events = (0..10).map(|_| event("a", Uuid::nil())).collect();
        stores.accounts.note(&Accompanying { audit: Vec::new(), events }).await.unwrap();
        let claimed = at_once(20, |_| {
            let store = stores.accounts.clone();
            async move { store.claim_events(100, LEASE, NOON).await.unwrap().len() }
        });
        assert_eq!(claimed.await.into_iter().sum::<usize>(), 10);
        stores.close().await;
    })
    .await;
}

#[tokio::test]
async fn a_login_is_remembered_once() {
    Place::each(&BACKENDS, async |place| {
        let stores = place.open_at(NOON).await;
        let store = &stores.accounts;
        let login = |number: u128, at: OffsetDateTime| LoginEntry {
            id: Uuid::from_u128(number),
            account_id: Uuid::from_u128(7),
            at,
            kind: "token".to_owned(),
            network: None,
            user_agent: Some("test".to_owned()),
            result: "ok".to_owned(),
        };
        // The stores sweep by the real clock.
        let far = time::macros::datetime!(2200-01-01 12:00 UTC);
        let (first, second) = (login(1, far), login(2, far + Duration::from_secs(1)));
        for login in [&first, &second] {
            assert!(store.insert_login(login).await.unwrap());
            assert!(!store.insert_login(login).await.unwrap());
        }
        assert_eq!(store.logins(first.account_id, None, 10).await.unwrap(), [second.clone(), first.clone()]);
        let before = Position { at: second.at, id: second.id };
        assert_eq!(store.logins(first.account_id, Some(before), 10).await.unwrap(), [first]);
        assert!(store.logins(Uuid::from_u128(8), None, 10).await.unwrap().is_empty());
        assert_eq!(store.forget_logins(second.at).await.unwrap(), 1);
        stores.close().await;
    })
    .await;
}

#[tokio::test]
async fn accounts_are_found_by_everything_that_is_given() {
    Place::each(&BACKENDS, async |place| {
        let stores = place.open_at(NOON).await;
        let store = &stores.accounts;
        let named = |number: u128, name: &str| Account {
            name: name.to_owned(),
            created_at: NOON + Duration::from_secs(u64::try_from(number).unwrap()),
            ..account(number, &format!("a{number}@shop.test"))
        };
        let accounts = [
            named(1, "Ada"),
            Account { role: "admin".to_owned(), ..named(2, "ada_b") },
            Account { phone: Some("+15550100001".to_owned()), disabled_at: Some(NOON), ..named(3, "adaXb") },
            Account { deleted_at: Some(NOON), ..named(4, "Bob") },
        ];
        for account in &accounts {
            store.insert_account(account).await.unwrap();
        }
        let find = async |filter: AccountFilter| {
            let found = store.search_accounts(&filter, None, 10).await.unwrap();
            found.into_iter().map(|account| account.id.as_u128()).collect::<Vec<_>>()
        };
        let none = AccountFilter::default;
        let text = |text: &str| Some(text.to_owned());
        assert_eq!(find(none()).await, [4, 3, 2, 1]);
        assert_eq!(find(AccountFilter { name: text("ADA"), ..none() }).await, [3, 2, 1]);
        assert_eq!(find(AccountFilter { name: text("ada_"), ..none() }).await, [2]);
        assert_eq!(find(AccountFilter { name: text("%"), ..none() }).await, [0; 0]);
        assert_eq!(find(AccountFilter { email: text("a1@shop.test"), ..none() }).await, [1]);
        assert_eq!(find(AccountFilter { phone: text("+15550100001"), ..none() }).await, [3]);
        assert_eq!(find(AccountFilter { role: text("admin"), ..none() }).await, [2]);
        assert_eq!(find(AccountFilter { state: Some(AccountState::Active), ..none() }).await, [2, 1]);
        assert_eq!(find(AccountFilter { state: Some(AccountState::Disabled), ..none() }).await, [3]);
        assert_eq!(find(AccountFilter { state: Some(AccountState::Deleted), ..none() }).await, [4]);
        let page = store.search_accounts(&none(), None, 2).await.unwrap();
        let after = Position { at: page[1].created_at, id: page[1].id };
        assert_eq!(store.search_accounts(&none(), Some(after), 1).await.unwrap()[0].id.as_u128(), 2);
        stores.close().await;
    })
    .await;
}
