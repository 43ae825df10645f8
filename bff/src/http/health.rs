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

use crate::meter::{Gauge, Meter};

/// One part that the server relies on: its name, and how to ask it.
pub struct Check {
    name: String,
    /// Without it the server is of no use.
    required: bool,
    ask: Box<dyn Fn() -> BoxFuture<'static, Result<(), String>> + Send + Sync>,
}

impl Check {
    pub fn new<F>(name: &str, required: bool, ask: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<(), String>> + Send + 'static,
    {
        Self { name: name.to_owned(), required, ask: Box::new(move || Box::pin(ask())) }
    }
}

/// All parts that this replica relies on.
#[derive(Clone)]
pub struct Checks {
    parts: Arc<[(Check, Gauge)]>,
    /// Cancelled once the server begins to stop.
    draining: CancellationToken,
}

#[derive(Serialize)]
struct Report {
    status: &'static str,
    /// Each part that is away, and why.
    away: BTreeMap<String, String>,
}

const PATIENCE: Duration = Duration::from_secs(2);

#[utoipa::path(
    get, path = "/healthz", tag = "server", operation_id = "healthz",
    responses((status = 200, description = "The process lives.", body = Object, example = json!({ "status": "ok" })))
)]
pub async fn alive() -> Response {
    axum::Json(serde_json::json!({ "status": "ok" })).into_response()
}

/// 503 while draining or while a required part is away. A part that is not required is only named.
pub async fn ready(State(checks): State<Checks>) -> Response {
    if checks.draining.is_cancelled() {
        return report(StatusCode::SERVICE_UNAVAILABLE, "draining", BTreeMap::new());
    }
    let troubles = checks.ask().await;
    let away = troubles.iter().map(|(check, trouble)| (check.name.clone(), trouble.clone())).collect();
    if troubles.iter().any(|(check, _)| check.required) {
        return report(StatusCode::SERVICE_UNAVAILABLE, "unavailable", away);
    }
    report(StatusCode::OK, "ready", away)
}

impl Checks {
    pub fn new(parts: impl IntoIterator<Item = Check>, meter: &Meter, draining: CancellationToken) -> Self {
        let gauge = |check: &Check| meter.gauge("bff_degraded", &[("part", &check.name)]);
        let parts = parts.into_iter().map(|check| (gauge(&check), check));
        Self { parts: parts.map(|(gauge, check)| (check, gauge)).collect(), draining }
    }

    /// Every part that is away, and why; the gauges say the same.
    pub async fn ask(&self) -> Vec<(&Check, String)> {
        let answers = join_all(self.parts.iter().map(|(check, degraded)| async move {
            let trouble = trouble(check).await;
            degraded.set(if trouble.is_some() { 1.0 } else { 0.0 });
            trouble.map(|trouble| (check, trouble))
        }));
        answers.await.into_iter().flatten().collect()
    }
}

fn report(code: StatusCode, status: &'static str, away: BTreeMap<String, String>) -> Response {
    (code, axum::Json(Report { status, away })).into_response()
}

async fn trouble(check: &Check) -> Option<String> {
    match timeout(PATIENCE, (check.ask)()).await {
        Ok(Ok(())) => None,
        Ok(Err(reason)) => Some(reason),
        Err(_) => Some("no answer in time".to_owned()),
    }
}
