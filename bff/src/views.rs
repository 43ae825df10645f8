//! The compiled catalogue of views: load, find, run.
//!
//! Everything is checked here, at start-up; a view that does not fit its services' contracts stops the server.

mod catalogue;
mod destination;
mod door;
mod fetching;
mod files;
mod keeping;
mod kept;
mod load_error;
mod passage;
mod reload;
mod watch;

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use bytes::Bytes;
use compose::inputs::{Auth, Inputs, bind, variant};
use compose::plan::Plan;
use compose::run::{open, progress, run};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use futures_util::stream::{BoxStream, StreamExt, TryStreamExt, unfold};
use http::{HeaderMap, HeaderName, HeaderValue};
use serde::Deserialize;
use time::OffsetDateTime;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;
use tracing::{Instrument, Span};

pub use catalogue::{Draft, Loader, Terms, Views};
/// The JSON Schema of view files.
pub use compose::definition::schema as file_schema;
pub use compose::inputs::{InputError, InputPlace, VARIANT, VARIANT_HEADER};
pub use compose::run::{Answer, Events, Failure, Note, Part};
pub use compose::upstream::Code;
/// What a checked view says of itself.
pub use compose::{
    definition, definition::ParamLocation, explain, expr, plan, problem::nearest, scaffold::scaffold, schema, tape,
};
pub use load_error::{Fault, LoadError, counted};
pub use reload::{Outcome, Reloader, Reloads, Swapped, reloads};
pub use watch::{Watched, watch};

pub use crate::upstream::{Body, Socket};

use crate::identity::Caller;
use crate::meter::Meter;
use crate::upstream::Headers;
use destination::Destination;
use door::{Door, Sender};
use passage::Gate;

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The folder of the view files.
    pub dir: String,
    /// How long a view may take that names no deadline.
    pub deadline_ms: u64,
    /// How many requests to services one answer may cost at the most.
    pub max_requests: usize,
    /// How integers of 64 bits stand in an answer where their contract does not say it.
    pub int64: Int64,
    /// Whether calls that ask for the same at the same time are made once.
    pub coalesce: bool,
    /// Whether a view or a contract that is saved is served at once.
    pub watch: Watch,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Int64 {
    /// Exact in JavaScript too, whose numbers end at 2^53.
    #[default]
    String,
    Number,
}

impl From<Int64> for schema::Int64 {
    fn from(int64: Int64) -> Self {
        match int64 {
            Int64::String => Self::String,
            Int64::Number => Self::Number,
        }
    }
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Watch {
    /// In development.
    #[default]
    Auto,
    On,
    Off,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            dir: "config/views".to_owned(),
            deadline_ms: 2_000,
            max_requests: 100,
            int64: Int64::String,
            coalesce: true,
            watch: Watch::Auto,
        }
    }
}

/// What is kept of the services' replies.
pub type Cache = crate::cache::Cache<fetching::Fetching>;

/// An answer, and how long what is in it may still be kept.
pub struct Served {
    pub answer: Answer,
    pub left: Duration,
}

/// One view and the services it calls.
pub struct View {
    plan: Arc<Plan>,
    /// By the calls' index; a stream has the first.
    destinations: Vec<Arc<Destination>>,
    /// Of a view that hands requests on.
    gate: Option<Gate>,
    forwards: Vec<HeaderName>,
    variants: Vec<Arc<View>>,
    cache: Option<Arc<Cache>>,
    tasks: TaskTracker,
    meter: Meter,
}

/// A request to a view, as the client sent it.
pub struct Arguments<'a> {
    /// The path's parameters, decoded.
    pub path: &'a [(&'a str, &'a str)],
    /// Without `?`.
    pub query: &'a str,
    pub header: &'a (dyn Fn(&str) -> Option<String> + Sync),
    pub body: Bytes,
    pub caller: Option<Caller>,
    pub idempotency_key: Option<HeaderValue>,
    /// What the services are told of the trace that the request belongs to.
    pub trace: HeaderMap,
    pub now: OffsetDateTime,
}

/// Where a client says which event it had last.
const LAST_EVENT_ID: &str = "last-event-id";

/// An answer as it comes; there is nothing behind a failure.
pub type Parts = BoxStream<'static, Result<Part, Failure>>;

/// Of each call what it changes and what it leaves out, and the whole.
const MAX_PARTS: usize = 2 * plan::MAX_CALLS + 1;

