//! Requests handed on as they are.

use std::fmt;

use super::Segment;

#[derive(Debug)]
pub struct Proxy {
    pub source: String,
    /// The path there: what is inserted is escaped.
    pub path: Vec<Segment>,
    /// Bytes of a body at the most; 0 where there is none.
    pub max_body: u64,
    /// Media types in lower case that a body may have: `image/png`, `image/*`.
    pub types: Vec<String>,
    /// Of a WebSocket: bytes of a message at the most.
    pub max_message: Option<u64>,
}

impl Proxy {
    /// The path with `*` for every value.
    pub fn pattern(&self) -> String {
        let part = |segment: &Segment| match segment {
            Segment::Text(text) => text.clone(),
            Segment::Value(..) => "*".to_owned(),
        };
        self.path.iter().map(part).collect()
    }
}

impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "hands on to {} {}", self.source, self.pattern())?;
        if self.max_body > 0 {
            write!(f, ", at most {} bytes of {}", self.max_body, self.types.join(" or "))?;
        }
        if let Some(most) = self.max_message {
            write!(f, ", as a WebSocket with messages of at most {most} bytes")?;
        }
        Ok(())
    }
}
