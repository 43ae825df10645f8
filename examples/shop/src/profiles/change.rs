//! What a customer may change: a merge patch (RFC 7396), of which only what it names changes.

use axum::http::{HeaderMap, StatusCode, header};
use serde::Deserialize;

use super::Profile;
use crate::problem::Problem;

const MEDIA_TYPE: &str = "application/merge-patch+json";
const MAX_CHARACTERS: usize = 100;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Change {
    display_name: Option<String>,
    given_name: Option<String>,
    family_name: Option<String>,
    newsletter: Option<bool>,
}

impl Change {
    pub fn read(headers: &HeaderMap, body: &[u8]) -> Result<Self, Problem> {
        if headers.get(header::CONTENT_TYPE).is_none_or(|sent| sent != MEDIA_TYPE) {
            return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, format!("a change is {MEDIA_TYPE}")));
        }
        let change: Change =
            serde_json::from_slice(body).map_err(|error| Problem::bad_request(format!("the change: {error}")))?;
        let names = [
            ("display_name", &change.display_name),
            ("given_name", &change.given_name),
            ("family_name", &change.family_name),
        ];
        for (field, name) in names {
            let characters = name.as_ref().map_or(1, |name| name.trim().chars().count());
            if !(1..=MAX_CHARACTERS).contains(&characters) {
                return Err(Problem::bad_request(format!("{field}: 1 to {MAX_CHARACTERS} characters")));
            }
        }
        Ok(change)
    }

    pub fn apply(self, profile: &mut Profile) {
        profile.display_name = self.display_name.unwrap_or_else(|| std::mem::take(&mut profile.display_name));
        profile.given_name = self.given_name.or_else(|| profile.given_name.take());
        profile.family_name = self.family_name.or_else(|| profile.family_name.take());
        profile.newsletter = self.newsletter.unwrap_or(profile.newsletter);
    }
}
