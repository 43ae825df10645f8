//! `GET /docs`: swagger-ui over `/openapi.json`, from the binary alone.

use std::borrow::Cow;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::response::Response;
use axum::routing::get;
use http::header::CONTENT_SECURITY_POLICY;
use http::{HeaderMap, HeaderValue};
use utoipa_swagger_ui::{Config, serve};

use super::static_file::StaticFile;

/// The page and the files it loads.
pub fn routes() -> Router {
    let own = [
        ("/docs", "text/html; charset=utf-8", Bytes::from_static(include_bytes!("docs/index.html"))),
        ("/docs/start.js", "text/javascript", Bytes::from_static(include_bytes!("docs/start.js"))),
    ];
    let library = [("/docs/swagger-ui.css", "text/css"), ("/docs/swagger-ui-bundle.js", "text/javascript")];
    let library = library.into_iter().filter_map(|(path, kind)| Some((path, kind, swagger_ui(path)?)));
    own.into_iter().chain(library).fold(Router::new(), |router, (path, kind, body)| {
        let file = Arc::new(StaticFile::new(kind, body));
        router.route(path, get(async move |headers: HeaderMap| answer(&file, &headers)))
    })
}

/// The page's own files and this server only. swagger-ui draws its icons with images within its style sheet.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
    connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

fn answer(file: &StaticFile, headers: &HeaderMap) -> Response {
    let mut response = file.answer(headers);
    response.headers_mut().insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    response
}

fn swagger_ui(path: &str) -> Option<Bytes> {
    let file = serve(path.strip_prefix("/docs/")?, Arc::new(Config::default())).ok()??;
    Some(match file.bytes {
        Cow::Borrowed(bytes) => Bytes::from_static(bytes),
        Cow::Owned(bytes) => Bytes::from(bytes),
    })
}
