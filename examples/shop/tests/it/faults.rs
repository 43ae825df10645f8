use std::io::ErrorKind;
use std::time::Duration;

use reqwest::StatusCode;
use serde_json::json;
use shop::account;
use shop::loyalty::pb::GetBalanceRequest;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tonic::{Code, Request};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use crate::harness::Shop;

fn balance() -> Request<GetBalanceRequest> {
    Request::new(GetBalanceRequest { user_id: account::USER.to_owned() })
}

#[tokio::test]
async fn error_is_500_over_http_and_internal_over_grpc() {
    let shop = Shop::start().await;
    shop.control("catalog", json!({"mode": "error"})).await;
    shop.control("loyalty", json!({"mode": "error"})).await;

    let catalog = shop.get("catalog", "/products/p1").await;
    assert_eq!(catalog.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(catalog.content_type, "application/problem+json");
    assert_eq!(shop.calls("catalog").await, json!({"calls": 1, "failures": 1}));

    let loyalty = shop.loyalty().get_balance(balance()).await.unwrap_err();
    assert_eq!(loyalty.code(), Code::Internal);
    assert_eq!(loyalty.message(), "broken on purpose");
    assert_eq!(shop.calls("loyalty").await, json!({"calls": 1, "failures": 1}));

    shop.control("loyalty", json!({"mode": "ok"})).await;
    assert!(shop.loyalty().get_balance(balance()).await.is_ok());
    assert_eq!(shop.calls("loyalty").await, json!({"calls": 2, "failures": 1}));
}

#[tokio::test]
async fn garbage_is_a_success_that_nobody_can_read() {
    let shop = Shop::start().await;
    shop.control("profiles", json!({"mode": "garbage"})).await;
    shop.control("loyalty", json!({"mode": "garbage"})).await;

    let profile = shop.get("profiles", "/profiles/x").await;
    assert_eq!((profile.status, profile.content_type.as_str()), (StatusCode::OK, "application/json"));
    assert!(serde_json::from_str::<serde_json::Value>(&profile.text).is_err());

    let loyalty = shop.loyalty().get_balance(balance()).await.unwrap_err();
    assert!(loyalty.message().contains("decode"), "{loyalty:?}");
}

#[tokio::test]
async fn a_delayed_answer_comes_after_the_client_has_given_up() {
    let shop = Shop::start().await;
    shop.control("catalog", json!({"delay_ms": 60_000})).await;
    shop.control("loyalty", json!({"delay_ms": 60_000})).await;

    let url = format!("http://{}/products/p1", shop.address("catalog"));
    let request = reqwest::Client::new().get(url).timeout(Duration::from_millis(100));
    assert!(request.send().await.unwrap_err().is_timeout());

    let mut request = balance();
    request.set_timeout(Duration::from_millis(100));
    let late = shop.loyalty().get_balance(request).await.unwrap_err();
    assert!(matches!(late.code(), Code::Cancelled | Code::DeadlineExceeded), "{late:?}");

    shop.control("catalog", json!({"delay_ms": 1})).await;
    assert_eq!(shop.get("catalog", "/products/p1").await.status, StatusCode::OK);
    assert_eq!(shop.calls("catalog").await, json!({"calls": 2, "failures": 0}));
}

#[tokio::test]
async fn stopped_refuses_connections_and_closes_open_ones() {
    let shop = Shop::start().await;
    let address = shop.address("loyalty");
    let mut loyalty = shop.loyalty();
    loyalty.get_balance(balance()).await.unwrap();
    let mut open = TcpStream::connect(address).await.unwrap();

    shop.control("loyalty", json!({"mode": "stopped"})).await;
    let refused = TcpStream::connect(address).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    assert!(matches!(open.read(&mut [0; 1]).await, Ok(0) | Err(_)));
    let away = loyalty.get_balance(balance()).await.unwrap_err();
    assert_eq!(away.code(), Code::Unavailable);

    // A change that is not about the mode leaves it stopped.
    let state = shop.control("loyalty", json!({"delay_ms": 1})).await.json();
    assert_eq!((&state["mode"], &state["delay_ms"]), (&json!("stopped"), &json!(1)));
    assert!(TcpStream::connect(address).await.is_err());

    shop.control("loyalty", json!({"mode": "ok"})).await;
    assert_eq!(shop.address("loyalty"), address);
    loyalty.get_balance(balance()).await.unwrap();
}

#[tokio::test]
async fn orders_svc_stops_and_starts_too() {
    let shop = Shop::start().await;
    let mut health = HealthClient::new(shop.channel("orders"));
    health.check(HealthCheckRequest::default()).await.unwrap();

    shop.control("orders", json!({"mode": "stopped"})).await;
    let away = health.check(HealthCheckRequest::default()).await.unwrap_err();
    assert_eq!(away.code(), Code::Unavailable);

    shop.control("orders", json!({"mode": "error"})).await;
    let broken = health.check(HealthCheckRequest::default()).await.unwrap_err();
    assert_eq!(broken.code(), Code::Internal);

    shop.control("orders", json!({"mode": "ok"})).await;
    health.check(HealthCheckRequest::default()).await.unwrap();
}
