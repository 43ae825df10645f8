use reqwest::StatusCode;
use serde_json::{Value, json};
use shop::account;

use crate::harness::Shop;

#[tokio::test]
async fn knows_the_demo_accounts() {
    let shop = Shop::start().await;
    let get = async |id| shop.get("profiles", &format!("/profiles/{id}")).await.json();

    let user = get(account::USER).await;
    assert_eq!(user["given_name"], "Ada");
    assert_eq!(user["loyalty_enrolled"], true);
    assert_eq!(user["avatar"]["width"], 256);
    assert_eq!(get(account::OPERATOR).await["loyalty_enrolled"], true);
    assert_eq!(get(account::AUDITOR).await["loyalty_enrolled"], false);
    let admin = get(account::ADMIN).await;
    assert_eq!(admin["given_name"], Value::Null);
    assert_eq!(admin.get("avatar"), None);
}

#[tokio::test]
async fn invents_the_same_profile_for_a_new_account_every_time() {
    let shop = Shop::start().await;
    let path = "/profiles/0197a1c2-5b7e-7c11-9d3a-2f6f1c0b4e88";
    let first = shop.get("profiles", path).await.json();
    assert_eq!(first["id"], "0197a1c2-5b7e-7c11-9d3a-2f6f1c0b4e88");
    assert_eq!(first["loyalty_enrolled"], false);
    assert_eq!(first, shop.get("profiles", path).await.json());
}

#[tokio::test]
async fn other_ids_and_paths_are_not_found() {
    let shop = Shop::start().await;
    let nobody = shop.get("profiles", "/profiles/nobody").await;
    assert_eq!(nobody.status, StatusCode::NOT_FOUND);
    assert_eq!(nobody.content_type, "application/problem+json");
    assert_eq!(
        nobody.json(),
        json!({"type": "about:blank", "title": "Not Found", "status": 404, "detail": "no profile has this id"})
    );
    let elsewhere = shop.get("profiles", "/elsewhere").await;
    assert_eq!(elsewhere.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_batch_answers_in_order_and_leaves_out_who_is_unknown() {
    let shop = Shop::start().await;
    let ids = [account::ADMIN, "nobody", account::USER, account::ADMIN].join(",");
    let batch = shop.get("profiles", &format!("/profiles?ids={ids}")).await.json();
    let names: Vec<&Value> = batch["items"].as_array().unwrap().iter().map(|p| &p["display_name"]).collect();
    assert_eq!(names, ["Margaret Hamilton", "Ada Lovelace"]);

    let without_ids = shop.get("profiles", "/profiles").await;
    assert_eq!(without_ids.status, StatusCode::BAD_REQUEST);
    assert_eq!(without_ids.content_type, "application/problem+json");
}

#[tokio::test]
async fn a_change_is_a_merge_patch_of_one_profile() {
    let shop = Shop::start().await;
    let path = |id: &str| format!("/profiles/{id}");
    let others = shop.get("profiles", &path(account::OPERATOR)).await.text;
    let patch = async |media_type: &str, body: &str| {
        let answer = shop.patch("profiles", &path(account::USER), media_type, body).await;
        (answer.status, answer.json())
    };
    let merge_patch = "application/merge-patch+json";

    let (status, changed) = patch(merge_patch, r#"{"given_name": "Augusta", "newsletter": false}"#).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!((&changed["given_name"], &changed["newsletter"]), (&json!("Augusta"), &json!(false)));
    assert_eq!((&changed["display_name"], &changed["family_name"]), (&json!("Ada Lovelace"), &json!("Lovelace")));
    assert_eq!(shop.get("profiles", &path(account::USER)).await.json(), changed);
    assert_eq!(shop.get("profiles", &path(account::OPERATOR)).await.text, others);

    for body in [r#"{"given_name": " "}"#, r#"{"id": "x"}"#, "{", "[1]"] {
        assert_eq!(patch(merge_patch, body).await.0, StatusCode::BAD_REQUEST, "{body}");
    }
    assert_eq!(patch("application/json", "{}").await.0, StatusCode::UNSUPPORTED_MEDIA_TYPE);
}
