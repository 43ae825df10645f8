//! What requests ask for, checked: all violations are told at once.

use aws_lc_rs::digest::{SHA256, digest};
use prost::Message;
use tonic::Status;
use tonic::metadata::MetadataMap;
use tonic_types::FieldViolation;

use super::order::Line;
use crate::money::Amount;
use crate::pb::{self, CreateOrderRequest, OrderLine, OrderStatus, UpdateOrderRequest};
use crate::store::Once;
use crate::{fault, field};

const LINES_MAX: usize = 100;
const QUANTITY_MAX: i32 = 10_000;
const PRODUCT_ID_MAX: usize = 100;
const NOTE_MAX: usize = 1_000;
const KEY_MAX: usize = 255;

/// Lines with one currency, and their sum.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Basket {
    pub lines: Vec<Line>,
    pub currency: String,
    pub total: Amount,
}

/// The fields to change; None leaves one as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Edit {
    pub note: Option<String>,
    pub status: Option<OrderStatus>,
    pub basket: Option<Basket>,
}

pub fn check_create(request: &CreateOrderRequest) -> Result<Basket, Status> {
    let note = field::text("note", &request.note, 0..=NOTE_MAX);
    let key = field::line("request_id", &request.request_id, 0..=KEY_MAX);
    checked(note.into_iter().chain(key).collect(), Some(check_lines("lines", &request.lines)))?
        .ok_or_else(|| fault::invalid("lines", "is required"))
}

/// The idempotency key, if there is one, with a fingerprint of everything else in the request.
pub fn once(metadata: &MetadataMap, user_id: &str, request: &CreateOrderRequest) -> Result<Option<Once>, Status> {
    let key = match metadata.get("idempotency-key") {
        None => request.request_id.clone(),
        Some(value) => value
            .to_str()
            .ok()
            .filter(|key| (1..=KEY_MAX).contains(&key.len()))
            .map(str::to_owned)
            .ok_or_else(|| {
                Status::invalid_argument(format!("metadata idempotency-key: must be 1 to {KEY_MAX} ASCII characters"))
            })?,
    };
    let asked = CreateOrderRequest { user_id: user_id.to_owned(), request_id: String::new(), ..request.clone() };
    let fingerprint = digest(&SHA256, &asked.encode_to_vec()).as_ref().to_vec();
    Ok((!key.is_empty()).then_some(Once { key, fingerprint }))
}

/// The fields that the mask names; without a mask those that are set.
pub fn check_update(request: &UpdateOrderRequest, order: &pb::Order) -> Result<Edit, Status> {
    let set = || {
        let set = [("note", !order.note.is_empty()), ("lines", !order.lines.is_empty()), ("status", order.status != 0)];
        set.into_iter().filter(|(_, is_set)| *is_set).map(|(path, _)| path.to_owned()).collect()
    };
    let mask = request.update_mask.as_ref().map(|mask| mask.paths.clone());
    let paths: Vec<String> = mask.filter(|paths| !paths.is_empty()).unwrap_or_else(set);
    let names = |path: &str| paths.iter().any(|named| named == path);

    let unknown = paths.iter().any(|path| !matches!(path.as_str(), "note" | "lines" | "status"));
    let unknown = unknown.then(|| FieldViolation::new("update_mask", "may name note, lines and status, nothing else"));
    let note = if names("note") { field::text("order.note", &order.note, 0..=NOTE_MAX) } else { None };
    let status = OrderStatus::try_from(order.status).unwrap_or_default();
    let no_status = (names("status") && status == OrderStatus::Unspecified)
        .then(|| FieldViolation::new("order.status", "must be a status other than ORDER_STATUS_UNSPECIFIED"));
    let basket = names("lines").then(|| check_lines("order.lines", &order.lines));

    Ok(Edit {
        basket: checked(unknown.into_iter().chain(note).chain(no_status).collect(), basket)?,
        note: names("note").then(|| order.note.clone()),
        status: names("status").then_some(status),
    })
}

/// Gives the basket if neither it nor anything else is wrong.
fn checked(
    violations: Vec<FieldViolation>,
    basket: Option<Result<Basket, Vec<FieldViolation>>>,
) -> Result<Option<Basket>, Status> {
    let (basket, wrong) = match basket {
        None => (None, Vec::new()),
        Some(Ok(basket)) => (Some(basket), Vec::new()),
        Some(Err(wrong)) => (None, wrong),
    };
    fault::unless_valid(violations.into_iter().chain(wrong).collect())?;
    Ok(basket)
}

fn check_lines(path: &str, lines: &[OrderLine]) -> Result<Basket, Vec<FieldViolation>> {
    // An excess of lines is told once: their own violations would be as many.
    if let Some(violation) = field::count(path, lines.len(), 1..=LINES_MAX) {
        return Err(vec![violation]);
    }
    let currency = currency_of(lines.first());
    let mut violations = Vec::new();
    let mut checked = Vec::with_capacity(lines.len());
    for (i, line) in lines.iter().enumerate() {
        match check_line(&format!("{path}[{i}]"), line, &currency) {
            Ok(line) => checked.push(line),
            Err(wrong) => violations.extend(wrong),
        }
    }
    if !violations.is_empty() {
        return Err(violations);
    }
    let Some(total) = total(&checked) else {
        let description = "the sum of the lines does not fit google.type.Money";
        return Err(vec![FieldViolation::new(path, description)]);
    };
    Ok(Basket { lines: checked, currency, total })
}

fn check_line(path: &str, line: &OrderLine, currency: &str) -> Result<Line, Vec<FieldViolation>> {
    let product_id = field::line(&format!("{path}.product_id"), &line.product_id, 1..=PRODUCT_ID_MAX);
    let quantity = (!(1..=QUANTITY_MAX).contains(&line.quantity))
        .then(|| FieldViolation::new(format!("{path}.quantity"), "must be 1 to 10,000"));
    let price_path = format!("{path}.unit_price");
    let Some(price) = &line.unit_price else {
        let missing = FieldViolation::new(price_path, "is required");
        return Err(product_id.into_iter().chain(quantity).chain([missing]).collect());
    };
    let code_path = format!("{price_path}.currency_code");
    let code = field::code(&code_path, &price.currency_code, 3).or_else(|| {
        (price.currency_code != currency)
            .then(|| FieldViolation::new(code_path, "must be the same in all lines of an order"))
    });
    let amount = Amount::new(price.units, price.nanos).and_then(|amount| {
        if amount.decimal() > Amount::ZERO.decimal() { Ok(amount) } else { Err("must be more than 0") }
    });
    let wrong_amount = amount.err().map(|wrong| FieldViolation::new(price_path, wrong));

    let violations: Vec<_> = product_id.into_iter().chain(quantity).chain(code).chain(wrong_amount).collect();
    match amount {
        Ok(unit_price) if violations.is_empty() => {
            Ok(Line { product_id: line.product_id.clone(), quantity: line.quantity, unit_price })
        }
        _ => Err(violations),
    }
}

fn currency_of(line: Option<&OrderLine>) -> String {
    line.and_then(|line| line.unit_price.as_ref()).map(|price| price.currency_code.clone()).unwrap_or_default()
}

fn total(lines: &[Line]) -> Option<Amount> {
    lines.iter().try_fold(Amount::ZERO, |total, line| total.plus(line.unit_price.times(line.quantity)?))
}
