//! Connections for streams: apart from those of the calls, and as many as the streams need.
//!
//! A service allows so many streams on one connection, and what comes next waits for an end that
//! may never come. So no stream shares a connection with calls, and a full connection gets no more.

use std::sync::{Arc, Mutex, PoisonError};

use tonic::body::Body;

use super::super::client::{Dialer, Pool};

/// The connections of one service.
#[derive(Debug, Clone)]
pub struct Lanes(Arc<Inner>);

/// One connection; whoever holds it occupies a place on it.
pub type Lane = Arc<Pool<Body>>;

#[derive(Debug)]
struct Inner {
    dialer: Dialer,
    lanes: Mutex<Vec<Lane>>,
}

/// What every HTTP/2 server should allow (RFC 9113, section 6.5.2).
const STREAMS_PER_LANE: usize = 100;
const MAX_LANES: usize = 100;

impl Lanes {
    pub fn new(dialer: Dialer) -> Self {
        Self(Arc::new(Inner { dialer, lanes: Mutex::default() }))
    }

    /// A place on the first connection that has one; none while there are too many streams.
    pub fn enter(&self) -> Option<Lane> {
        let mut lanes = self.0.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        // The list itself holds each lane once.
        if let Some(lane) = lanes.iter().find(|lane| Arc::strong_count(lane) <= STREAMS_PER_LANE) {
            return Some(Arc::clone(lane));
        }
        if lanes.len() == MAX_LANES {
            return None;
        }
        let lane = Arc::new(self.0.dialer.pool());
        lanes.push(Arc::clone(&lane));
        Some(lane)
    }
}