/// Why a view has no answer.
#[derive(Debug)]
pub enum Error {
    /// The client's mistakes, all of them.
    Inputs(Vec<InputError>),
    Failed(Failure),
}

impl View {
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The variant that the client asks for: by the query, else by a header; without a word the view itself.
    pub fn chosen(self: &Arc<Self>, query: &str, header: &dyn Fn(&str) -> Option<String>) -> Result<&Arc<Self>, Error> {
        let plan = variant(&self.plan, query, header).map_err(|error| Error::Inputs(vec![error]))?;
        Ok(self.variants.iter().find(|view| Arc::ptr_eq(&view.plan, plan)).unwrap_or(self))
    }

    /// Makes the calls and writes the answer. What changes something runs to its end even when nobody waits for it.
    pub async fn run(self: Arc<Self>, arguments: Arguments<'_>) -> Result<Served, Error> {
        let (inputs, sender) = self.bind(arguments)?;
        let deadline = Instant::now() + self.plan.deadline;
        let span = self.span();
        let result = if !self.plan.calls.iter().all(|call| call.safe) {
            let view = Arc::clone(&self);
            let work = async move { view.served(&inputs, sender, deadline).await };
            self.tasks.spawn(work.instrument(span)).await.unwrap_or_else(|_| Err(interrupted()))
        } else {
            self.served(&inputs, sender, deadline).instrument(span).await
        };
        self.log(result.as_ref().map(|served| &served.answer));
        result.map_err(Error::Failed)
    }

    async fn served(&self, inputs: &Inputs, sender: Sender, deadline: Instant) -> Result<Served, Failure> {
        let door = self.door(sender);
        let answer = run(&self.plan, inputs, &door, deadline).await?;
        if let (Some(cache), false) = (&self.cache, answer.invalidates.is_empty()) {
            Box::pin(cache.invalidate(&answer.invalidates)).await;
        }
        let left = Duration::from_millis(door.left.into_inner());
        Ok(Served { answer, left })
    }

    /// As `run`, in parts: the first comes when all that must succeed has, and what was late follows. It ends after a
    /// failure.
    pub fn progress(self: Arc<Self>, arguments: Arguments<'_>) -> Result<Parts, Error> {
        let (inputs, sender) = self.bind(arguments)?;
        let deadline = Instant::now() + self.plan.deadline;
        let span = self.span();
        let (told, parts) = mpsc::channel(MAX_PARTS);
        let work = async move {
            // There is room for every part that a plan can have.
            let mut tell = |part| drop(told.try_send(part));
            let result = progress(&self.plan, &inputs, &self.door(sender), deadline, &mut tell).await;
            self.log(result.as_ref());
            result.map(drop)
        };
        Ok(in_order(work.instrument(span).boxed(), parts))
    }

    /// Opens the view's stream: the JSON text of every event, until a failure or the service's end.
    pub async fn open(self: Arc<Self>, arguments: Arguments<'_>) -> Result<Events, Error> {
        let last = (arguments.header)(LAST_EVENT_ID).filter(|id| !id.is_empty());
        let (inputs, sender) = self.bind(arguments)?;
        let opened = open(Arc::clone(&self.plan), inputs, &self.door(sender), last).instrument(self.span()).await;
        match opened {
            Ok(events) => Ok(events.inspect_err(move |failure| self.log_stream(failure)).boxed()),
            Err(failure) => {
                self.log_stream(&failure);
                Err(Error::Failed(failure))
            }
        }
    }

    fn bind(&self, arguments: Arguments<'_>) -> Result<(Inputs, Sender), Error> {
        let auth = arguments.caller.as_ref().map(|caller| Auth {
            sub: caller.subject(),
            role: caller.role.to_string(),
            email: caller.email.clone(),
            kind: "user".to_owned(),
            scopes: caller.scopes().to_vec(),
        });
        let typed = compose::inputs::Arguments {
            path: arguments.path,
            query: arguments.query,
            header: arguments.header,
            body: arguments.body,
            auth,
            now: (arguments.now.unix_timestamp(), arguments.now.nanosecond().cast_signed()),
        };
        let inputs = bind(&self.plan, typed).map_err(Error::Inputs)?;
        let forwarded = self.forwarded(arguments.header);
        let Arguments { caller, idempotency_key, trace, .. } = arguments;
        let trace = trace.into_iter().filter_map(|(name, value)| Some((name?, value))).collect();
        Ok((inputs, Sender { caller, idempotency_key, trace, forwarded }))
    }

