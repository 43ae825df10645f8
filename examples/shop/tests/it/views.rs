//! Every view of the demo, used once through the server: a new one without a visit here fails.

use std::collections::BTreeSet;

use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};

use crate::harness::Folder;
use crate::process::Demo;

struct Visitor {
    demo: Demo,
    http: reqwest::Client,
    token: String,
    visited: BTreeSet<String>,
}

impl Visitor {
    async fn login(data: &Folder) -> Self {
        let demo = Demo::start(&data.0);
        let login = json!({"identifier": "user@shop.test", "password": demo.beside("password")});
        let (status, login) = demo.post("/v1/auth/login", &login).await;
        assert_eq!(status, StatusCode::OK, "{login}");
        let token = login["accessToken"].as_str().unwrap().to_owned();
        Self { demo, http: reqwest::Client::new(), token, visited: BTreeSet::new() }
    }

    /// A view by its route; `{id}` in it becomes `id`.
    fn request(&mut self, route: &str, id: &str, query: &str) -> RequestBuilder {
        self.visited.insert(route.to_owned());
        let (method, path) = route.split_once(' ').unwrap();
        let url = format!("{}{}{query}", self.demo.beside("bff"), path.replace("{id}", id));
        self.http.request(Method::from_bytes(method.as_bytes()).unwrap(), url).bearer_auth(&self.token)
    }

    /// A busy machine may miss the deadline of something that can be repeated.
    async fn get(&mut self, route: &str, id: &str, query: &str) -> Value {
        for _ in 0..10 {
            let response = self.request(&format!("GET {route}"), id, query).send().await.unwrap();
            if response.status() == StatusCode::OK {
                return response.json().await.unwrap();
            }
        }
        panic!("no answer from {route}");
    }

    async fn send(&mut self, route: &str, id: &str, body: &Value) -> (StatusCode, Value) {
        let key = format!("{route} {body}");
        let request = self
            .request(route, id, "")
            .header("idempotency-key", key.replace(|c: char| !c.is_ascii_alphanumeric(), "-"));
        let response = request.json(body).send().await.unwrap();
        let status = response.status();
        (status, response.json().await.unwrap())
    }

    async fn delete(&mut self, route: &str, id: &str) -> StatusCode {
        self.request(&format!("DELETE {route}"), id, "").send().await.unwrap().status()
    }

    /// What the upstream has, asked without the BFF.
    async fn behind(&self, upstream: &str, path: &str) -> Value {
        let url = format!("http://{}{path}", self.demo.beside(upstream));
        self.http.get(url).send().await.unwrap().json().await.unwrap()
    }

    /// The routes of all views.
    async fn views(&self) -> BTreeSet<String> {
        let url = format!("{}/openapi.json", self.demo.beside("bff"));
        let document: Value = self.http.get(url).send().await.unwrap().json().await.unwrap();
        let paths = document["paths"].as_object().unwrap();
        let of_path = |(path, operations): (&String, &Value)| {
            let operations = operations.as_object().unwrap().iter();
            let views = operations.filter(|(_, operation)| {
                !["account", "admin", "server"].contains(&operation["tags"][0].as_str().unwrap())
            });
            views.map(|(method, _)| format!("{} {path}", method.to_uppercase())).collect::<Vec<_>>()
        };
        paths.iter().flat_map(of_path).collect()
    }
}

#[tokio::test]
async fn every_view_does_what_its_file_says() {
    let data = Folder::new();
    let mut visitor = Visitor::login(&data).await;
    home_and_products(&mut visitor).await;
    spending(&mut visitor).await;
    orders(&mut visitor).await;
    addresses(&mut visitor).await;
    profile(&mut visitor).await;
    live(&mut visitor).await;
    assert_eq!(visitor.visited, visitor.views().await);
}

async fn home_and_products(visitor: &mut Visitor) {
    let home = visitor.get("/v1/home", "", "?orders=1").await;
    assert_eq!(home["recentOrders"][0]["lines"][0]["product"]["title"], "Waxed canvas tote");
    assert_eq!(home["rewards"], json!({"points": 1280, "tier": "GOLD"}));
    let mobile = visitor.get("/v1/home", "", "?variant=mobile").await;
    assert_eq!(mobile["recentOrders"].as_array().unwrap().len(), 3);
    assert_eq!(mobile["recentOrders"][0].get("lines"), None);
    let product = visitor.get("/v1/products/{id}", "p1", "").await;
    assert_eq!(product["price"], json!({"amount": "12.50", "currency": "USD"}));
}

async fn spending(visitor: &mut Visitor) {
    let spent = visitor.get("/v1/spending", "", "").await;
    assert_eq!((&spent["orders"], &spent["areAll"], &spent["products"]), (&json!(6), &json!(true), &json!(16)));
    assert_eq!(spent["total"], json!({"amount": "432.50", "currency": "USD"}));
    assert_eq!(spent["perOrderCents"], "7208");
    let dearest = spent["dearest"].as_array().unwrap();
    let amounts: Vec<&Value> = dearest.iter().map(|order| &order["total"]["amount"]).collect();
    assert_eq!(amounts, ["119.00", "89.40", "78.20"]);
}

