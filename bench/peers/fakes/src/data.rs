//! What the services know, the same on every run, and the answer that comes of it.

use serde_json::{Map, Value, json};

#[allow(dead_code, reason = "nobody looks at the request")]
pub mod pb {
    tonic::include_proto!("orders.v1");
}

/// Products are called p1, p2 and so on.
pub const PRODUCTS: usize = 12;
const ORDERS: usize = 5;
const LINES: usize = 3;
const WORDS: [&str; 10] =
    ["merino", "organic", "recycled", "heavyweight", "brushed", "classic", "slim", "relaxed", "washed", "tapered"];
const ATTRIBUTES: [&str; 10] =
    ["color", "size", "material", "origin", "care", "season", "fit", "weight_g", "sku", "vendor"];

pub fn product(number: usize) -> Value {
    let mut description = String::new();
    let mut word = number;
    while description.len() < 400 {
        description.push_str(WORDS[word % WORDS.len()]);
        description.push(if word % 7 == 3 { '"' } else { ' ' });
        word += 3 + number % 4;
    }
    description.truncate(400);
    let mut attributes = Map::new();
    for (n, key) in ATTRIBUTES.into_iter().enumerate() {
        let value = match key {
            "weight_g" => json!(180 + number * 13),
            _ => json!(format!("{}-{}", WORDS[(number + n) % WORDS.len()], number * 10 + n)),
        };
        attributes.insert(key.to_owned(), value);
    }
    json!({
        "id": format!("p{number}"),
        "title": format!("{} {} shirt no. {number}", WORDS[number % 10], WORDS[(number + 4) % 10]),
        "image_url": format!("https://cdn.example.com/images/products/p{number}/main-800x800.webp"),
        "price": {"currency": "EUR", "amount": format!("{}.{:02}", 9 + number, (number * 7) % 100)},
        "description": description,
        "attributes": attributes,
    })
}

/// Those that exist, as a JSON list.
pub fn products(ids: &[String]) -> String {
    let numbers = ids.iter().filter_map(|id| id.strip_prefix('p')?.parse().ok());
    let known = numbers.filter(|number| (1..=PRODUCTS).contains(number));
    Value::Array(known.map(product).collect()).to_string()
}

pub fn orders() -> pb::ListOrdersResponse {
    pb::ListOrdersResponse { orders: (0..ORDERS).map(order).collect() }
}

fn order(number: usize) -> pb::Order {
    let cents = |cents: usize| cents as i32 * 10_000_000;
    pb::Order {
        id: format!("ord-2025-{:06}", 1207 + number * 31),
        status: 1 + number as i32,
        created_at: Some(prost_types::Timestamp {
            seconds: 1_762_161_300 + (number as i64) * 777_777,
            nanos: 123_000_000 + number as i32 * 1_000_000,
        }),
        total: Some(money(12 + number * 41, cents(if number == 2 { 5 } else { 34 }))),
        lines: (number * LINES..(number + 1) * LINES).map(line).collect(),
    }
}

/// The last three of the fifteen lines repeat a product.
fn line(number: usize) -> pb::OrderLine {
    let product = if number < PRODUCTS { number + 1 } else { (number - PRODUCTS) * 4 + 1 };
    pb::OrderLine {
        product_id: format!("p{product}"),
        quantity: 1 + (number as i32) % 3,
        unit_price: Some(money(9 + product, ((product * 7) % 100) as i32 * 10_000_000)),
    }
}

fn money(units: usize, nanos: i32) -> pb::Money {
    pb::Money { currency_code: "EUR".into(), units: units as i64, nanos }
}

pub fn profile(id: &str) -> Value {
    json!({
        "id": id, "display_name": "Zoë \"Zed\" Müller", "avatar_url": "https://cdn.example.com/avatars/zoe-256.webp",
        "email": "zoe@example.com",
        "settings": {
            "locale": "de-DE", "currency": "EUR", "timezone": "Europe/Berlin", "newsletter": true, "theme": "dark",
            "notifications": {"email": true, "push": false, "sms": false, "digest": "weekly"},
            "privacy": {"profile": "friends", "history": "private", "ads": false},
            "addresses": [
                {"kind": "home", "city": "Berlin", "zip": "10115"},
                {"kind": "work", "city": "Potsdam", "zip": "14467"},
            ],
            "features": ["one-click", "early-access", "size-advisor"],
        },
    })
}

pub fn rewards() -> Value {
    json!({"points": 1840, "tier": "gold"})
}

/// What every peer must answer.
pub fn expected() -> Value {
    let profile = profile("u1");
    let orders: Vec<Value> = orders().orders.iter().map(expected_order).collect();
    json!({
        "user": {"name": profile["display_name"], "avatar": profile["avatar_url"]},
        "rewards": rewards(),
        "orders": orders,
    })
}

fn expected_order(order: &pb::Order) -> Value {
    let placed = order.created_at.unwrap_or_default();
    let total = order.total.clone().unwrap_or_default();
    let lines = order.lines.iter().map(|line| {
        let product = product(line.product_id[1..].parse().expect("p and a number"));
        json!({"quantity": line.quantity, "title": product["title"], "image": product["image_url"]})
    });
    json!({
        "id": order.id,
        "status": order.status().as_str_name().trim_start_matches("ORDER_STATUS_"),
        "placedAt": date_time(placed.seconds, placed.nanos),
        "total": format!("{}.{:02}", total.units, total.nanos / 10_000_000),
        "currency": total.currency_code,
        "lines": lines.collect::<Vec<_>>(),
    })
}

/// RFC 3339 with milliseconds; days to a date as in Howard Hinnant's `civil_from_days`.
fn date_time(seconds: i64, nanos: i32) -> String {
    let (days, second) = (seconds.div_euclid(86400) + 719_468, seconds.rem_euclid(86400));
    let (era, day) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (day - day / 1460 + day / 36524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year + era * 400 + i64::from(month <= 2);
    let (hour, minute, second, milli) = (second / 3600, second / 60 % 60, second % 60, nanos / 1_000_000);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z")
}
