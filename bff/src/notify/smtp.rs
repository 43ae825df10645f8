//! E-mail over SMTP: a few connections are kept for the next message.
//!
//! A connection whose message failed, or took too long, is dropped: what it would answer next belongs to that message.

use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use lettre::address::Envelope;
use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart};
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{AsyncSmtpConnection, Certificate, CertificateStore, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use lettre::{Address, Message};
use secrecy::{ExposeSecret, SecretString};
use time::OffsetDateTime;
use tokio::time::{Instant, timeout};
use uuid::Uuid;

use super::config::{SmtpConfig, Tls, host_and_port};
use super::failure::Failure;
use super::texts::Email;

pub struct Smtp {
    server: (String, u16),
    tls: Tls,
    parameters: TlsParameters,
    hello: ClientId,
    login: Option<(String, SecretString)>,
    from: Mailbox,
    patience: Duration,
    max_idle: usize,
    idle: Mutex<Vec<Idle>>,
}

struct Idle {
    connection: AsyncSmtpConnection,
    since: Instant,
}

/// Servers close what is silent for minutes.
const MAX_IDLE_TIME: Duration = Duration::from_secs(30);
/// Statuses that complain about our password or our encryption, not about the message.
const OURS: [u16; 4] = [530, 534, 535, 538];

impl Smtp {
    pub fn new(config: &SmtpConfig) -> Result<Self, String> {
        let server =
            config.server.as_deref().and_then(host_and_port).ok_or("notify.smtp.server: expected HOST:PORT")?;
        let (host, port) = (server.0.to_owned(), server.1);
        let from = config.from.as_deref().unwrap_or_default();
        let from: Mailbox = from.parse().map_err(|_| "notify.smtp.from: expected an address")?;
        Ok(Self {
            parameters: parameters(host.clone(), config.tls_ca.as_deref())?,
            server: (host, port),
            tls: config.tls,
            hello: ClientId::Domain(from.email.domain().to_owned()),
            login: config.username.clone().zip(config.password.clone()),
            from,
            patience: Duration::from_millis(config.timeout_ms),
            max_idle: config.max_idle,
            idle: Mutex::default(),
        })
    }

    /// The same id is the same `Message-ID`, so that whoever gets a message twice can tell.
    pub async fn send(&self, id: Uuid, to: &str, email: Email, now: OffsetDateTime) -> Result<(), Failure> {
        let message = self.message(id, to, email, now)?;
        let sent = timeout(self.patience, self.transmit(message.envelope(), &message.formatted())).await;
        sent.unwrap_or_else(|_| Err(Failure::Later(format!("no answer within {} ms", self.patience.as_millis()))))
    }

    fn message(&self, id: Uuid, to: &str, email: Email, now: OffsetDateTime) -> Result<Message, Failure> {
        let to: Address =
            to.parse().map_err(|_| Failure::Never("the address cannot be written in a mail".to_owned()))?;
        let generated = HeaderName::new_from_ascii_str("Auto-Submitted");
        Message::builder()
            .message_id(Some(format!("<{id}@{}>", self.from.email.domain())))
            .date(SystemTime::from(now))
            .from(self.from.clone())
            .to(Mailbox::new(None, to))
            .subject(email.subject)
            .raw_header(HeaderValue::new(generated, "auto-generated".to_owned()))
            .multipart(MultiPart::alternative_plain_html(email.text, email.html))
            .map_err(|error| Failure::Never(format!("the mail cannot be written: {error}")))
    }

    async fn transmit(&self, envelope: &Envelope, mail: &[u8]) -> Result<(), Failure> {
        let mut connection = match self.waiting().await {
            Some(connection) => connection,
            // What is refused before a message is shown is not the message's fault.
            None => self.connect().await.map_err(|error| Failure::Later(told(&error)))?,
        };
        connection.send(envelope, mail).await.map_err(|error| failure(&error))?;
        self.keep(connection);
        Ok(())
    }

    async fn connect(&self) -> Result<AsyncSmtpConnection, Error> {
        let first = (self.tls == Tls::Tls).then(|| self.parameters.clone());
        let server = (self.server.0.as_str(), self.server.1);
        let mut connection =
            AsyncSmtpConnection::connect_tokio1(server, Some(self.patience), &self.hello, first, None).await?;
        if self.tls == Tls::Starttls {
            connection.starttls(self.parameters.clone(), &self.hello).await?;
        }
        if let Some((username, password)) = &self.login {
            let credentials = Credentials::new(username.clone(), password.expose_secret().to_owned());
            connection.auth(DEFAULT_MECHANISMS, &credentials).await?;
        }
        Ok(connection)
    }

    /// A connection from before that still answers.
    async fn waiting(&self) -> Option<AsyncSmtpConnection> {
        loop {
            let Idle { mut connection, since } = self.idle().pop()?;
            if since.elapsed() < MAX_IDLE_TIME && connection.test_connected().await {
                return Some(connection);
            }
        }
    }

    fn keep(&self, connection: AsyncSmtpConnection) {
        let mut idle = self.idle();
        idle.retain(|idle| idle.since.elapsed() < MAX_IDLE_TIME);
        if idle.len() < self.max_idle {
            idle.push(Idle { connection, since: Instant::now() });
        }
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Idle>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn parameters(host: String, ca: Option<&Path>) -> Result<TlsParameters, String> {
    let mut builder = TlsParameters::builder(host);
    if let Some(path) = ca {
        let cannot =
            |error: &dyn std::fmt::Display| format!("notify.smtp.tls_ca: cannot use {}: {error}", path.display());
        let pem = std::fs::read(path).map_err(|error| cannot(&error))?;
        builder = builder.certificate_store(CertificateStore::None);
        builder = builder.add_root_certificate(Certificate::from_pem(&pem).map_err(|error| cannot(&error))?);
    }
    builder.build_rustls().map_err(|error| format!("notify.smtp: TLS cannot be used: {error}"))
}

fn failure(error: &Error) -> Failure {
    let ours = error.status().is_some_and(|status| OURS.contains(&u16::from(status)));
    match error.is_client() || (error.is_permanent() && !ours) {
        true => Failure::Never(told(error)),
        false => Failure::Later(told(error)),
    }
}

/// What a server says may name the receiver: of its answers the status alone is told.
fn told(error: &Error) -> String {
    match error.status() {
        Some(status) => format!("the server answered {status}"),
        None => error.to_string(),
    }
}
