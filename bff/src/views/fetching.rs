//! Fetches what the cache does not have: the request of a call, or those of the keys of a batch.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use compose::definition::Missing;
use compose::plan::{Call, Plan};
use compose::run::{Keyed, Reading};
use compose::upstream::{CallError, Code};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use futures_util::stream::{self, StreamExt};
use tonic::Code as Status;

use super::destination::Destination;
use super::door::{headers_of, target_of};
use super::keeping::instead;
use crate::cache::{Fetch, Fetched};
use crate::upstream::{self, Error, Kind};

/// Holds all that it needs, so that it goes on when nobody waits any more.
pub struct Fetching {
    pub(super) plan: Arc<Plan>,
    /// Which call of the plan.
    pub(super) index: usize,
    pub(super) destination: Arc<Destination>,
    /// The request; of a batch, all but the target and the body.
    pub(super) call: upstream::Call,
    pub(super) keyed: Option<Arc<Keyed>>,
}

/// Requests of one batch that are under way at once.
const MAX_IN_FLIGHT: usize = 16;

impl Fetching {
    fn planned(&self) -> &Call {
        &self.plan.calls[self.index]
    }

    /// A reply that breaks its contract is a failure, and not kept.
    async fn one(&self) -> Result<Fetched, Error> {
        let planned = self.planned();
        let may_be_missing = |each: &compose::plan::Each| each.batch.is_none() && each.missing != Missing::Fail;
        let reply = match self.destination.call(self.call.clone()).await {
            Err(error) if error.code == Status::NotFound && planned.each.as_ref().is_some_and(may_be_missing) => {
                return Ok(Fetched { body: None, headers: Vec::new() });
            }
            reply => reply?,
        };
        Reading::of(planned, &reply.body).map_err(|error| Error::broken(&error.message))?;
        Ok(Fetched { headers: headers_of(planned, &reply), body: Some(reply.body) })
    }

    /// The results of these keys, in one request.
    async fn of_keys(&self, keyed: &Keyed, keys: &[usize]) -> Vec<Result<Fetched, Error>> {
        match self.parts(keyed, keys).await {
            Ok(parts) => parts.into_iter().map(|body| Ok(Fetched { body, headers: Vec::new() })).collect(),
            Err(error) => keys.iter().map(|_| Err(error.clone())).collect(),
        }
    }

    async fn parts(&self, keyed: &Keyed, keys: &[usize]) -> Result<Vec<Option<Bytes>>, Error> {
        let planned = self.planned();
        let (target, body) = keyed.request(planned, keys).map_err(|error| unformed(&error))?;
        let mut headers = self.call.headers.clone();
        let target = target_of(&self.destination.address, target, &mut headers).map_err(|error| unformed(&error))?;
        let reply = self.destination.call(upstream::Call { target, headers, body, ..self.call.clone() }).await?;
        keyed.split(planned, &reply.body, keys).map_err(|error| Error::broken(&error.message))
    }

    async fn by_key(&self, keyed: &Keyed, places: &[usize]) -> Vec<Result<Fetched, Error>> {
        let batch = self.planned().each.as_ref().and_then(|each| each.batch.as_ref());
        let most = batch.map_or(1, |batch| batch.max).max(1);
        if places.len() <= most {
            return self.of_keys(keyed, places).await;
        }
        let chunks: Vec<_> = places.chunks(most).map(|keys| self.of_keys(keyed, keys).boxed()).collect();
        stream::iter(chunks).buffered(MAX_IN_FLIGHT).flat_map(stream::iter).collect().await
    }
}

impl Fetch for Fetching {
    type Error = Error;
    /// None where the service has no such thing.
    type Reading = Option<Reading>;

    fn fetch(self: Arc<Self>, places: Vec<usize>) -> BoxFuture<'static, Vec<Result<Fetched, Error>>> {
        async move {
            match &self.keyed {
                Some(keyed) => self.by_key(keyed, &places).await,
                None => vec![self.one().await],
            }
        }
        .boxed()
    }

    fn read(&self, body: Option<&Bytes>) -> Option<Self::Reading> {
        read(self.planned(), body)
    }

    fn bytes(reading: &Self::Reading) -> usize {
        reading.as_ref().map_or(0, Reading::bytes)
    }

    fn instead(&self, error: &Error) -> Option<Duration> {
        instead(self.planned(), error)
    }

    fn gave_up(&self, error: &Error) -> bool {
        error.kind == Kind::Interrupted
    }

    fn late(&self) -> Error {
        Error::deadline()
    }
}

pub(super) fn read(call: &Call, body: Option<&Bytes>) -> Option<Option<Reading>> {
    body.map_or(Some(None), |body| Reading::of(call, body).ok().map(Some))
}

fn unformed(error: &CallError) -> Error {
    let code = if error.code == Code::InvalidArgument { Status::InvalidArgument } else { Status::Internal };
    Error::answered(code, &error.message)
}
