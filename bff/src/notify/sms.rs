//! Text messages over somebody's HTTP gateway, as the configuration describes it.

use std::time::Duration;

use http::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use http::{Method, StatusCode};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::redirect::Policy;
use reqwest::{Client, Url};
use secrecy::ExposeSecret;
use uuid::Uuid;

use super::config::{BodyType, SmsConfig};
use super::failure::Failure;
use crate::causes::chain;

pub struct Gateway {
    client: Client,
    method: Method,
    url: String,
    headers: HeaderMap,
    config: SmsConfig,
}

/// What the gateway says about the message itself; any other refusal may be over when it is tried again.
const ABOUT_THE_MESSAGE: [StatusCode; 5] = [
    StatusCode::BAD_REQUEST,
    StatusCode::CONFLICT,
    StatusCode::GONE,
    StatusCode::PAYLOAD_TOO_LARGE,
    StatusCode::UNPROCESSABLE_ENTITY,
];

impl Gateway {
    pub fn new(config: &SmsConfig) -> Result<Self, String> {
        let url = config.url.clone().ok_or("notify.sms.url: is not set")?;
        let patience = Duration::from_millis(config.timeout_ms);
        let client = Client::builder().timeout(patience).connect_timeout(patience).no_proxy().redirect(Policy::none());
        let mut headers = HeaderMap::new();
        for (name, value) in &config.headers {
            let name = HeaderName::try_from(name).map_err(|_| "notify.sms.headers: expected names of HTTP headers")?;
            let value = HeaderValue::try_from(value.expose_secret())
                .map_err(|_| "notify.sms.headers: expected values of HTTP headers")?;
            headers.insert(name, value);
        }
        Ok(Self {
            client: client.build().map_err(|error| format!("notify.sms: no client can be made: {error}"))?,
            method: Method::from_bytes(config.method.as_bytes()).map_err(|_| "notify.sms.method: expected a method")?,
            url,
            headers,
            config: config.clone(),
        })
    }

    /// The same id is the same message, so that a gateway that remembers can send it once.
    pub async fn send(&self, id: Uuid, to: &str, text: &str) -> Result<(), Failure> {
        let fill = |template: &str, escape: fn(&str) -> String| {
            fill(template, |name| match name {
                "to" => Some(escape(to)),
                "text" => Some(escape(text)),
                "id" => Some(escape(&id.to_string())),
                _ => None,
            })
        };
        let url = Url::parse(&fill(&self.url, percent)).map_err(|_| Failure::Later("the URL is none".to_owned()))?;
        let mut request = self.client.request(self.method.clone(), url).headers(self.headers.clone());
        if !self.config.body.is_empty() {
            let (kind, escape) = match self.config.body_type {
                BodyType::Json => ("application/json", json as fn(&str) -> String),
                BodyType::Form => ("application/x-www-form-urlencoded", percent as fn(&str) -> String),
            };
            if !self.headers.contains_key(CONTENT_TYPE) {
                request = request.header(CONTENT_TYPE, kind);
            }
            request = request.body(fill(&self.config.body, escape));
        }
        if let Some(bearer) = &self.config.bearer {
            request = request.bearer_auth(bearer.expose_secret());
        }
        if let Some((username, password)) = self.config.username.as_ref().zip(self.config.password.as_ref()) {
            request = request.basic_auth(username, Some(password.expose_secret()));
        }
        let answer = request.send().await.map_err(|error| Failure::Later(told(error)))?;
        let status = answer.status();
        match self.config.success.contains(&status.as_u16()) {
            true => Ok(()),
            false if ABOUT_THE_MESSAGE.contains(&status) => {
                Err(Failure::Never(format!("the gateway answered {status}")))
            }
            false => Err(Failure::Later(format!("the gateway answered {status}"))),
        }
    }
}

/// `{to}`, `{text}` and `{id}` replaced; every other brace stays, as JSON has many.
fn fill(template: &str, value: impl Fn(&str) -> Option<String>) -> String {
    let mut filled = String::with_capacity(template.len() + 256);
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        filled.push_str(before);
        match after.split_once('}').and_then(|(name, after)| Some((value(name)?, after))) {
            Some((value, after)) => {
                filled.push_str(&value);
                rest = after;
            }
            None => {
                filled.push('{');
                rest = after;
            }
        }
    }
    filled.push_str(rest);
    filled
}

fn percent(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

/// As it stands within the quotes of a JSON text.
fn json(text: &str) -> String {
    let quoted = serde_json::Value::from(text).to_string();
    quoted[1..quoted.len() - 1].to_owned()
}

/// The error and its causes, without the URL, which may hold what the message says.
fn told(error: reqwest::Error) -> String {
    chain(&error.without_url())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(template: &str, escape: fn(&str) -> String) -> String {
        fill(template, |name| match name {
            "to" => Some(escape("+15550100001")),
            "text" => Some(escape("\"},{\"to\":\"+1\n&to=+1 {to} é")),
            _ => None,
        })
    }

    #[test]
    fn what_a_text_says_stays_within_its_place() {
        let body = filled(r#"{"messages":[{"to":"{to}","text":"{text}"}],"x":{}}"#, json);
        let parsed: serde_json::Value = serde_json::from_str(&body).unwrap();
        let text = "\"},{\"to\":\"+1\n&to=+1 {to} é";
        assert_eq!(parsed, serde_json::json!({ "messages": [{ "to": "+15550100001", "text": text }], "x": {} }));

        let form = filled("to={to}&text={text}&from=Shop", percent);
        assert_eq!(form.matches('&').count(), 2, "{form}");
        let pairs: Vec<(String, String)> =
            Url::parse(&format!("http://a/?{form}")).unwrap().query_pairs().into_owned().collect();
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(pairs, [pair("to", "+15550100001"), pair("text", text), pair("from", "Shop")]);
    }
}
