//! Watching orders: the present statuses, then the changes that this process makes.
//!
//! Of several replicas a watch tells the changes made through its own. A watch that falls too far behind reads the
//! present statuses again, so that it always ends up at the truth, though perhaps without steps in between.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, broadcast};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use tonic::Status;
use uuid::Uuid;

use super::order::Order;
use crate::clock::timestamp;
use crate::fault;
use crate::page::Cursor;
use crate::pb::{OrderChange, OrderStatus};
use crate::store::Store;

/// Changes a watch may fall behind before it reads again.
const BEHIND_MAX: usize = 1_024;
/// Watches at a time.
const WATCHES_MAX: usize = 1_000;
/// Orders one watch follows.
const ORDERS_MAX: usize = 10_000;
const READ_PAGE: i64 = 100;

/// Where every write of this process is announced.
pub struct Changes {
    sender: broadcast::Sender<Change>,
    watches: Arc<Semaphore>,
}

pub enum Scope {
    Order(Uuid),
    User(String),
}

pub struct Watch {
    store: Store,
    scope: Scope,
    changes: broadcast::Receiver<Change>,
    /// The version and status last told of each order.
    told: HashMap<Uuid, (i64, OrderStatus)>,
    next: VecDeque<OrderChange>,
    ended: bool,
    _permit: OwnedSemaphorePermit,
}

#[derive(Clone, Debug)]
struct Change {
    order_id: Uuid,
    user_id: Arc<str>,
    status: OrderStatus,
    version: i64,
    changed_at: i64,
    deleted: bool,
}

impl Changes {
    pub fn new() -> Self {
        Self { sender: broadcast::Sender::new(BEHIND_MAX), watches: Arc::new(Semaphore::new(WATCHES_MAX)) }
    }

    pub fn announce(&self, order: &Order) {
        // An error means that nobody watches.
        let _ = self.sender.send(Change::of(order));
    }
}

impl Watch {
    /// Reads the present statuses; listening begins before, so that no change falls in between.
    pub async fn begin(store: Store, changes: &Changes, scope: Scope) -> Result<Self, Status> {
        let permit = changes.watches.clone().try_acquire_owned();
        let permit = permit.map_err(|_| Status::resource_exhausted("too many watches at a time: try again later"))?;
        let mut watch = Self {
            store,
            scope,
            changes: changes.sender.subscribe(),
            told: HashMap::new(),
            next: VecDeque::new(),
            ended: false,
            _permit: permit,
        };
        watch.read_present().await?;
        Ok(watch)
    }

    pub fn into_stream(
        self,
        deadline: Option<Instant>,
        shutdown: CancellationToken,
    ) -> BoxStream<'static, Result<OrderChange, Status>> {
        let interrupted = Box::pin(async move {
            tokio::select! {
                () = shutdown.cancelled() => fault::shutting_down(),
                () = passed(deadline) => fault::deadline_exceeded(),
            }
        });
        let told = stream::try_unfold((self, interrupted), |(mut watch, mut interrupted)| async move {
            tokio::select! {
                biased;
                status = &mut interrupted => Err(status),
                change = watch.change() => Ok(change?.map(|change| (change, (watch, interrupted)))),
            }
        });
        told.boxed()
    }

    /// The next change to tell; None once the watched order is deleted.
    async fn change(&mut self) -> Result<Option<OrderChange>, Status> {
        loop {
            if let Some(change) = self.next.pop_front() {
                return Ok(Some(change));
            }
            if self.ended {
                return Ok(None);
            }
            match self.changes.recv().await {
                Ok(change) => self.note(&change)?,
                Err(RecvError::Lagged(_)) => self.read_present().await?,
                Err(RecvError::Closed) => self.ended = true,
            }
        }
    }

    async fn read_present(&mut self) -> Result<(), Status> {
        match &self.scope {
            Scope::Order(id) => match self.store.order(*id).await? {
                Some(order) => self.note(&Change::of(&order)),
                None => {
                    self.ended = true;
                    Ok(())
                }
            },
            Scope::User(user_id) => {
                let user_id = user_id.clone();
                let mut after = Cursor::START;
                loop {
                    let orders = self.store.orders_of(&user_id, 0, after, READ_PAGE).await?;
                    for order in &orders {
                        self.note(&Change::of(order))?;
                    }
                    match orders.last() {
                        Some(last) => after = last.cursor(),
                        None => return Ok(()),
                    }
                }
            }
        }
    }

    /// Takes in what became of an order: queues it where its status is news.
    fn note(&mut self, change: &Change) -> Result<(), Status> {
        let watched = match &self.scope {
            Scope::Order(id) => *id == change.order_id,
            Scope::User(user_id) => **user_id == *change.user_id,
        };
        let known = self.told.get(&change.order_id).copied();
        if !watched || known.is_some_and(|(version, _)| version >= change.version) {
            return Ok(());
        }
        if change.deleted {
            self.told.remove(&change.order_id);
            self.ended = matches!(self.scope, Scope::Order(_));
            return Ok(());
        }
        if known.is_none() && self.told.len() == ORDERS_MAX {
            return Err(Status::resource_exhausted("the user has too many orders to watch at once: name one of them"));
        }
        self.told.insert(change.order_id, (change.version, change.status));
        if known.is_none_or(|(_, status)| status != change.status) {
            self.next.push_back(change.into());
        }
        Ok(())
    }
}

impl Change {
    fn of(order: &Order) -> Self {
        Self {
            order_id: order.id,
            user_id: order.user_id.as_str().into(),
            status: order.status,
            version: order.version,
            changed_at: order.updated_at,
            deleted: order.deleted_at.is_some(),
        }
    }
}

impl From<&Change> for OrderChange {
    fn from(change: &Change) -> Self {
        Self {
            order_id: change.order_id.to_string(),
            status: change.status.into(),
            changed_at: Some(timestamp(change.changed_at)),
        }
    }
}

async fn passed(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
