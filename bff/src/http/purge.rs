//! `POST /purge`: what is kept and has one of these tags is not used again, on any replica.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde::{Deserialize, Serialize};

use super::{FieldError, Json, Location, Problem};
use crate::views::Cache;

/// None where nothing is kept.
pub type Purger = Option<Arc<Cache>>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Purge {
    tags: Vec<String>,
}

#[derive(Serialize)]
struct Summary {
    tags: usize,
    /// False where other replicas have not heard of it: Redis or NATS is away, or there is no NATS.
    everywhere: bool,
}

const MAX_TAGS: usize = 1_000;
const MAX_TAG_BYTES: usize = 1_000;

pub async fn purge(State(cache): State<Purger>, Json(Purge { tags }): Json<Purge>) -> Result<Response, Problem> {
    if let Some(problem) = problem(&tags) {
        return Err(problem);
    }
    let everywhere = match &cache {
        Some(cache) => cache.invalidate(&tags).await,
        None => true,
    };
    let status = if everywhere { StatusCode::OK } else { StatusCode::ACCEPTED };
    Ok((status, axum::Json(Summary { tags: tags.len(), everywhere })).into_response())
}

fn problem(tags: &[String]) -> Option<Problem> {
    let field = |pointer: String, message: &str| {
        let location = Location::Pointer(pointer);
        Some(Problem::invalid(vec![FieldError { location, code: "range".to_owned(), message: message.to_owned() }]))
    };
    if tags.is_empty() || tags.len() > MAX_TAGS {
        return field("/tags".to_owned(), "name 1 to 1000 tags");
    }
    let wrong = tags.iter().position(|tag| tag.is_empty() || tag.len() > MAX_TAG_BYTES)?;
    field(format!("/tags/{wrong}"), "a tag has 1 to 1000 bytes")
}
