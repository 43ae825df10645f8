//! `orders.v1.OrderService`: who may do what to which order. Rules of the order itself are in `order`.

pub mod order;
mod request;
mod watch;

use futures_util::stream::BoxStream;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};
use uuid::Uuid;

use crate::call::Deadline;
use crate::caller::Caller;
use crate::clock::Clock;
use crate::fault;
use crate::page::Page;
use crate::pb::order_service_server::OrderService;
use crate::pb::{
    self, CancelOrderRequest, CreateOrderRequest, DeleteOrderRequest, GetOrderRequest, ListOrdersRequest,
    ListOrdersResponse, OrderChange, OrderStatus, UndeleteOrderRequest, UpdateOrderRequest, WatchOrdersRequest,
};
use crate::store::Store;
use crate::token::Tokens;
use order::{KIND, Order};
use watch::{Changes, Scope, Watch};

/// How often a change without an etag is tried again when another was faster.
const CHANGE_TRIES: usize = 5;

pub struct Orders {
    store: Store,
    tokens: Tokens,
    clock: Clock,
    changes: Changes,
    shutdown: CancellationToken,
}

impl Orders {
    pub fn new(store: Store, tokens: Tokens, clock: Clock, shutdown: CancellationToken) -> Self {
        Self { store, tokens, clock, changes: Changes::new(), shutdown }
    }

    /// The order in any state, deleted too, if it is one of the caller's.
    async fn find(&self, caller: &Caller, id: Uuid) -> Result<Order, Status> {
        let order = self.store.order(id).await?;
        order.filter(|order| caller.may_touch_rows_of(&order.user_id)).ok_or_else(|| fault::not_found(KIND, id))
    }

    /// Applies a rule to the order as it is now, and again if it changed meanwhile; an etag allows one version only.
    async fn change(
        &self,
        caller: &Caller,
        id: Uuid,
        etag: &str,
        rule: impl Fn(&Order) -> Result<Order, Status> + Send,
    ) -> Result<Order, Status> {
        for _ in 0..CHANGE_TRIES {
            let before = self.find(caller, id).await?;
            let after = rule(&before)?;
            // A deletion repeated after a lost answer still has the etag of before: a deleted order has none to compare.
            if !etag.is_empty() && etag != before.etag() && before.deleted_at.is_none() {
                return Err(fault::stale_etag(KIND));
            }
            if after == before {
                return Ok(before);
            }
            let after = Order { updated_at: self.clock.now_micros(), version: before.version + 1, ..after };
            if self.store.replace_order(&before, &after).await? {
                self.changes.announce(&after);
                return Ok(after);
            }
        }
        Err(fault::contended(KIND))
    }

    /// What an earlier request under the same key has created.
    async fn created_before(&self, user_id: &str, key: &str, fingerprint: &[u8]) -> Result<Order, Status> {
        let Some((id, first)) = self.store.order_created_by(user_id, key).await? else {
            return Err(fault::contended(KIND));
        };
        if first != fingerprint {
            return Err(Status::already_exists("the idempotency key belongs to another request: use a new key"));
        }
        self.store.order(id).await?.ok_or_else(|| fault::not_found(KIND, id))
    }
}

#[tonic::async_trait]
impl OrderService for Orders {
    async fn create_order(&self, request: Request<CreateOrderRequest>) -> Result<Response<pb::Order>, Status> {
        let caller = self.tokens.caller(request.metadata()).await?;
        let user_id = caller.acting_for(&request.get_ref().user_id)?;
        let basket = request::check_create(request.get_ref())?;
        let once = request::once(request.metadata(), &user_id, request.get_ref())?;
        let now = self.clock.now_micros();
        let order = Order {
            id: Uuid::now_v7(),
            user_id,
            status: OrderStatus::Pending,
            currency: basket.currency,
            total: basket.total,
            lines: basket.lines,
            note: request.into_inner().note,
            created_at: now,
            updated_at: now,
            deleted_at: None,
            version: 1,
        };
        if self.store.insert_order(&order, once.as_ref()).await? {
            self.changes.announce(&order);
            return Ok(Response::new(order.into()));
        }
        match once {
            Some(once) => {
                let first = self.created_before(&order.user_id, &once.key, &once.fingerprint).await?;
                Ok(Response::new(first.into()))
            }
            None => Err(fault::contended(KIND)),
        }
    }

