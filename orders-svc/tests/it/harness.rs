//! A shop to test in: the service on a free port over a database of its own, and callers of every kind.

use std::panic::{AssertUnwindSafe, resume_unwind};
use std::path::PathBuf;

use futures_util::FutureExt;
use orders_svc::pb::address_service_client::AddressServiceClient;
use orders_svc::pb::order_service_client::OrderServiceClient;
use orders_svc::pb::{CreateOrderRequest, Money, Order, OrderLine};
use orders_svc::{Config, serve};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status};
use tonic_types::StatusExt;
use uuid::Uuid;

use crate::issuer::{Issuer, claims, token};

pub struct Shop {
    pub issuer: Issuer,
    pub address: String,
    pub channel: Channel,
    pub shutdown: CancellationToken,
    database_url: String,
    tasks: TaskTracker,
    server: JoinHandle<anyhow::Result<()>>,
}

/// A user with clients that send his token.
pub struct User {
    pub orders: OrderServiceClient<Authorized>,
    pub addresses: AddressServiceClient<Authorized>,
}

type Authorized = InterceptedService<Channel, Bearer>;

#[derive(Clone)]
pub struct Bearer(String);

/// Runs the test in a fresh shop over every database there is, and leaves nothing behind.
pub async fn in_each_shop(test: impl AsyncFn(&mut Shop)) {
    let folder = std::env::temp_dir().join(format!("orders-svc-{}", Uuid::now_v7()));
    let outcome = AssertUnwindSafe(in_shop(format!("sqlite:{}/new/orders.db", folder.display()), &test));
    let outcome = outcome.catch_unwind().await;
    std::fs::remove_dir_all::<PathBuf>(folder).unwrap();
    outcome.unwrap_or_else(|panic| resume_unwind(panic));

    #[expect(clippy::disallowed_methods, reason = "the test run's own setting")]
    let Ok(server) = std::env::var("BFF_TEST_POSTGRES_URL") else { return };
    let name = format!("orders_svc_{}", Uuid::now_v7().simple());
    let mut connection = PgConnection::connect(&server).await.unwrap();
    sqlx::raw_sql(AssertSqlSafe(format!("CREATE DATABASE {name}"))).execute(&mut connection).await.unwrap();
    let (server, _) = server.rsplit_once('/').unwrap();
    let outcome = AssertUnwindSafe(in_shop(format!("{server}/{name}"), &test)).catch_unwind().await;
    let drop = format!("DROP DATABASE {name} WITH (FORCE)");
    sqlx::raw_sql(AssertSqlSafe(drop)).execute(&mut connection).await.unwrap();
    outcome.unwrap_or_else(|panic| resume_unwind(panic));
}

async fn in_shop(database_url: String, test: &impl AsyncFn(&mut Shop)) {
    let mut shop = Shop::open(database_url).await;
    test(&mut shop).await;
    shop.close().await;
}

impl Shop {
    async fn open(database_url: String) -> Self {
        // Only the first test of the process installs them.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let _ = jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER.install_default();
        let tasks = TaskTracker::new();
        let issuer = Issuer::start(&tasks).await;
        let (address, channel, shutdown, server) = start(&tasks, &database_url, &issuer).await;
        Self { issuer, address, channel, shutdown, database_url, tasks, server }
    }

    pub async fn close(&mut self) {
        self.shutdown.cancel();
        (&mut self.server).await.unwrap().unwrap();
    }

    /// Stops the service, and starts it again over the same database.
    pub async fn restart(&mut self) {
        self.close().await;
        (self.address, self.channel, self.shutdown, self.server) =
            start(&self.tasks, &self.database_url, &self.issuer).await;
    }

    /// Ends the service wherever it stands, and starts it again over the same database.
    pub async fn crash(&mut self) {
        self.server.abort();
        let _aborted = (&mut self.server).await;
        (self.address, self.channel, self.shutdown, self.server) =
            start(&self.tasks, &self.database_url, &self.issuer).await;
    }

    pub fn user(&self, sub: &str) -> User {
        self.with_token(token(&claims(sub, "user")))
    }

    pub fn operator(&self) -> User {
        self.with_token(token(&claims("olga", "operator")))
    }

    pub fn with_token(&self, token: String) -> User {
        User::over(self.channel.clone(), token)
    }
}

impl User {
    pub fn over(channel: Channel, token: String) -> Self {
        let bearer = Bearer(token);
        Self {
            orders: OrderServiceClient::with_interceptor(channel.clone(), bearer.clone()),
            addresses: AddressServiceClient::with_interceptor(channel, bearer),
        }
    }

    pub async fn create(&mut self, lines: Vec<OrderLine>) -> Order {
        let request = CreateOrderRequest { lines, ..CreateOrderRequest::default() };
        self.orders.create_order(request).await.unwrap().into_inner()
    }
}

impl tonic::service::Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        let value = format!("Bearer {}", self.0).parse().unwrap();
        request.metadata_mut().insert("authorization", value);
        Ok(request)
    }
}

pub fn line(product_id: &str, quantity: i32, unit_price: Money) -> OrderLine {
    OrderLine { product_id: product_id.to_owned(), quantity, unit_price: Some(unit_price) }
}

pub fn usd(units: i64, nanos: i32) -> Money {
    Money { currency_code: "USD".to_owned(), units, nanos }
}

/// One cup for 12.50 USD.
pub fn cup() -> Vec<OrderLine> {
    cups(1)
}

/// So many lines of it.
pub fn cups(lines: usize) -> Vec<OrderLine> {
    vec![line("cup", 1, usd(12, 500_000_000)); lines]
}

/// The code of a call that must fail.
pub fn code<T>(answer: Result<T, Status>) -> Code {
    match answer {
        Ok(_) => panic!("the call succeeded"),
        Err(status) => status.code(),
    }
}

/// The fields that an INVALID_ARGUMENT blames, sorted.
pub fn blamed<T>(answer: Result<T, Status>) -> Vec<String> {
    let Err(status) = answer else { panic!("the call succeeded") };
    assert_eq!(status.code(), Code::InvalidArgument, "{status}");
    let details = status.get_details_bad_request().unwrap();
    let mut fields: Vec<_> = details.field_violations.into_iter().map(|violation| violation.field).collect();
    fields.sort();
    fields
}

async fn start(
    tasks: &TaskTracker,
    database_url: &str,
    issuer: &Issuer,
) -> (String, Channel, CancellationToken, JoinHandle<anyhow::Result<()>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let listen = listener.local_addr().unwrap();
    let config = Config {
        listen,
        database_url: database_url.to_owned(),
        jwks_url: issuer.jwks_url.clone(),
        issuer: Some("https://bff.test".to_owned()),
        audience: "orders".to_owned(),
    };
    let shutdown = CancellationToken::new();
    let server = tasks.spawn(serve(config, listener, shutdown.clone()));
    let address = format!("http://{listen}");
    let channel = Endpoint::from_shared(address.clone()).unwrap().connect().await.unwrap();
    (address, channel, shutdown, server)
}
