//! The two protocols behind one name: how a request says how long we wait, and what an answer means.

use std::time::Duration;

use http::{HeaderName, HeaderValue};

use super::exchange::Incoming;
use super::{Error, Reply, grpc, rest};

/// How a request and its answer are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    Grpc,
    /// HTTP with JSON bodies.
    Rest,
}

impl Protocol {
    pub fn reply(self, incoming: Incoming, limit: usize) -> Result<Reply, Error> {
        match self {
            Self::Grpc => grpc::reply(incoming, limit),
            Self::Rest => rest::reply(incoming),
        }
    }

    /// How much longer a body is than the message in it.
    pub fn overhead_bytes(self) -> usize {
        match self {
            Self::Grpc => grpc::PREFIX_BYTES,
            Self::Rest => 0,
        }
    }

    /// The header that tells the service how long we wait.
    pub fn timeout(self) -> fn(Duration) -> (HeaderName, HeaderValue) {
        match self {
            Self::Grpc => grpc::timeout,
            Self::Rest => rest::timeout,
        }
    }
}
