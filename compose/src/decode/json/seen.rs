//! A set of small numbers, for the members of an object.

/// Which members were given.
#[derive(Default)]
pub struct Seen {
    first: u64,
    /// Members from the 64th on; few objects have so many.
    rest: Vec<u64>,
}

impl Seen {
    /// Whether it is new.
    #[inline]
    pub fn insert(&mut self, index: usize) -> bool {
        let bit = 1 << (index % 64);
        let word = if index < 64 {
            &mut self.first
        } else {
            let at = index / 64 - 1;
            self.rest.resize(self.rest.len().max(at + 1), 0);
            &mut self.rest[at]
        };
        let new = *word & bit == 0;
        *word |= bit;
        new
    }

    #[inline]
    pub fn contains(&self, index: usize) -> bool {
        let word = if index < 64 { self.first } else { self.rest.get(index / 64 - 1).copied().unwrap_or(0) };
        word >> (index % 64) & 1 == 1
    }
}
