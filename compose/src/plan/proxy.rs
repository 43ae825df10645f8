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
}

impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "hands on to {} ", self.source)?;
        for segment in &self.path {
            match segment {
                Segment::Text(text) => f.write_str(text)?,
                Segment::Value(..) => f.write_str("*")?,
            }
        }
        if self.max_body > 0 {
            write!(f, ", at most {} bytes of {}", self.max_body, self.types.join(" or "))?;
        }
        Ok(())
    }
}
