use std::collections::BTreeMap;
use std::net::SocketAddr;

use shop::backends::{Addresses, Backends};

use crate::harness::Shop;

fn addresses(variable: &str, value: &str) -> anyhow::Result<Addresses> {
    Addresses::from_env(&BTreeMap::from([(variable.to_owned(), value.to_owned())]))
}

#[test]
fn a_variable_moves_one_part() {
    let moved = addresses("SHOP__CATALOG__LISTEN", "127.0.0.1:17003").unwrap();
    assert_eq!(moved.catalog, SocketAddr::from(([127, 0, 0, 1], 17003)));
    assert_eq!(moved.profiles, SocketAddr::from(([127, 0, 0, 1], 7002)));
}

#[test]
fn a_mistake_is_named() {
    let unknown = addresses("SHOP__CATALOGUE__LISTEN", "127.0.0.1:1").unwrap_err();
    assert!(format!("{unknown:#}").starts_with("SHOP__CATALOGUE__LISTEN: no such setting"));

    let no_address = addresses("SHOP__CATALOG__LISTEN", "7003").unwrap_err();
    assert!(format!("{no_address:#}").starts_with(r#"SHOP__CATALOG__LISTEN: "7003" is not an address"#));
}

#[tokio::test]
async fn a_taken_port_says_what_to_set() {
    let shop = Shop::start().await;
    let taken = shop.address("profiles");
    let addresses = Addresses { profiles: taken, ..Addresses::default() };
    let Err(error) = Backends::start(addresses, Some(shop.orders())).await else {
        panic!("two servers on one port");
    };
    let said = error.to_string();
    assert!(said.starts_with(&format!("profiles cannot listen on {taken}: Address already in use")), "{said}");
    assert!(said.ends_with("; stop what runs there, or set SHOP__PROFILES__LISTEN to another address"), "{said}");
}
