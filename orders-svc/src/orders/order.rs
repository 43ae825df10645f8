//! An order, and what may become of it. Each rule gives the order as it shall be, or why it may not.

use tonic::Status;
use uuid::Uuid;

use super::request::Edit;
use crate::caller::Caller;
use crate::clock::timestamp;
use crate::fault;
use crate::money::Amount;
use crate::page::Cursor;
use crate::pb::{self, OrderStatus};

pub const KIND: &str = "order";

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    pub id: Uuid,
    pub user_id: String,
    pub status: OrderStatus,
    pub currency: String,
    pub total: Amount,
    pub lines: Vec<Line>,
    pub note: String,
    pub created_at: i64,
    pub updated_at: i64,
    pub deleted_at: Option<i64>,
    pub version: i64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    pub product_id: String,
    pub quantity: i32,
    pub unit_price: Amount,
}

impl Order {
    pub fn etag(&self) -> String {
        self.version.to_string()
    }

    pub fn cursor(&self) -> Cursor {
        Cursor { created_at: self.created_at, id: self.id }
    }

    /// The order itself, unless it is deleted.
    pub fn live(&self) -> Result<&Self, Status> {
        match self.deleted_at {
            None => Ok(self),
            Some(_) => Err(fault::not_found(KIND, self.id)),
        }
    }

    /// What an edit leaves as it is needs no permission, so that a client may send back what it read.
    pub fn edited(&self, edit: &Edit, caller: &Caller) -> Result<Self, Status> {
        let mut order = self.live()?.clone();
        if let Some(note) = &edit.note {
            order.note.clone_from(note);
        }
        if let Some(status) = edit.status {
            if status != self.status && !caller.is_operator() {
                return Err(Status::permission_denied("order.status: only an operator may set it"));
            }
            order.status = status;
        }
        if let Some(basket) = &edit.basket {
            if basket.lines != self.lines && self.status != OrderStatus::Pending {
                return Err(self.refuse("its lines can only change while it is pending"));
            }
            order.lines.clone_from(&basket.lines);
            order.currency.clone_from(&basket.currency);
            order.total = basket.total;
        }
        Ok(order)
    }

    pub fn cancelled(&self) -> Result<Self, Status> {
        match self.live()?.status {
            OrderStatus::Shipped | OrderStatus::Delivered => Err(self.refuse("it can no longer be cancelled")),
            _ => Ok(Self { status: OrderStatus::Cancelled, ..self.clone() }),
        }
    }

    pub fn deleted(&self, now: i64) -> Self {
        Self { deleted_at: self.deleted_at.or(Some(now)), ..self.clone() }
    }

    pub fn undeleted(&self) -> Self {
        Self { deleted_at: None, ..self.clone() }
    }

    fn refuse(&self, reason: &str) -> Status {
        Status::failed_precondition(format!("order {} is {}: {reason}", self.id, self.status_name()))
    }

    fn status_name(&self) -> String {
        self.status.as_str_name().trim_start_matches("ORDER_STATUS_").to_ascii_lowercase()
    }
}

impl From<Order> for pb::Order {
    fn from(order: Order) -> Self {
        let currency = &order.currency;
        let line = |line: &Line| pb::OrderLine {
            product_id: line.product_id.clone(),
            quantity: line.quantity,
            unit_price: Some(line.unit_price.to_money(currency)),
        };
        Self {
            id: order.id.to_string(),
            status: order.status.into(),
            created_at: Some(timestamp(order.created_at)),
            total: Some(order.total.to_money(currency)),
            lines: order.lines.iter().map(line).collect(),
            etag: order.etag(),
            user_id: order.user_id,
            note: order.note,
            updated_at: Some(timestamp(order.updated_at)),
        }
    }
}
