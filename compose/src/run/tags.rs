//! The tags of replies, written out for one request: naming one of them makes a kept reply stale.

use crate::expr::{Env, Fault};
use crate::plan::{Cache, Call, Piece};

/// The texts of all in one piece of memory.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tags {
    texts: String,
    ends: Vec<usize>,
}

impl Tags {
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &str> {
        (0..self.ends.len()).map(|i| self.get(i))
    }

    pub fn get(&self, index: usize) -> &str {
        let start = index.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or_default();
        self.ends.get(index).and_then(|end| self.texts.get(start..*end)).unwrap_or_default()
    }

    /// Adds those that the call has, for the key that is bound.
    pub(super) fn write<'a>(&mut self, cache: &'a Cache, env: &mut Env<'a>) -> Result<(), Fault> {
        for tag in &cache.tags {
            tag_text(tag, env, &mut self.texts)?;
            self.ends.push(self.texts.len());
        }
        Ok(())
    }
}

/// What makes the call's reply stale. None where it must not be kept: because it is never, or a tag has no text.
pub(super) fn tags<'a>(call: &'a Call, env: &mut Env<'a>) -> Option<Tags> {
    if !call.is_kept() {
        return None;
    }
    let mut tags = Tags::default();
    call.cache.iter().try_for_each(|cache| tags.write(cache, env)).ok()?;
    Some(tags)
}

pub(super) fn tag_text<'a>(pieces: &'a [Piece], env: &mut Env<'a>, out: &mut String) -> Result<(), Fault> {
    for piece in pieces {
        match piece {
            Piece::Text(text) => out.push_str(text),
            Piece::Code(code) => {
                let value = env.eval(code)?;
                out.push_str(&value.text().ok_or_else(|| Fault::new("a value of it is null"))?);
            }
        }
    }
    Ok(())
}
