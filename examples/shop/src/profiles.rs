//! Who the customers are: an HTTP upstream. Its contract is `config/contracts/profiles.yaml`.
//!
//! Knows the four demo accounts, and invents a profile for every other UUID, so that somebody who has just registered
//! sees a home page too.

mod people;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query};
use axum::http::{Uri, header};
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Json, Router};
use serde::{Deserialize, Serialize};

use crate::batch::parse_ids;
use crate::problem::Problem;

pub const CONTRACT: &str = include_str!("../../../config/contracts/profiles.yaml");

#[derive(Debug, Serialize)]
pub struct Profile {
    pub id: String,
    pub display_name: String,
    pub given_name: Option<String>,
    pub family_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub avatar: Option<Avatar>,
    pub loyalty_enrolled: bool,
    pub locale: &'static str,
    pub time_zone: &'static str,
    pub currency: &'static str,
    pub interests: Vec<&'static str>,
    pub newsletter: bool,
    pub member_since: String,
}

#[derive(Debug, Serialize)]
pub struct Avatar {
    pub url: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub width: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub height: Option<u32>,
}

pub fn router() -> Router {
    Router::new()
        .route("/profiles/{id}", get(get_profile))
        .route("/profiles", get(list_profiles))
        .route("/openapi.yaml", get(contract))
        .fallback(nothing_here)
}

async fn get_profile(Path(id): Path<String>) -> Result<Json<Profile>, Problem> {
    people::find(&id).map(Json).ok_or_else(|| Problem::not_found("no profile has this id"))
}

#[derive(Deserialize)]
struct ListQuery {
    ids: String,
}

#[derive(Serialize)]
struct ProfileList {
    items: Vec<Profile>,
}

async fn list_profiles(query: Result<Query<ListQuery>, QueryRejection>) -> Result<Json<ProfileList>, Problem> {
    let Query(query) = query?;
    let ids = parse_ids(&query.ids)?;
    let items = ids.into_iter().filter_map(people::find).collect();
    Ok(Json(ProfileList { items }))
}

async fn contract() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/yaml")], CONTRACT)
}

async fn nothing_here(uri: Uri) -> Problem {
    Problem::not_found(format!("{} is not here; /openapi.yaml says what is", uri.path()))
}
