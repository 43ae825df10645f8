//! The handler as a team would write it by hand: axum, a generated tonic client, reqwest and serde; typed structs,
//! `join!`, shared clients. `RT=current` runs it on one thread.

use axum::{
    Json, Router,
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::get,
    serve::ListenerExt,
};
use serde::{Deserialize, Serialize};
use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};
use tonic::transport::{Channel, Endpoint};

pub mod pb {
    tonic::include_proto!("orders.v1");
}
use pb::order_service_client::OrderServiceClient;

#[derive(Clone)]
struct App {
    orders: OrderServiceClient<Channel>,
    http: reqwest::Client,
    users_url: &'static str,
    products_url: &'static str,
    rewards_url: &'static str,
}

#[derive(Deserialize)]
struct Profile {
    display_name: String,
    avatar_url: String,
}
#[derive(Deserialize)]
struct Product {
    id: String,
    title: String,
    image_url: String,
}
#[derive(Deserialize, Serialize)]
struct Rewards {
    points: i64,
    tier: String,
}

#[derive(Serialize)]
struct Home {
    user: User,
    rewards: Option<Rewards>,
    orders: Vec<OrderView>,
}
#[derive(Serialize)]
struct User {
    name: String,
    avatar: String,
}
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct OrderView {
    id: String,
    status: &'static str,
    placed_at: String,
    total: String,
    currency: String,
    lines: Vec<LineView>,
}
#[derive(Serialize)]
struct LineView {
    quantity: i32,
    title: String,
    image: String,
}

enum AppError {
    Http(reqwest::Error),
    Grpc(tonic::Status),
    Data(&'static str),
}
impl From<reqwest::Error> for AppError {
    fn from(e: reqwest::Error) -> Self {
        AppError::Http(e)
    }
}
impl From<tonic::Status> for AppError {
    fn from(e: tonic::Status) -> Self {
        AppError::Grpc(e)
    }
}
impl IntoResponse for AppError {
    fn into_response(self) -> Response {
        let msg = match self {
            AppError::Http(e) => e.to_string(),
            AppError::Grpc(s) => s.to_string(),
            AppError::Data(s) => s.to_string(),
        };
        (StatusCode::BAD_GATEWAY, msg).into_response()
    }
}

impl App {
    async fn profile(&self, id: &str) -> Result<Profile, AppError> {
        Ok(self
            .http
            .get(format!("{}/users/{id}/profile", self.users_url))
            .send()
            .await?
            .error_for_status()?
            .json()
            .await?)
    }
    async fn rewards(&self, id: &str) -> Option<Rewards> {
        let call = async {
            self.http
                .get(format!("{}/users/{id}/rewards", self.rewards_url))
                .send()
                .await?
                .error_for_status()?
                .json::<Rewards>()
                .await
        };
        tokio::time::timeout(Duration::from_millis(200), call).await.ok()?.ok()
    }
    async fn orders(&self, id: &str) -> Result<(Vec<pb::Order>, HashMap<String, Product>), AppError> {
        let orders = self
            .orders
            .clone()
            .list_orders(pb::ListOrdersRequest { user_id: id.to_owned(), page_size: 5 })
            .await?
            .into_inner()
            .orders;
        let mut seen = HashSet::new();
        let mut ids = String::new();
        for line in orders.iter().flat_map(|o| &o.lines) {
            if seen.insert(line.product_id.as_str()) {
                if !ids.is_empty() {
                    ids.push(',');
                }
                ids.push_str(&line.product_id);
            }
        }
        let products: Vec<Product> = self
            .http
            .get(format!("{}/products?ids={ids}", self.products_url))
            .send()
            .await?
            .error_for_status()?
            .json()
            .await?;
        Ok((orders, products.into_iter().map(|p| (p.id.clone(), p)).collect()))
    }
}

fn status_name(s: i32) -> &'static str {
    let name = pb::OrderStatus::try_from(s).unwrap_or_default().as_str_name();
    name.strip_prefix("ORDER_STATUS_").unwrap_or(name)
}

async fn home(State(app): State<App>, Path(user_id): Path<String>) -> Result<Json<Home>, AppError> {
    let (profile, rewards, orders) = tokio::join!(app.profile(&user_id), app.rewards(&user_id), app.orders(&user_id));
    let profile = profile?;
    let (orders, products) = orders?;
    let orders = orders
        .into_iter()
        .map(|o| {
            let ts = o.created_at.unwrap_or_default();
            let total = o.total.unwrap_or_default();
            Ok(OrderView {
                id: o.id,
                status: status_name(o.status),
                placed_at: chrono::DateTime::from_timestamp(ts.seconds, ts.nanos as u32)
                    .ok_or(AppError::Data("bad timestamp"))?
                    .to_rfc3339_opts(chrono::SecondsFormat::Millis, true),
                total: format!("{}.{:02}", total.units, total.nanos / 10_000_000),
                currency: total.currency_code,
                lines: o
                    .lines
                    .iter()
                    .map(|l| {
                        let p = products.get(&l.product_id).ok_or(AppError::Data("unknown product"))?;
                        Ok(LineView { quantity: l.quantity, title: p.title.clone(), image: p.image_url.clone() })
                    })
                    .collect::<Result<_, AppError>>()?,
            })
        })
        .collect::<Result<_, AppError>>()?;
    Ok(Json(Home { user: User { name: profile.display_name, avatar: profile.avatar_url }, rewards, orders }))
}

pub fn main() {
    let rt = if std::env::var("RT").as_deref() == Ok("current") {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
    } else {
        tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap()
    };
    rt.block_on(serve());
}

async fn serve() {
    let port = std::env::var("PORT").unwrap_or_else(|_| "8001".into());
    let channel =
        Endpoint::from_static("http://127.0.0.1:7001").timeout(Duration::from_secs(2)).tcp_nodelay(true).connect_lazy();
    let app = App {
        orders: OrderServiceClient::new(channel),
        http: reqwest::Client::builder()
            .timeout(Duration::from_secs(2))
            .pool_max_idle_per_host(256)
            .tcp_nodelay(true)
            .build()
            .unwrap(),
        users_url: "http://127.0.0.1:7002",
        products_url: "http://127.0.0.1:7003",
        rewards_url: "http://127.0.0.1:7004",
    };
    let router = Router::new().route("/home/{user_id}", get(home)).with_state(app);
    let listener = tokio::net::TcpListener::bind(format!("127.0.0.1:{port}")).await.unwrap().tap_io(|s| {
        let _ = s.set_nodelay(true);
    });
    axum::serve(listener, router).await.unwrap();
}
