//! Requests handed on as they are: where to, and in whose name.

use std::sync::Arc;

use compose::plan::{Plan, Proxy};
use compose::run::{Failure, forward};
use http::{Method, Response};
use http_body_util::BodyExt;

use super::door::{authorization, failed};
use super::{Arguments, Error, View};
use crate::meter::Meter;
use crate::upstream::{self, Body, Headers, OperationMeter, Passage, Socket, Source};

/// Where the requests of a view go.
pub(super) struct Gate {
    source: Arc<Source>,
    meter: OperationMeter,
}

impl Gate {
    pub fn new(plan: &Plan, proxy: &Proxy, source: Arc<Source>, meter: &Meter) -> Self {
        let operation = format!("{} {}", plan.method, proxy.pattern());
        Self { meter: OperationMeter::new(meter, &proxy.source, &operation), source }
    }

    /// The client's headers that go along wherever the source wants them.
    pub fn source(&self) -> &Source {
        &self.source
    }
}

impl View {
    /// Hands the body on, with these headers of the client; the answer's body follows while it comes.
    pub async fn hand_on(
        &self,
        arguments: Arguments<'_>,
        method: Method,
        headers: Headers,
        body: Body,
    ) -> Result<Response<Body>, Error> {
        let (gate, path, headers) = self.through(arguments, headers)?;
        let ongoing = gate.meter.begin();
        let busy = gate.meter.busy();
        let answer = gate.source.hand_on(Passage { method, path, headers, body }).await;
        ongoing.ended(&answer);
        let answer = answer.map_err(|error| self.lost(&error))?;
        let view = self.plan.name.clone();
        Ok(answer.map(|body| {
            let body = body.map_err(move |error| {
                let _until_the_end = &busy;
                tracing::warn!(view, cause = %error, "an answer broke off on its way through");
                error
            });
            body.boxed_unsync()
        }))
    }

    /// Opens a WebSocket of the service.
    pub async fn open_socket(&self, arguments: Arguments<'_>, headers: Headers) -> Result<Socket, Error> {
        let (gate, path, headers) = self.through(arguments, headers)?;
        let ongoing = gate.meter.begin();
        let opened = gate.source.open_socket(path, headers).await;
        ongoing.ended(&opened);
        opened.map_err(|error| self.lost(&error))
    }

    /// The path there, and all that the service is told.
    fn through(&self, arguments: Arguments<'_>, headers: Headers) -> Result<(&Gate, String, Headers), Error> {
        let (Some(proxy), Some(gate)) = (&self.plan.proxy, &self.gate) else {
            return Err(Error::Failed(super::interrupted()));
        };
        let (inputs, sender) = self.bind(arguments)?;
        let path = forward(&self.plan, proxy, &inputs).map_err(|failure| {
            self.log_failure(&failure);
            Error::Failed(failure)
        })?;
        let mut headers = headers;
        headers.extend(sender.forwarded);
        headers.extend(sender.trace);
        let token = authorization(&gate.source, sender.caller.as_ref());
        headers.extend(token.map_err(|error| self.failure(error))?);
        Ok((gate, path, headers))
    }

    fn lost(&self, error: &upstream::Error) -> Error {
        self.failure(failed(error))
    }

    fn failure(&self, error: compose::upstream::CallError) -> Error {
        let failure = Failure { call: None, error, from_client: true, mistakes: Box::default(), status: None };
        self.log_failure(&failure);
        Error::Failed(failure)
    }
}