    /// Whether what is handed on is the same whoever asks.
    pub fn is_open(&self) -> bool {
        let told = self.gate.as_ref().is_some_and(|gate| gate.source().tells_who_asks());
        self.plan.access.iter().any(|access| access == "public") && !self.plan.personal && !told
    }

    /// The client's headers that services are told, each once: the answer may depend on them.
    pub fn forwards(&self) -> &[HeaderName] {
        &self.forwards
    }

    fn forwarded(&self, header: &(dyn Fn(&str) -> Option<String> + Sync)) -> Headers {
        let value = |name: &HeaderName| HeaderValue::try_from(header(name.as_str())?).ok();
        self.forwards.iter().filter_map(|name| Some((name.clone(), value(name)?))).collect()
    }

    fn door(&self, sender: Sender) -> Door<'_> {
        let now = self.cache.as_ref().map_or(0, |cache| cache.now());
        Door { plan: &self.plan, destinations: &self.destinations, sender, now, left: AtomicU64::new(u64::MAX) }
    }

    fn span(&self) -> Span {
        let view = self.plan.name.as_str();
        tracing::info_span!("view", otel.name = format!("view {view}"), view)
    }

    fn log(&self, result: Result<&Answer, &Failure>) {
        let view = self.plan.name.as_str();
        match result {
            Ok(answer) => {
                for lost in &answer.lost {
                    tracing::warn!(view, cause = lost, "left out of the answer");
                }
                // Everything that one call leaves out stands together.
                for notes in answer.notes.chunk_by(|a, b| a.call == b.call) {
                    let Some(Note { path, call, reason, message }) = notes.first() else { continue };
                    tracing::warn!(view, call, path, reason, cause = message, "partial answer");
                    let labels = [("view", view), ("call", call), ("reason", reason)];
                    self.meter.counter("bff_view_partial_total", &labels).increment(1);
                }
            }
            Err(failure) => self.log_failure(failure),
        }
    }

    fn log_stream(&self, failure: &Failure) {
        if failure.error.malformed {
            self.destinations.iter().for_each(|destination| destination.broke_contract());
        }
        self.log_failure(failure);
    }

    /// A client can make as many mistakes as it likes: they are no warning.
    fn log_failure(&self, failure: &Failure) {
        let Failure { call, error, .. } = failure;
        let (view, call, code) = (self.plan.name.as_str(), call.as_deref().unwrap_or("-"), error.code.name());
        if is_clients(failure) {
            tracing::debug!(view, call, code, cause = error.message, "no answer");
        } else {
            tracing::warn!(view, call, code, cause = error.message, "no answer");
        }
    }
}

/// What the work tells while it goes on, and its failure behind that.
fn in_order(work: BoxFuture<'static, Result<(), Failure>>, parts: mpsc::Receiver<Part>) -> Parts {
    unfold((Some(work), parts, None), |(mut work, mut parts, mut failure)| async move {
        loop {
            tokio::select! {
                biased;
                part = parts.recv() => return match (part, failure) {
                    (Some(part), failure) => Some((Ok(part), (work, parts, failure))),
                    (None, Some(failure)) => Some((Err(failure), (None, parts, None))),
                    (None, None) => None,
                },
                result = async { work.as_mut()?.await.err() }, if work.is_some() => (work, failure) = (None, result),
            }
        }
    })
    .boxed()
}

/// The service refuses what the client asks for, and the view does not say that this is something else.
fn is_clients(Failure { error, from_client, status, .. }: &Failure) -> bool {
    let refused = match error.code {
        Code::InvalidArgument | Code::OutOfRange => *from_client,
        Code::NotFound | Code::PermissionDenied => true,
        Code::AlreadyExists | Code::Aborted | Code::FailedPrecondition => true,
        _ => false,
    };
    refused && status.is_none_or(|status| (400..500).contains(&status) && status != 429)
}

fn interrupted() -> Failure {
    let error = compose::upstream::CallError::new(Code::Internal, "the task that made the calls ended early");
    Failure { call: None, error, from_client: false, mistakes: Box::default(), status: None }
}

impl Config {
    pub fn problems(&self) -> Vec<String> {
        if self.deadline_ms == 0 { vec!["views.deadline_ms must be at least 1".to_owned()] } else { Vec::new() }
    }

    pub fn watches(&self, production: bool) -> bool {
        match self.watch {
            Watch::Auto => !production,
            Watch::On => true,
            Watch::Off => false,
        }
    }

    fn deadline(&self) -> Duration {
        Duration::from_millis(self.deadline_ms)
    }
}
