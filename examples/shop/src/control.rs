//! The control address: see and change how each upstream behaves, as a page and as JSON.

use std::sync::Arc;

use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::{StatusCode, Uri, header};
use axum::response::{Html, IntoResponse};
use axum::routing::get;
use axum::{Json, Router};
use bytes::Bytes;

use crate::problem::Problem;
use crate::upstream::{self, Change, Upstream};

const PAGE: &str = include_str!("control/page.html");
const MAX_DELAY_MS: u64 = 60_000;
const MAX_BODY_BYTES: usize = 4096;

type Upstreams = Arc<[Upstream]>;

pub fn router(upstreams: Upstreams) -> Router {
    Router::new()
        .route("/", get(page))
        .route("/upstreams", get(list))
        .route("/upstreams/{name}", get(show).post(change))
        .fallback(nothing_here)
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .with_state(upstreams)
}

async fn page() -> impl IntoResponse {
    let policy = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'";
    ([(header::CONTENT_SECURITY_POLICY, policy)], Html(PAGE))
}

async fn list(State(upstreams): State<Upstreams>) -> Json<Vec<upstream::State>> {
    Json(upstreams.iter().map(Upstream::state).collect())
}

async fn show(State(upstreams): State<Upstreams>, Path(name): Path<String>) -> Result<Json<upstream::State>, Problem> {
    Ok(Json(find(&upstreams, &name)?.state()))
}

/// Takes any content type: `curl -d` sends JSON as a form.
async fn change(
    State(upstreams): State<Upstreams>,
    Path(name): Path<String>,
    body: Bytes,
) -> Result<Json<upstream::State>, Problem> {
    let upstream = find(&upstreams, &name)?;
    let state = upstream
        .change(parse(&body)?)
        .await
        .map_err(|error| Problem::new(StatusCode::CONFLICT, format!("{error:#}")))?;
    Ok(Json(state))
}

fn find<'a>(upstreams: &'a [Upstream], name: &str) -> Result<&'a Upstream, Problem> {
    upstreams.iter().find(|upstream| upstream.name() == name).ok_or_else(|| {
        let known: Vec<&str> = upstreams.iter().map(Upstream::name).collect();
        Problem::not_found(format!("no such upstream; there are: {}", known.join(", ")))
    })
}

fn parse(body: &[u8]) -> Result<Change, Problem> {
    let change: Change = serde_json::from_slice(body).map_err(|error| {
        Problem::bad_request(format!(
            r#"{error}; send for example {{"delay_ms": 300}} or {{"mode": "ok" | "error" | "garbage" | "stopped"}}"#
        ))
    })?;
    if change.delay_ms.is_some_and(|delay| delay > MAX_DELAY_MS) {
        return Err(Problem::bad_request(format!("delay_ms: at most {MAX_DELAY_MS}")));
    }
    Ok(change)
}

async fn nothing_here(uri: Uri) -> Problem {
    Problem::not_found(format!("{} is not here; try / or /upstreams", uri.path()))
}
