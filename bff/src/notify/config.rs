//! What delivery is told from outside, and what is wrong with it.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;

use http::Method;
use http::header::{HeaderName, HeaderValue};
use lettre::message::Mailbox;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

/// How messages reach people: `[notify]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    pub deliver: Deliver,
    /// What messages call this installation.
    pub site: String,
    /// A folder with texts that change or add to the built-in ones.
    pub templates: Option<PathBuf>,
    pub smtp: SmtpConfig,
    pub sms: SmsConfig,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Deliver {
    /// Over what is configured; what is not goes to the mailbox in development, and nowhere in production.
    #[default]
    Auto,
    /// Production without e-mail and SMS: nobody is sent a code.
    Off,
}

/// Over what messages reach anybody: a provider, or development's mailbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reach {
    pub email: bool,
    pub sms: bool,
}

/// `[notify.smtp]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SmtpConfig {
    /// `HOST:PORT`
    pub server: Option<String>,
    pub tls: Tls,
    /// The certificates that the server's must descend from, instead of the system's.
    pub tls_ca: Option<PathBuf>,
    pub username: Option<String>,
    pub password: Option<SecretString>,
    /// `Shop <no-reply@shop.test>`
    pub from: Option<String>,
    pub timeout_ms: u64,
    /// How many connections wait for another message.
    pub max_idle: usize,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Tls {
    /// Begins without, and goes on only with TLS.
    #[default]
    Starttls,
    /// From the first byte on.
    Tls,
    None,
}

/// `[notify.sms]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SmsConfig {
    pub url: Option<String>,
    pub method: String,
    pub bearer: Option<SecretString>,
    pub username: Option<String>,
    pub password: Option<SecretString>,
    pub headers: BTreeMap<String, SecretString>,
    pub body_type: BodyType,
    pub body: String,
    /// The statuses that mean that the message is taken.
    pub success: Vec<u16>,
    pub timeout_ms: u64,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BodyType {
    #[default]
    Json,
    Form,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            deliver: Deliver::Auto,
            site: "bff".to_owned(),
            templates: None,
            smtp: SmtpConfig::default(),
            sms: SmsConfig::default(),
        }
    }
}

impl Default for SmtpConfig {
    fn default() -> Self {
        Self {
            server: None,
            tls: Tls::Starttls,
            tls_ca: None,
            username: None,
            password: None,
            from: None,
            timeout_ms: 10_000,
            max_idle: 4,
        }
    }
}

impl Default for SmsConfig {
    fn default() -> Self {
        Self {
            url: None,
            method: "POST".to_owned(),
            bearer: None,
            username: None,
            password: None,
            headers: BTreeMap::new(),
            body_type: BodyType::Json,
            body: r#"{"to":"{to}","text":"{text}","reference":"{id}"}"#.to_owned(),
            success: vec![200, 201, 202, 204],
            timeout_ms: 10_000,
        }
    }
}

/// A try must be over before another worker may have the message.
const MAX_TIMEOUT_MS: u64 = 30_000;
const MAX_SITE_CHARS: usize = 40;

impl Config {
    pub fn reach(&self, production: bool) -> Reach {
        let reaches = |configured: bool| !production || (configured && self.deliver == Deliver::Auto);
        Reach { email: reaches(self.smtp.server.is_some()), sms: reaches(self.sms.url.is_some()) }
    }

    /// Every option that cannot be used, and what to write instead.
    pub fn problems(&self, production: bool) -> Vec<String> {
        let nothing = self.smtp.server.is_none() && self.sms.url.is_none();
        let site = self.site.chars().count();
        let problems = [
            (
                (1..=MAX_SITE_CHARS).contains(&site) && !self.site.chars().any(char::is_control),
                "notify.site: expected 1 to 40 characters in one line",
            ),
            (
                !(production && nothing && self.deliver == Deliver::Auto),
                "notify: production sends codes: set notify.smtp.server or notify.sms.url, \
                 or notify.deliver = \"off\" where nobody registers or resets a password",
            ),
        ];
        let smtp = self.smtp.server.as_deref().map(|server| self.smtp.problems(server, production));
        let sms = self.sms.url.as_deref().map(|url| self.sms.problems(url, production));
        told(problems).chain(smtp.unwrap_or_default()).chain(sms.unwrap_or_default()).collect()
    }
}

