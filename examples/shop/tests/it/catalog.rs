use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::harness::Shop;

async fn ids(shop: &Shop, path: &str) -> Vec<String> {
    let list = shop.get("catalog", path).await.json();
    let items = list["items"].as_array().unwrap();
    items.iter().map(|item| item["id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn one_product() {
    let shop = Shop::start().await;
    let product = shop.get("catalog", "/products/p1").await.json();
    assert_eq!(product["title"], "Linen notebook A5");
    assert_eq!(product["price"], json!({"amount": "12.50", "currency": "USD"}));
    assert_eq!(shop.get("catalog", "/products/p4").await.json()["image"], Value::Null);

    let unknown = shop.get("catalog", "/products/p21").await;
    assert_eq!(unknown.status, StatusCode::NOT_FOUND);
    assert_eq!(unknown.json()["detail"], "no product has this id");
}

#[tokio::test]
async fn a_batch_is_in_the_order_asked_for_without_repeats_and_strangers() {
    let shop = Shop::start().await;
    assert_eq!(ids(&shop, "/products?ids=p7,p99,p2,p7").await, ["p7", "p2"]);
    assert_eq!(ids(&shop, "/products?ids=").await, [""; 0]);
}

#[tokio::test]
async fn a_batch_has_at_most_fifty_ids() {
    let shop = Shop::start().await;
    let path = |count| {
        let ids: Vec<String> = (1..=count).map(|n| format!("p{n}")).collect();
        format!("/products?ids={}", ids.join(","))
    };
    assert_eq!(ids(&shop, &path(50)).await.len(), 20);

    let too_many = shop.get("catalog", &path(51)).await;
    assert_eq!(too_many.status, StatusCode::BAD_REQUEST);
    assert_eq!(too_many.json()["detail"], "ids: at most 50 per call");
}

#[tokio::test]
async fn lists_by_category_up_to_a_limit() {
    let shop = Shop::start().await;
    assert_eq!(ids(&shop, "/products").await.len(), 20);
    assert_eq!(ids(&shop, "/products?category=games").await, ["p18", "p19", "p20"]);
    assert_eq!(ids(&shop, "/products?category=kitchen&limit=2").await, ["p5", "p6"]);

    for limit in ["0", "51", "many"] {
        let refused = shop.get("catalog", &format!("/products?limit={limit}")).await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST, "limit={limit}");
    }
}
