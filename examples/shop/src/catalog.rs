//! What the shop sells: an HTTP upstream. Its contract is `config/contracts/catalog.yaml`.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::{Uri, header};
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Json, Router};
use serde::{Deserialize, Serialize};

use crate::batch::{MAX_IDS, parse_ids};
use crate::problem::Problem;

pub const CONTRACT: &str = include_str!("../../../config/contracts/catalog.yaml");

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Product {
    pub id: String,
    pub title: String,
    pub description: String,
    pub category: String,
    pub image: Option<Image>,
    pub price: Price,
    pub attributes: BTreeMap<String, String>,
    pub stock: u32,
    pub rating: Option<f64>,
    pub weight_grams: u64,
    pub created_at: String,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Image {
    pub thumb: String,
    pub full: String,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Price {
    pub amount: String,
    pub currency: String,
}

type Products = Arc<[Product]>;

pub fn router() -> Router {
    Router::new()
        .route("/products/{id}", get(get_product))
        .route("/products", get(list_products))
        .route("/openapi.yaml", get(contract))
        .fallback(nothing_here)
        .with_state(Products::from(products()))
}

/// The twenty products, `p1` to `p20`.
pub fn products() -> Vec<Product> {
    serde_json::from_str(include_str!("catalog/products.json"))
        .expect("products.json is part of the program, and every test reads it")
}

async fn get_product(State(products): State<Products>, Path(id): Path<String>) -> Result<Json<Product>, Problem> {
    find(&products, &id)
        .map(|product| Json(product.clone()))
        .ok_or_else(|| Problem::not_found("no product has this id"))
}

#[derive(Deserialize)]
struct ListQuery {
    ids: Option<String>,
    category: Option<String>,
    limit: Option<usize>,
}

#[derive(Serialize)]
struct ProductList {
    items: Vec<Product>,
}

async fn list_products(
    State(products): State<Products>,
    query: Result<Query<ListQuery>, QueryRejection>,
) -> Result<Json<ProductList>, Problem> {
    let Query(query) = query?;
    let limit = query.limit.unwrap_or(MAX_IDS);
    if !(1..=MAX_IDS).contains(&limit) {
        return Err(Problem::bad_request(format!("limit: 1 to {MAX_IDS}")));
    }
    let candidates: Vec<&Product> = match &query.ids {
        Some(ids) => parse_ids(ids)?.into_iter().filter_map(|id| find(&products, id)).collect(),
        None => products.iter().collect(),
    };
    let items = candidates
        .into_iter()
        .filter(|product| query.category.as_ref().is_none_or(|category| *category == product.category))
        .take(limit)
        .cloned()
        .collect();
    Ok(Json(ProductList { items }))
}

fn find<'a>(products: &'a [Product], id: &str) -> Option<&'a Product> {
    products.iter().find(|product| product.id == id)
}

async fn contract() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/yaml")], CONTRACT)
}

async fn nothing_here(uri: Uri) -> Problem {
    Problem::not_found(format!("{} is not here; /openapi.yaml says what is", uri.path()))
}
