//! Which bytes answer a target, how long that takes, and how often each service was asked.
//!
//! `GET /_stats` on any of the HTTP ports tells the counts, `/_reset` zeroes them, `/_ctl?orders=5` delays a service.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::data;

#[derive(Clone, Copy)]
pub enum Service {
    Orders,
    Products,
    Profile,
    Rewards,
    /// The answer itself, for a proxy that does no work.
    Home,
}

const NAMES: [&str; 5] = ["orders", "products", "profile", "rewards", "home"];
/// Two targets for each of ten thousand users, and some.
const MAX_CACHED: usize = 32_768;

thread_local! {
    static DELAY_MS: [Cell<u64>; 5] = const { [const { Cell::new(0) }; 5] };
    static COUNT: [Cell<u64>; 5] = const { [const { Cell::new(0) }; 5] };
    static CACHE: RefCell<HashMap<Vec<u8>, Bytes>> = RefCell::new(HashMap::new());
}

/// Counts a request, and takes as long as the service is told to.
pub async fn asked(service: Service, more_ms: u64) {
    COUNT.with(|counts| counts[service as usize].set(counts[service as usize].get() + 1));
    let delay_ms = DELAY_MS.with(|delays| delays[service as usize].get()) + more_ms;
    if delay_ms > 0 {
        tokio::time::sleep(Duration::from_millis(delay_ms)).await;
    }
}

pub fn delays_of_the_environment() {
    for name in NAMES {
        if let Ok(ms) = std::env::var(format!("FAKE_DELAY_{}_MS", name.to_uppercase())) {
            delay(name, &ms);
        }
    }
}

fn delay(name: &str, ms: &str) {
    if let Some(at) = NAMES.iter().position(|known| *known == name) {
        DELAY_MS.with(|delays| delays[at].set(ms.parse().unwrap_or(0)));
    }
}

/// The whole response to a target, the service it is of, and a delay that the target asks for.
pub fn answer(target: &[u8]) -> (Bytes, Option<Service>, u64) {
    let text = std::str::from_utf8(target).unwrap_or("/");
    let (path, query) = text.split_once('?').unwrap_or((text, ""));
    let delay_ms = value(query, "delay_ms").and_then(|ms| ms.parse().ok()).unwrap_or(0);
    let Some(service) = service(path) else {
        let body = control(path, query);
        return (response(body.as_deref()), None, delay_ms);
    };
    if let Some(cached) = CACHE.with_borrow(|cache| cache.get(target).cloned()) {
        return (cached, Some(service), delay_ms);
    }
    let made = response(body(path, query).as_deref());
    CACHE.with_borrow_mut(|cache| {
        if cache.len() < MAX_CACHED {
            cache.insert(target.to_vec(), made.clone());
        }
    });
    (made, Some(service), delay_ms)
}

fn service(path: &str) -> Option<Service> {
    let mut parts = path.split('/').skip(1);
    match (parts.next()?, parts.next(), parts.next()) {
        ("products", _, None) => Some(Service::Products),
        ("users", Some(_), Some("profile")) => Some(Service::Profile),
        ("users", Some(_), Some("rewards")) => Some(Service::Rewards),
        ("home", Some(_), None) => Some(Service::Home),
        _ => None,
    }
}

fn body(path: &str, query: &str) -> Option<String> {
    let parts: Vec<&str> = path.split('/').skip(1).collect();
    match parts[..] {
        ["products"] => Some(data::products(&ids(query))),
        ["products", id] => {
            let number = id.strip_prefix('p')?.parse().ok().filter(|n| (1..=data::PRODUCTS).contains(n))?;
            Some(data::product(number).to_string())
        }
        ["users", id, "profile"] => Some(data::profile(id).to_string()),
        ["users", _, "rewards"] => Some(data::rewards().to_string()),
        ["home", _] => Some(data::expected().to_string()),
        _ => None,
    }
}

/// `ids=p1,p2` and `ids=p1&ids=p2`: some gateways batch so.
fn ids(query: &str) -> Vec<String> {
    let lists = query.split('&').filter_map(|pair| pair.strip_prefix("ids="));
    lists.flat_map(|list| list.replace("%2C", ",").split(',').map(str::to_owned).collect::<Vec<_>>()).collect()
}

fn control(path: &str, query: &str) -> Option<String> {
    match path {
        "/_ctl" => {
            query.split('&').filter_map(|pair| pair.split_once('=')).for_each(|(name, ms)| delay(name, ms));
            Some("{}".into())
        }
        "/_stats" | "/_reset" => {
            let counts = NAMES.iter().enumerate();
            let count = |n: usize| json!(COUNT.with(|counts| counts[n].get()));
            let told: Map<String, Value> = counts.map(|(n, name)| ((*name).to_owned(), count(n))).collect();
            if path == "/_reset" {
                COUNT.with(|counts| counts.iter().for_each(|count| count.set(0)));
            }
            Some(Value::Object(told).to_string())
        }
        _ => None,
    }
}

fn value<'q>(query: &'q str, name: &str) -> Option<&'q str> {
    query.split('&').filter_map(|pair| pair.split_once('=')).find(|(key, _)| *key == name).map(|(_, value)| value)
}

fn response(body: Option<&str>) -> Bytes {
    let (status, body) = body.map_or(("404 Not Found", r#"{"error":"not found"}"#), |body| ("200 OK", body));
    let len = body.len();
    format!("HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {len}\r\n\r\n{body}").into()
}
