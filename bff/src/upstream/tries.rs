//! What a call passes on its way, outermost first: bulkhead, retries, breaker, deadline, one address; and back again,
//! what is learned from how it went.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::SemaphorePermit;
use tokio::time::{Instant, sleep, timeout_at};
use tonic::Code;

use super::balance::Remote;
use super::breaker::Turn;
use super::endpoint::Endpoint;
use super::error::{Error, Kind};
use super::exchange::Outgoing;
use super::retry::Next;
use super::{Reply, Source};

/// Addresses that one call may try where it reaches nobody.
const MAX_ADDRESSES: usize = 4;
/// A call that begins so shortly before its deadline says nothing about the service.
const FAIR_CHANCE: Duration = Duration::from_millis(10);

impl Source {
    /// Tries until one answers, or another try is not worth it.
    pub(super) async fn tries(&self, remote: &Remote, outgoing: Outgoing, deadline: Instant) -> Result<Reply, Error> {
        let _place = match self.bulkhead.enter() {
            Some(place) => place,
            None => self.room(deadline).await?,
        };
        self.retries.pay();
        let (mut tries, mut unreached) = (0, Vec::new());
        loop {
            let (result, endpoint) = self.once(remote, &outgoing, deadline, &unreached).await;
            let Err(error) = result else { return result };
            if let (Kind::Unreached, Some(endpoint)) = (error.kind, endpoint) {
                unreached.push(endpoint.address);
                // Another address costs nobody anything where the first has seen nothing.
                if unreached.len() < MAX_ADDRESSES && remote.has_others_than(&unreached) {
                    continue;
                }
            }
            tries += 1;
            let remaining = deadline.saturating_duration_since(Instant::now());
            match self.retries.next(&error, tries, outgoing.repeatable, remaining) {
                Next::Pause(pause) => {
                    self.meters.retries.increment(1);
                    sleep(pause).await;
                }
                Next::Spent => {
                    self.meters.retries_spent.increment(1);
                    return Err(error);
                }
                Next::Stop => return Err(error),
            }
        }
    }

    /// Waits for room, but not to be refused then.
    async fn room(&self, deadline: Instant) -> Result<SemaphorePermit<'_>, Error> {
        if self.breaker.refuses(Instant::now()) {
            return Err(self.refused_by_breaker());
        }
        self.bulkhead.wait(deadline).await.ok_or_else(|| {
            self.meters.refused_by_bulkhead.increment(1);
            Error::refused("too many calls wait for the service")
        })
    }

    /// One try, and where it went.
    async fn once(
        &self,
        remote: &Remote,
        outgoing: &Outgoing,
        deadline: Instant,
        unreached: &[SocketAddr],
    ) -> (Result<Reply, Error>, Option<Arc<Endpoint>>) {
        let now = Instant::now();
        let turn = match self.turn(now) {
            Ok(turn) => turn,
            Err(error) => return (Err(error), None),
        };
        let remaining = deadline.saturating_duration_since(now);
        if remaining.is_zero() {
            return (Err(Error::deadline()), None);
        }
        let mut picked = None;
        let exchange = async {
            let endpoint = picked.insert(remote.pick(unreached, now).await?);
            let _load = endpoint.load();
            let incoming = endpoint.exchange(outgoing, now, deadline).await?;
            remote.protocol.reply(incoming, self.config.max_reply_bytes)
        };
        let result = timeout_at(deadline, exchange).await.unwrap_or_else(|_| Err(Error::deadline()));
        let is_late = result.as_ref().is_err_and(|error| error.code == Code::DeadlineExceeded);
        if !is_late || remaining >= FAIR_CHANCE {
            let now = Instant::now();
            report(turn, &result, now);
            if let Some(endpoint) = &picked {
                self.judge(remote, endpoint, &result, now);
            }
        }
        (result, picked)
    }

    /// The right to call, unless the breaker is open.
    pub(super) fn turn(&self, now: Instant) -> Result<Turn<'_>, Error> {
        self.breaker.enter(now).ok_or_else(|| self.refused_by_breaker())
    }

    fn refused_by_breaker(&self) -> Error {
        self.meters.refused_by_breaker.increment(1);
        Error::refused("the service has failed too often and is left alone for a while")
    }

    /// Whether one address of several had better rest.
    fn judge(&self, remote: &Remote, endpoint: &Endpoint, result: &Result<Reply, Error>, now: Instant) {
        let rests = match result {
            Err(error) if error.kind == Kind::Unreached => remote.may_move() && endpoint.health.unreached(now),
            Err(error) if error.is_failure() => {
                let most = if remote.can_spare_one() { self.config.eject_failures } else { 0 };
                endpoint.health.failed(most, now)
            }
            _ => {
                endpoint.health.well();
                false
            }
        };
        if rests {
            self.meters.ejections.increment(1);
            tracing::warn!(name = self.name, address = %endpoint.address, "an address of the service rests");
        }
    }
}

/// Tells the breaker how it went; what is wrong with the request alone is an answer.
pub(super) fn report<T>(turn: Turn<'_>, result: &Result<T, Error>, now: Instant) {
    match result {
        Err(error) if error.is_failure() => turn.failed(now),
        _ => turn.answered(now),
    }
}