impl SmtpConfig {
    fn problems(&self, server: &str, production: bool) -> Vec<String> {
        let host = host_and_port(server).map(|(host, _)| host);
        let from = self.from.as_deref().map(str::parse::<Mailbox>);
        let open = self.tls == Tls::None && !host.is_some_and(is_local);
        told([
            (host.is_some(), "notify.smtp.server: expected HOST:PORT, as in smtp.example.com:587"),
            (matches!(from, Some(Ok(_))), "notify.smtp.from: expected an address, as in \"Shop <no-reply@shop.test>\""),
            (self.username.is_some() == self.password.is_some(), "notify.smtp: username and password go together"),
            (
                !(open && (production || self.password.is_some())),
                "notify.smtp.tls: \"none\" is for development and for a server on this machine: it shows codes and \
                 passwords to the network",
            ),
            (self.tls_ca.is_none() || self.tls != Tls::None, "notify.smtp.tls_ca: is of no use with tls = \"none\""),
            ((1..=MAX_TIMEOUT_MS).contains(&self.timeout_ms), "notify.smtp.timeout_ms: must be from 1 to 30000"),
        ])
        .collect()
    }
}

impl SmsConfig {
    fn problems(&self, url: &str, production: bool) -> Vec<String> {
        let parsed = reqwest::Url::parse(url).ok().filter(|url| ["http", "https"].contains(&url.scheme()));
        let parsed = parsed.filter(|url| url.host_str().is_some_and(|host| !host.contains(['{', '}'])));
        let open = parsed.as_ref().is_some_and(|url| url.scheme() == "http" && !url.host_str().is_some_and(is_local));
        let headers = self.headers.iter().all(|(name, value)| {
            HeaderName::try_from(name.as_str()).is_ok() && HeaderValue::try_from(value.expose_secret()).is_ok()
        });
        let all = format!("{url}{}", self.body);
        let has = |name: &str| all.contains(&format!("{{{name}}}"));
        told([
            (parsed.is_some(), "notify.sms.url: expected http://HOST/PATH or https://HOST/PATH"),
            (!(open && production), "notify.sms.url: production needs https: the texts hold codes"),
            (
                Method::from_bytes(self.method.as_bytes()).is_ok(),
                "notify.sms.method: expected a method, as in \"POST\"",
            ),
            (headers, "notify.sms.headers: expected names and values of HTTP headers"),
            (self.username.is_some() == self.password.is_some(), "notify.sms: username and password go together"),
            (self.bearer.is_none() || self.password.is_none(), "notify.sms: bearer and password exclude each other"),
            (has("to") && has("text"), "notify.sms: {to} and {text} must stand in `body` or in the query of `url`"),
            (self.is_json(), "notify.sms.body: is no JSON; values stand within a text, as in {\"to\":\"{to}\"}"),
            (self.success.iter().all(|status| (100..600).contains(status)), "notify.sms.success: expected statuses"),
            (!self.success.is_empty(), "notify.sms.success: expected at least one status"),
            ((1..=MAX_TIMEOUT_MS).contains(&self.timeout_ms), "notify.sms.timeout_ms: must be from 1 to 30000"),
        ])
        .collect()
    }

    /// With the names of the values in their places: braces stand within texts alone.
    fn is_json(&self) -> bool {
        let body = &self.body;
        self.body_type != BodyType::Json || body.is_empty() || serde_json::from_str::<serde_json::Value>(body).is_ok()
    }
}

/// An IPv6 address stands in brackets.
pub fn host_and_port(server: &str) -> Option<(&str, u16)> {
    let (host, port) = server.rsplit_once(':')?;
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let named = !host.is_empty() && !host.contains(|c: char| c.is_whitespace() || c.is_control() || c == '/');
    Some((host, port.parse().ok().filter(|port| *port > 0)?)).filter(|_| named)
}

fn is_local(host: &str) -> bool {
    let host = host.trim_matches(['[', ']']);
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn told<const N: usize>(problems: [(bool, &'static str); N]) -> impl Iterator<Item = String> {
    problems.into_iter().filter(|(fine, _)| !fine).map(|(_, problem)| problem.to_owned())
}
