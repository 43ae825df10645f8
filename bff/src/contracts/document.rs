//! An OpenAPI document over HTTP, kept byte for byte.

use bytes::Bytes;
use http::header::ACCEPT;
use http::{HeaderValue, Method, Uri};
use tokio::time::Instant;

use super::PullError;
use crate::meter::Meter;
use crate::upstream::{Call, Config, Kind, Source, Target};

pub struct Document {
    pub bytes: Bytes,
    pub extension: &'static str,
    pub contents: String,
}

const KINDS: HeaderValue = HeaderValue::from_static("application/yaml, application/json;q=0.9, */*;q=0.1");

pub async fn fetch(name: &str, settings: &Config, from: &str, deadline: Instant) -> Result<Document, PullError> {
    let (origin, path) = address(name, settings, from)?;
    let url = format!("{}{path}", origin.trim_end_matches('/'));
    let settings = Config { grpc: None, http: Some(origin), ..settings.clone() };
    let source = Source::connect(name, &settings, &Meter::none()).map_err(|error| PullError(error.to_string()))?;
    tracing::info!(url, "asking for the OpenAPI document");
    let target = Target::Http(Method::GET, path);
    let call = Call { target, headers: vec![(ACCEPT, KINDS)], body: Bytes::new(), deadline, repeatable: true };
    let answer = source.call(call).await;
    let answer = answer.map_err(|error| {
        let hint = match error.kind {
            Kind::Answered => "; `--from` names where the document is, and redirects are not followed",
            _ => "",
        };
        PullError(format!("{url}: {}{hint}", error.message))
    })?;
    let bytes = answer.body;
    let text = std::str::from_utf8(&bytes).map_err(|_| PullError(format!("{url}: the answer is not text")))?;
    let Some(version) = version(text) else {
        return Err(PullError(format!("{url}: the answer is not an OpenAPI 3 document: it has no `openapi: 3...`")));
    };
    let extension = if text.trim_start().starts_with('{') { "json" } else { "yaml" };
    Ok(Document { contents: format!("OpenAPI {version}"), extension, bytes })
}

/// What to ask, and for what: a path belongs to the source's own address.
fn address(name: &str, settings: &Config, from: &str) -> Result<(String, String), PullError> {
    if from.starts_with('/') {
        let own = settings.http.clone();
        let none = || PullError(format!("sources.{name} has no `http` address; give `--from` a whole URL"));
        return Ok((own.ok_or_else(none)?, from.to_owned()));
    }
    let uri: Option<Uri> = from.parse().ok();
    let parts = uri.as_ref().and_then(|uri| Some((uri.scheme_str()?, uri.authority()?, uri.path_and_query()?)));
    let Some((scheme @ ("http" | "https"), authority, path)) = parts else {
        let expected = "a URL like http://127.0.0.1:7003/openapi.yaml, or a path like /openapi.yaml";
        return Err(PullError(format!("--from: `{from}` is not {expected}")));
    };
    Ok((format!("{scheme}://{authority}"), path.to_string()))
}

/// What the document says of itself; whether it is right in full is for `bff check`.
fn version(text: &str) -> Option<String> {
    let line = text.lines().find_map(|line| {
        let line = line.trim_start_matches([' ', '\t', '{']);
        line.strip_prefix("openapi:").or_else(|| line.strip_prefix("\"openapi\":"))
    });
    let value = line?.trim().trim_start_matches(['"', '\'']);
    let version: String = value.chars().take_while(|c| c.is_ascii_digit() || *c == '.').collect();
    version.starts_with("3.").then_some(version)
}
