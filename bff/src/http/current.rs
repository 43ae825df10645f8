//! The router that answers now. Each request takes the one that stands when it arrives, and keeps it to its end.

use std::sync::Arc;

use arc_swap::ArcSwap;
use axum::Router;

#[derive(Clone)]
pub struct Current(Arc<ArcSwap<Router>>);

impl Current {
    pub fn replace(&self, router: Router) {
        self.0.store(Arc::new(router));
    }

    pub(super) fn router(&self) -> Router {
        Router::clone(&self.0.load())
    }
}

impl From<Router> for Current {
    fn from(router: Router) -> Self {
        Self(Arc::new(ArcSwap::from_pointee(router)))
    }
}