    async fn get_order(&self, request: Request<GetOrderRequest>) -> Result<Response<pb::Order>, Status> {
        let caller = self.tokens.caller(request.metadata()).await?;
        let id = fault::parse_id("id", KIND, &request.get_ref().id)?;
        let order = self.find(&caller, id).await?;
        Ok(Response::new(order.live()?.clone().into()))
    }

    async fn list_orders(&self, request: Request<ListOrdersRequest>) -> Result<Response<ListOrdersResponse>, Status> {
        let caller = self.tokens.caller(request.metadata()).await?;
        let request = request.into_inner();
        let user_id = caller.acting_for(&request.user_id)?;
        let status =
            OrderStatus::try_from(request.status).map_err(|_| fault::invalid("status", "is not an OrderStatus"))?;
        let filter = format!("orders {} {user_id}", status.as_str_name());
        let page = Page::requested(request.page_size, &request.page_token, &filter)?;
        let orders = self.store.orders_of(&user_id, status.into(), page.after, page.limit()).await?;
        let (orders, next_page_token) = page.cut(orders, Order::cursor, &filter);
        let orders = orders.into_iter().map(pb::Order::from).collect();
        Ok(Response::new(ListOrdersResponse { orders, next_page_token }))
    }

    async fn update_order(&self, request: Request<UpdateOrderRequest>) -> Result<Response<pb::Order>, Status> {
        let caller = self.tokens.caller(request.metadata()).await?;
        let request = request.into_inner();
        let Some(order) = &request.order else {
            return Err(fault::invalid("order", "is required"));
        };
        let id = fault::parse_id("order.id", KIND, &order.id)?;
        let edit = request::check_update(&request, order)?;
        let order = self.change(&caller, id, &order.etag, |before| before.edited(&edit, &caller)).await?;
        Ok(Response::new(order.into()))
    }

    async fn cancel_order(&self, request: Request<CancelOrderRequest>) -> Result<Response<pb::Order>, Status> {
        let caller = self.tokens.caller(request.metadata()).await?;
        let request = request.into_inner();
        let id = fault::parse_id("id", KIND, &request.id)?;
        let order = self.change(&caller, id, &request.etag, Order::cancelled).await?;
        Ok(Response::new(order.into()))
    }

    async fn delete_order(&self, request: Request<DeleteOrderRequest>) -> Result<Response<()>, Status> {
        let caller = self.tokens.caller(request.metadata()).await?;
        let request = request.into_inner();
        let id = fault::parse_id("id", KIND, &request.id)?;
        let now = self.clock.now_micros();
        self.change(&caller, id, &request.etag, |before| Ok(before.deleted(now))).await?;
        Ok(Response::new(()))
    }

    async fn undelete_order(&self, request: Request<UndeleteOrderRequest>) -> Result<Response<pb::Order>, Status> {
        let caller = self.tokens.caller(request.metadata()).await?;
        let id = fault::parse_id("id", KIND, &request.get_ref().id)?;
        let order = self.change(&caller, id, "", |before| Ok(before.undeleted())).await?;
        Ok(Response::new(order.into()))
    }

    type WatchOrdersStream = BoxStream<'static, Result<OrderChange, Status>>;

    async fn watch_orders(
        &self,
        request: Request<WatchOrdersRequest>,
    ) -> Result<Response<Self::WatchOrdersStream>, Status> {
        let caller = self.tokens.caller(request.metadata()).await?;
        let deadline = request.extensions().get::<Deadline>().and_then(|deadline| deadline.0);
        let request = request.into_inner();
        let user_id = caller.acting_for(&request.user_id)?;
        let scope = if request.order_id.is_empty() {
            Scope::User(user_id)
        } else {
            let id = fault::parse_id("order_id", KIND, &request.order_id)?;
            let order = self.find(&caller, id).await?;
            if !request.user_id.is_empty() && order.user_id != user_id {
                return Err(fault::not_found(KIND, id));
            }
            order.live()?;
            Scope::Order(id)
        };
        let watch = Watch::begin(self.store.clone(), &self.changes, scope).await?;
        Ok(Response::new(watch.into_stream(deadline, self.shutdown.clone())))
    }
}
