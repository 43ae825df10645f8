//! The body of an answer that may take long. What it comes from is let go when the session ends that it depends on, or
//! the client has taken nothing for too long, whether or not anybody asks for the next piece.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Error;
use axum::body::{Body, Bytes, HttpBody};
use axum::response::Response;
use futures_util::task::AtomicWaker;
use hyper::body::{Frame, SizeHint};
use tokio::time::{Instant, sleep_until};
use tokio_util::task::{AbortOnDropHandle, TaskTracker};

use super::events::ended;
use crate::http::connection::Lasts;
use crate::identity::Standing;

struct Lasting {
    open: Arc<Open>,
    _watch: AbortOnDropHandle<()>,
}

struct Open {
    state: Mutex<State>,
    client: AtomicWaker,
}

struct State {
    /// None once it was let go.
    body: Option<Body>,
    /// Since when the next piece is the client's to take.
    offered: Option<Instant>,
}

/// What makes a body break off.
pub(super) struct Ends {
    /// The session that must go on.
    pub standing: Option<Arc<Standing>>,
    /// For how long the client may take nothing.
    pub idle: Duration,
    /// The same once the session has ended, where the body itself still says so; without it the body ends at once.
    pub last_word: Option<Duration>,
}

pub(super) fn lasting(response: Response, ends: Ends, tasks: &TaskTracker) -> Response {
    if response.body().is_end_stream() {
        return response;
    }
    let mut response = response;
    response.extensions_mut().insert(Lasts);
    response.map(|body| {
        let state = State { body: Some(body), offered: Some(Instant::now()) };
        let open = Arc::new(Open { state: Mutex::new(state), client: AtomicWaker::new() });
        let watch = tasks.spawn(watch(Arc::clone(&open), ends));
        Body::new(Lasting { open, _watch: AbortOnDropHandle::new(watch) })
    })
}

async fn watch(open: Arc<Open>, ends: Ends) {
    let over = async {
        ended(ends.standing.as_deref()).await;
        if let Some(last_word) = ends.last_word {
            open.neglected(last_word).await;
        }
    };
    tokio::select! {
        () = over => {}
        () = open.neglected(ends.idle) => {}
    }
    let let_go = open.state().body.take();
    drop(let_go);
    open.client.wake();
}

impl Open {
    async fn neglected(&self, idle: Duration) {
        loop {
            let offered = self.state().offered;
            sleep_until(offered.unwrap_or_else(Instant::now) + idle).await;
            if offered.is_some() && self.state().offered == offered {
                return;
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl HttpBody for Lasting {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        self.open.client.register(context.waker());
        let mut state = self.open.state();
        let Some(body) = &mut state.body else {
            return Poll::Ready(Some(Err(Error::new("the session has ended, or nobody has read for too long"))));
        };
        let frame = Pin::new(body).poll_frame(context);
        state.offered = frame.is_ready().then(Instant::now);
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.open.state().body.as_ref().is_some_and(HttpBody::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.open.state().body.as_ref().map_or_else(SizeHint::default, HttpBody::size_hint)
    }
}
