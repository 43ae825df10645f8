//! The body of an answer, and how it keeps its connection open.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use axum::Error;
use axum::body::{Body, Bytes, HttpBody};
use hyper::body::{Frame, SizeHint};

use super::activity::{Activity, Open};

pub struct Answer {
    body: Body,
    /// Of the frame that is being sent.
    rest: Bytes,
    hold: Hold,
}

/// What keeps the connection open.
pub enum Hold {
    /// The answer, until its last byte.
    Open { _until_the_last_byte: Open },
    /// Every piece of it that the client takes: what it leaves waits for as long as it likes.
    Pieces(Arc<Activity>),
}

/// What fits into one frame of HTTP/2, of which the next is asked for once the client has room for it.
const PIECE: usize = 16 * 1024;

impl Answer {
    pub fn new(body: Body, hold: Hold) -> Self {
        Self { body, rest: Bytes::new(), hold }
    }
}

impl HttpBody for Answer {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let Self { body, rest, hold } = self.get_mut();
        let Hold::Pieces(activity) = hold else { return Pin::new(body).poll_frame(context) };
        if rest.is_empty() {
            match ready!(Pin::new(body).poll_frame(context)).map(|frame| frame.map(Frame::into_data)) {
                Some(Ok(Ok(data))) => *rest = data,
                Some(Ok(Err(trailers))) => return Poll::Ready(Some(Ok(trailers))),
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => return Poll::Ready(None),
            }
        }
        activity.note();
        Poll::Ready(Some(Ok(Frame::data(rest.split_to(rest.len().min(PIECE))))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (rest, of_body) = (self.rest.len() as u64, self.body.size_hint());
        let mut hint = SizeHint::new();
        if let Some(upper) = of_body.upper() {
            hint.set_upper(upper + rest);
        }
        hint.set_lower(of_body.lower() + rest);
        hint
    }
}
