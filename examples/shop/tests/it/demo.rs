//! The demo ends well, and begins again with what it had.

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::harness::Folder;
use crate::process::Demo;

impl Demo {
    /// The screen has a deadline, which a busy machine may miss once.
    async fn home(&self, login: &Value) -> Value {
        let url = format!("{}/v1/home?orders=20", self.beside("bff"));
        for _ in 0..10 {
            let request = reqwest::Client::new().get(&url).bearer_auth(login["accessToken"].as_str().unwrap());
            let response = request.send().await.unwrap();
            if response.status() == StatusCode::OK {
                return response.json().await.unwrap();
            }
        }
        panic!("no home screen");
    }

    /// Reads an order and changes its note, each under the version that it has.
    async fn version(&self, login: &Value, order: &str) -> (String, [StatusCode; 3]) {
        let url = format!("{}/v1/orders/{order}", self.beside("bff"));
        let token = login["accessToken"].as_str().unwrap();
        let http = reqwest::Client::new();
        let read = http.get(&url).bearer_auth(token).send().await.unwrap();
        assert_eq!(read.status(), StatusCode::OK);
        let etag = read.headers()["etag"].to_str().unwrap().to_owned();
        let known = http.get(&url).bearer_auth(token).header("if-none-match", &etag).send().await.unwrap();
        let change = |version: &str| {
            let note = json!({ "note": "Ring twice" });
            http.patch(&url).bearer_auth(token).header("if-match", version).json(&note).send()
        };
        let fits = change(&etag).await.unwrap();
        let stale = change(&etag).await.unwrap();
        (etag, [known.status(), fits.status(), stale.status()])
    }
}

#[tokio::test]
async fn starts_stops_and_starts_again_on_the_same_data() {
    let data = Folder::new();
    let demo = Demo::start(&data.0);
    let identifier = demo.beside("accounts").trim_end_matches(',');
    let (status, login) =
        demo.post("/v1/auth/login", &json!({"identifier": identifier, "password": demo.beside("password")})).await;
    assert_eq!((status, &login["user"]["id"]), (StatusCode::OK, &json!(shop::account::USER)));
    let first = demo.home(&login).await;
    assert_eq!(first["greeting"], "Hi, Ada");
    assert_eq!(first["recentOrders"].as_array().unwrap().len(), 12);
    let order = first["recentOrders"][0]["id"].as_str().unwrap();
    let (etag, statuses) = demo.version(&login, order).await;
    assert!(etag.starts_with('"') && etag.ends_with('"'), "{etag}");
    assert_eq!(statuses, [StatusCode::NOT_MODIFIED, StatusCode::OK, StatusCode::PRECONDITION_FAILED]);
    demo.hang_up().await;
    let (ended_well, log) = demo.interrupt();
    assert!(log.contains("SIGHUP"), "{log}");
    // A change that came too late is its client's affair.
    assert!(ended_well && !log.contains("WARN"), "{log}");

    let demo = Demo::start(&data.0);
    let (status, renewed) = demo.post("/v1/auth/refresh", &json!({"refreshToken": login["refreshToken"]})).await;
    assert_eq!(status, StatusCode::OK, "{renewed}");
    assert_eq!(demo.home(&renewed).await["recentOrders"], first["recentOrders"]);
    let (ended_well, log) = demo.interrupt();
    assert!(ended_well && !log.contains("made a signing key"), "{log}");
}