async fn orders(visitor: &mut Visitor) {
    let product = json!({"productId": "p1", "quantity": 2, "unitPrice": {"amount": "12.50", "currency": "USD"}});
    let (status, placed) =
        visitor.send("POST /v1/orders", "", &json!({"lines": [product], "note": "Ring twice"})).await;
    assert_eq!((status, &placed["total"]["amount"]), (StatusCode::CREATED, &json!("25.00")), "{placed}");
    let id = placed["id"].as_str().unwrap();

    let pending = visitor.get("/v1/orders", "", "?status=PENDING&pageSize=1").await;
    assert_eq!((&pending["orders"][0]["id"], &pending["orders"][0]["lineCount"]), (&placed["id"], &json!(1)));
    let order = visitor.get("/v1/orders/{id}", id, "").await;
    assert_eq!((&order["note"], &order["lines"][0]["product"]["id"]), (&json!("Ring twice"), &json!("p1")));
    let (status, changed) = visitor.send("PATCH /v1/orders/{id}", id, &json!({"note": "Knock"})).await;
    assert_eq!((status, &changed["note"]), (StatusCode::OK, &json!("Knock")), "{changed}");

    let mut changes = visitor.request("GET /v1/orders/{id}/status", id, "").send().await.unwrap();
    assert!(changes.chunk().await.unwrap().unwrap().starts_with(b"retry: "));
    let first = changes.chunk().await.unwrap().unwrap();
    assert!(first.starts_with(br#"data: {"status":"PENDING","#), "{first:?}");
    let (status, cancelled) = visitor.send("POST /v1/orders/{id}/cancel", id, &json!({})).await;
    assert_eq!((status, &cancelled["status"]), (StatusCode::OK, &json!("CANCELLED")), "{cancelled}");
    let second = changes.chunk().await.unwrap().unwrap();
    assert!(second.starts_with(br#"data: {"status":"CANCELLED","#), "{second:?}");
    assert_eq!(visitor.delete("/v1/orders/{id}", id).await, StatusCode::NO_CONTENT);
}

async fn addresses(visitor: &mut Visitor) {
    let body = json!({"recipient": "Ada", "lines": ["Elm Street 1"], "city": "Bonn", "countryCode": "DE"});
    let (status, added) = visitor.send("POST /v1/addresses", "", &body).await;
    assert_eq!((status, &added["city"]), (StatusCode::CREATED, &json!("Bonn")), "{added}");
    let id = added["id"].as_str().unwrap();
    let (status, changed) = visitor.send("PATCH /v1/addresses/{id}", id, &json!({"city": "Cologne"})).await;
    assert_eq!((status, &changed["city"], &changed["recipient"]), (StatusCode::OK, &json!("Cologne"), &json!("Ada")));
    assert_eq!(visitor.get("/v1/addresses", "", "").await["addresses"], json!([changed]));
    assert_eq!(visitor.delete("/v1/addresses/{id}", id).await, StatusCode::NO_CONTENT);
}

/// `live` looks closer.
async fn live(visitor: &mut Visitor) {
    let upload = visitor.request("PUT /v1/avatar", "", "").header("content-type", "image/webp").body("a picture");
    assert_eq!(upload.send().await.unwrap().status(), StatusCode::NO_CONTENT);
    let picture = visitor.request("GET /v1/avatar", "", "").send().await.unwrap();
    assert_eq!(picture.bytes().await.unwrap(), "a picture");
    let room = visitor.request("GET /v1/rooms/{room}", "", "").send().await.unwrap();
    assert_eq!(room.status(), StatusCode::UPGRADE_REQUIRED);
}

async fn profile(visitor: &mut Visitor) {
    let others = format!("/profiles/{}", shop::account::OPERATOR);
    let before = visitor.behind("profiles", &others).await;
    let change = "PATCH /v1/profile";

    let (status, changed) = visitor.send(change, "", &json!({"givenName": "Augusta", "newsletter": false})).await;
    assert_eq!((status, &changed["displayName"]), (StatusCode::OK, &json!("Ada Lovelace")), "{changed}");
    assert_eq!(visitor.get("/v1/profile", "", "").await, changed);
    let behind = visitor.behind("profiles", &format!("/profiles/{}", shop::account::USER)).await;
    assert_eq!((&behind["given_name"], &behind["newsletter"]), (&json!("Augusta"), &json!(false)));

    let (status, refused) = visitor.send(change, "", &json!({"givenName": 7, "name": "Ada"})).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert_eq!(
        (&refused["errors"][0]["pointer"], &refused["errors"][1]["pointer"]),
        (&json!("/givenName"), &json!("/name"))
    );
    // What the service alone knows to be wrong is the client's mistake too.
    let (status, refused) = visitor.send(change, "", &json!({"displayName": ""})).await;
    assert_eq!((status, &refused["code"]), (StatusCode::BAD_REQUEST, &json!("invalid-request")));

    assert_eq!(visitor.delete("/v1/profile/avatar", "").await, StatusCode::NO_CONTENT);
    assert_eq!(visitor.get("/v1/profile", "", "").await["avatar"], Value::Null);
    assert_eq!(visitor.behind("profiles", &others).await, before);
}
