//! Who the customers are: an HTTP upstream. Its contract is `config/contracts/profiles.yaml`.
//!
//! Knows the four demo accounts, and invents a profile for every other UUID, so that somebody who has just registered
//! sees a home page too. It trusts whoever calls: the BFF asks for the caller's own profile alone.

mod change;
mod people;
mod picture;
mod range;
mod register;

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::rejection::QueryRejection;
use axum::extract::{DefaultBodyLimit, Path, Query, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde::{Deserialize, Serialize};

use crate::batch::parse_ids;
use crate::problem::Problem;
use crate::rooms;
use change::Change;
use register::Register;

pub const CONTRACT: &str = include_str!("../../../config/contracts/profiles.yaml");

#[derive(Clone, Debug, Serialize)]
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

#[derive(Clone, Debug, Serialize)]
pub struct Avatar {
    pub url: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub width: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub height: Option<u32>,
}

pub fn router() -> Router {
    Router::new()
        .route("/profiles/{id}", get(get_profile).patch(change_profile))
        .route("/profiles/{id}/avatar", get(avatar).put(upload_avatar).delete(delete_avatar))
        .route("/profiles", get(list_profiles))
        .route("/openapi.yaml", get(contract))
        .fallback(nothing_here)
        .layer(DefaultBodyLimit::max(picture::MAX_BYTES))
        .with_state(Arc::default())
        .merge(rooms::router())
}

type Customers = State<Arc<Register>>;

async fn get_profile(State(customers): Customers, Path(id): Path<String>) -> Result<Json<Profile>, Problem> {
    customers.find(&id).await.map(Json)
}

async fn change_profile(
    State(customers): Customers,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<Profile>, Problem> {
    let change = Change::read(&headers, &body)?;
    customers.change(&id, |profile| change.apply(profile)).await.map(Json)
}

async fn avatar(
    State(customers): Customers,
    Path(id): Path<String>,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    Ok(customers.pictures.find(&id)?.answer(&method, &headers))
}

async fn upload_avatar(
    State(customers): Customers,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<StatusCode, Problem> {
    let url = format!("https://images.shop.test/avatars/{id}");
    customers.change(&id, |profile| profile.avatar = Some(Avatar { url, width: None, height: None })).await?;
    customers.pictures.put(&id, &headers, body)?;
    Ok(StatusCode::NO_CONTENT)
}

/// Repeating it succeeds.
async fn delete_avatar(State(customers): Customers, Path(id): Path<String>) -> Result<StatusCode, Problem> {
    customers.change(&id, |profile| profile.avatar = None).await?;
    customers.pictures.remove(&id);
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize)]
struct ListQuery {
    ids: String,
}

#[derive(Serialize)]
struct ProfileList {
    items: Vec<Profile>,
}

async fn list_profiles(
    State(customers): Customers,
    query: Result<Query<ListQuery>, QueryRejection>,
) -> Result<Json<ProfileList>, Problem> {
    let Query(query) = query?;
    let items = customers.find_all(parse_ids(&query.ids)?).await;
    Ok(Json(ProfileList { items }))
}

async fn contract() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/yaml")], CONTRACT)
}

async fn nothing_here(uri: Uri) -> Problem {
    Problem::not_found(format!("{} is not here; /openapi.yaml says what is", uri.path()))
}
