//! Orders to look at: created through the front door, once, because each has an idempotency key of its own.

use anyhow::{Context, bail};
use bff::identity::{Client, Credentials, DEMO_PASSWORD, Grant, Identifier, Identity, Login, SessionKind};
use orders_svc::pb::order_service_client::OrderServiceClient;
use orders_svc::pb::{CreateOrderRequest, Money, Order, OrderLine, OrderStatus, UpdateOrderRequest};
use prost_types::FieldMask;
use tonic::Request;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::{Channel, Endpoint};

use crate::account;
use crate::backends::Backends;
use crate::catalog::{self, Price, Product};

/// `(product number, quantity)`
type Lines = &'static [(usize, i32)];

/// Oldest first.
const OF_THE_USER: [(Lines, OrderStatus); 12] = [
    (&[(1, 2), (3, 1)], OrderStatus::Delivered),
    (&[(5, 4)], OrderStatus::Delivered),
    (&[(7, 1), (8, 2), (9, 1)], OrderStatus::Delivered),
    (&[(4, 3)], OrderStatus::Cancelled),
    (&[(18, 1)], OrderStatus::Delivered),
    (&[(12, 2), (10, 1)], OrderStatus::Delivered),
    (&[(14, 1)], OrderStatus::Delivered),
    (&[(15, 2), (17, 1)], OrderStatus::Shipped),
    (&[(2, 1), (1, 5)], OrderStatus::Shipped),
    (&[(20, 1), (19, 1)], OrderStatus::Paid),
    (&[(6, 1), (5, 2)], OrderStatus::Paid),
    (&[(11, 1), (16, 1)], OrderStatus::Pending),
];
const OF_THE_OPERATOR: [(Lines, OrderStatus); 3] = [
    (&[(13, 1)], OrderStatus::Delivered),
    (&[(1, 1), (2, 1)], OrderStatus::Shipped),
    (&[(5, 1)], OrderStatus::Pending),
];

/// An authorization to act as the operator, who may order for others and say how far an order has come.
pub async fn operator(identity: &Identity) -> anyhow::Result<MetadataValue<Ascii>> {
    let login = Login {
        identifier: Identifier::parse("operator@shop.test")?,
        password: DEMO_PASSWORD.into(),
        session: SessionKind::Token,
        client: Client::default(),
    };
    let Grant::Tokens { access, .. } = identity.login(login).await?.grant else {
        bail!("the login gave no token");
    };
    let credentials = Credentials::Bearer(access);
    let sender = identity.authenticate(&credentials).await?.context("the login's token says nothing")?;
    identity.logout(&credentials).await?;
    Ok(sender.caller.tokens.authorization("orders")?.as_bytes().try_into()?)
}

pub async fn orders(backends: &Backends, operator: MetadataValue<Ascii>) -> anyhow::Result<()> {
    let upstream = backends.find("orders").context("nothing here is named orders")?;
    let channel = Endpoint::from_shared(format!("http://{}", upstream.address()))?.connect_lazy();
    let client = OrderServiceClient::new(channel);
    let mut desk = Desk { client, authorization: operator, products: catalog::products() };
    for (owner, orders) in [(account::USER, &OF_THE_USER[..]), (account::OPERATOR, &OF_THE_OPERATOR[..])] {
        for (number, (lines, status)) in (1..).zip(orders) {
            desk.place(owner, format!("demo-order-{number}"), lines, *status).await?;
        }
    }
    Ok(())
}

struct Desk {
    client: OrderServiceClient<Channel>,
    authorization: MetadataValue<Ascii>,
    products: Vec<Product>,
}

impl Desk {
    async fn place(&mut self, owner: &str, key: String, lines: Lines, status: OrderStatus) -> anyhow::Result<()> {
        let lines = lines.iter().map(|&(number, quantity)| self.line(number, quantity)).collect::<Result<_, _>>()?;
        let request = CreateOrderRequest { user_id: owner.to_owned(), lines, note: String::new(), request_id: key };
        let request = self.authorized(request);
        let order = self.client.create_order(request).await?.into_inner();
        // Only a new order is moved on: on later starts its status is whatever people have made of it.
        if order.status() == OrderStatus::Pending && status != OrderStatus::Pending {
            let order = Order { id: order.id, status: status.into(), ..Order::default() };
            let update_mask = Some(FieldMask { paths: vec!["status".to_owned()] });
            let request = self.authorized(UpdateOrderRequest { order: Some(order), update_mask });
            self.client.update_order(request).await?;
        }
        Ok(())
    }

    fn line(&self, number: usize, quantity: i32) -> anyhow::Result<OrderLine> {
        let product_id = format!("p{number}");
        let product = self.products.iter().find(|product| product.id == product_id);
        let product = product.with_context(|| format!("the catalog has no {product_id}"))?;
        Ok(OrderLine { product_id, quantity, unit_price: Some(money(&product.price)?) })
    }

    fn authorized<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        request.metadata_mut().insert("authorization", self.authorization.clone());
        request
    }
}

/// `12.5` is 12 units and 500,000,000 nanos.
fn money(price: &Price) -> anyhow::Result<Money> {
    let (units, decimals) = price.amount.split_once('.').unwrap_or((&price.amount, ""));
    Ok(Money {
        currency_code: price.currency.clone(),
        units: units.parse()?,
        nanos: format!("{decimals:0<9}").parse()?,
    })
}
