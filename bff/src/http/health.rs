//! Whether the process lives, and whether it can do its work.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use futures_util::future::{BoxFuture, join_all};
use http::StatusCode;
use serde::Serialize;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// One part that must work: its name, and how to ask it.
#[derive(Clone)]
pub struct Check {
    name: String,
    ask: Arc<dyn Fn() -> BoxFuture<'static, Result<(), String>> + Send + Sync>,
}

impl Check {
    pub fn new<F>(name: &str, ask: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<(), String>> + Send + 'static,
    {
        Self { name: name.to_owned(), ask: Arc::new(move || Box::pin(ask())) }
    }
}

/// All parts that must work for this replica to take requests.
#[derive(Clone)]
pub struct Checks {
    pub parts: Arc<[Check]>,
    /// Cancelled once the server begins to stop.
    pub draining: CancellationToken,
}

#[derive(Serialize)]
struct Report {
    status: &'static str,
    /// Each part that is away, and why.
    away: BTreeMap<String, String>,
}

const PATIENCE: Duration = Duration::from_secs(2);

pub async fn alive() -> Response {
    axum::Json(serde_json::json!({ "status": "ok" })).into_response()
}

pub async fn ready(State(checks): State<Checks>) -> Response {
    if checks.draining.is_cancelled() {
        return (StatusCode::SERVICE_UNAVAILABLE, report("draining", BTreeMap::new())).into_response();
    }
    let answers = join_all(checks.parts.iter().map(ask)).await;
    let away: BTreeMap<_, _> = answers.into_iter().flatten().collect();
    if away.is_empty() {
        return report("ready", away).into_response();
    }
    (StatusCode::SERVICE_UNAVAILABLE, report("unavailable", away)).into_response()
}

fn report(status: &'static str, away: BTreeMap<String, String>) -> axum::Json<Report> {
    axum::Json(Report { status, away })
}

/// The part's name and trouble, if it has any.
async fn ask(check: &Check) -> Option<(String, String)> {
    let trouble = match timeout(PATIENCE, (check.ask)()).await {
        Ok(Ok(())) => return None,
        Ok(Err(reason)) => reason,
        Err(_) => "no answer in time".to_owned(),
    };
    Some((check.name.clone(), trouble))
}
