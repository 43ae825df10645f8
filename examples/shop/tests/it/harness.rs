//! Starts every upstream on a free port, and calls them as anybody would.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use reqwest::StatusCode;
use serde_json::{Value, json};
use shop::backends::{Addresses, Backends};
use shop::loyalty::pb::loyalty_service_client::LoyaltyServiceClient;
use tonic::transport::{Channel, Endpoint};
use uuid::Uuid;

pub struct Shop {
    pub backends: Backends,
    http: reqwest::Client,
    data: Folder,
}

pub struct Answer {
    pub status: StatusCode,
    pub content_type: String,
    pub text: String,
}

/// A folder that goes away with the test.
pub struct Folder(pub PathBuf);

impl Shop {
    pub async fn start() -> Self {
        let anywhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let addresses =
            Addresses { control: anywhere, profiles: anywhere, catalog: anywhere, loyalty: anywhere, orders: anywhere };
        let data = Folder::new();
        let orders = orders(&data.0);
        Self { backends: Backends::start(addresses, Some(orders)).await.unwrap(), http: reqwest::Client::new(), data }
    }

    pub fn orders(&self) -> orders_svc::Config {
        orders(&self.data.0)
    }

    pub fn address(&self, name: &str) -> SocketAddr {
        if name == "control" {
            return self.backends.control_address();
        }
        self.backends.find(name).unwrap().address()
    }

    pub async fn get(&self, part: &str, path: &str) -> Answer {
        let url = format!("http://{}{path}", self.address(part));
        answer(self.http.get(url)).await
    }

    pub async fn patch(&self, part: &str, path: &str, media_type: &str, body: &str) -> Answer {
        let url = format!("http://{}{path}", self.address(part));
        answer(self.http.patch(url).header("content-type", media_type).body(body.to_owned())).await
    }

    pub async fn control(&self, name: &str, change: Value) -> Answer {
        self.control_text(name, &change.to_string()).await
    }

    pub async fn control_text(&self, name: &str, body: &str) -> Answer {
        let url = format!("http://{}/upstreams/{name}", self.address("control"));
        answer(self.http.post(url).body(body.to_owned())).await
    }

    pub async fn calls(&self, name: &str) -> Value {
        let state = self.get("control", &format!("/upstreams/{name}")).await.json();
        json!({ "calls": state["calls"], "failures": state["failures"] })
    }

    pub fn channel(&self, name: &str) -> Channel {
        let uri = format!("http://{}", self.address(name));
        Endpoint::from_shared(uri).unwrap().connect_lazy()
    }

    pub fn loyalty(&self) -> LoyaltyServiceClient<Channel> {
        LoyaltyServiceClient::new(self.channel("loyalty"))
    }
}

impl Folder {
    /// Named, not made: whoever needs it makes it.
    pub fn new() -> Self {
        Self(std::env::temp_dir().join(format!("shop-{}", Uuid::new_v4())))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap()
    }
}

/// Health and reflection need no token, so nobody serves the keys.
fn orders(data: &Path) -> orders_svc::Config {
    orders_svc::Config {
        listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
        database_url: format!("sqlite:{}", data.join("orders.db").display()),
        jwks_url: "http://127.0.0.1:9/jwks.json".to_owned(),
        issuer: None,
        audience: "orders".to_owned(),
    }
}

async fn answer(request: reqwest::RequestBuilder) -> Answer {
    let response = request.send().await.unwrap();
    Answer {
        status: response.status(),
        content_type: response.headers()["content-type"].to_str().unwrap().to_owned(),
        text: response.text().await.unwrap(),
    }
}
