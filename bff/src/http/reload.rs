//! `POST /reload`: the views and contracts read again, as SIGHUP does.

use std::time::Duration;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde::Serialize;

use super::Problem;
use super::problem::FileError;
use crate::views::{Fault, LoadError, Reloader, Swapped};

#[derive(Serialize)]
struct Summary {
    views: usize,
    changed: Vec<String>,
}

/// How many problems an answer names.
const MAX_ERRORS: usize = 100;
const RETRY: Duration = Duration::from_secs(1);

/// 422 says what is wrong with the files; then everything is served as before.
pub async fn reload(State(reloader): State<Reloader>) -> Result<Response, Problem> {
    let outcome = reloader.reload("POST /reload").await.ok_or(Problem::unavailable(RETRY))?;
    let Swapped { views, changed } = outcome.map_err(|error| refused(&error))?;
    Ok(axum::Json(Summary { views, changed }).into_response())
}

fn refused(error: &LoadError) -> Problem {
    let errors = error.faults().iter().take(MAX_ERRORS).map(|fault: &Fault| FileError {
        place: fault.place(),
        code: fault.code(),
        message: fault.message(),
    });
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY)
        .code("invalid-views", "The files have problems; what was served before still is")
        .files(errors.collect())
}
