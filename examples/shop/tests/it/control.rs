use reqwest::StatusCode;
use serde_json::json;

use crate::harness::Shop;

#[tokio::test]
async fn shows_every_upstream() {
    let shop = Shop::start().await;
    let list = shop.get("control", "/upstreams").await.json();
    assert_eq!(list.as_array().unwrap().len(), 4);
    assert_eq!(
        list[0],
        json!({
            "name": "profiles",
            "address": shop.address("profiles").to_string(),
            "mode": "ok",
            "delay_ms": 0,
            "calls": 0,
            "failures": 0,
        })
    );
}

#[tokio::test]
async fn the_page_needs_nothing_from_elsewhere() {
    let shop = Shop::start().await;
    let page = shop.get("control", "/").await;
    assert_eq!(page.content_type, "text/html; charset=utf-8");
    assert!(page.text.contains("<title>The shop's upstreams</title>"));
    for remote in ["src=", "https://", "@import"] {
        assert!(!page.text.contains(remote), "{remote}");
    }
}

#[tokio::test]
async fn changes_only_what_is_named() {
    let shop = Shop::start().await;
    let slow = shop.control("loyalty", json!({"delay_ms": 1})).await.json();
    assert_eq!((&slow["mode"], &slow["delay_ms"]), (&json!("ok"), &json!(1)));
    let broken = shop.control("loyalty", json!({"mode": "error"})).await.json();
    assert_eq!((&broken["mode"], &broken["delay_ms"]), (&json!("error"), &json!(1)));
}

#[tokio::test]
async fn a_mistake_is_explained() {
    let shop = Shop::start().await;
    let unknown = shop.control("payments", json!({"mode": "ok"})).await;
    assert_eq!(unknown.status, StatusCode::NOT_FOUND);
    assert_eq!(unknown.json()["detail"], "no such upstream; there are: profiles, catalog, loyalty, orders");

    for (body, detail) in [
        (r#"{"mode": "on"}"#, "unknown variant `on`"),
        (r#"{"delay": 3}"#, "unknown field `delay`"),
        (r#"{"delay_ms": 60001}"#, "delay_ms: at most 60000"),
        (r#"{"delay_ms": -1}"#, "invalid value"),
        ("delay_ms=300", "expected value"),
        ("", "EOF"),
    ] {
        let refused = shop.control_text("loyalty", body).await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{body}");
        let said = refused.json()["detail"].as_str().unwrap().to_owned();
        assert!(said.contains(detail), "{body}: {said}");
    }
    let too_long = shop.control_text("loyalty", &" ".repeat(5000)).await;
    assert_eq!(too_long.status, StatusCode::PAYLOAD_TOO_LARGE);
}
