//! The places of the answer that lack something where a call has no reply.

use std::collections::BTreeMap;

/// JSON pointers, none of them within another, each with when it was met.
#[derive(Default)]
pub(super) struct Gaps {
    places: BTreeMap<String, usize>,
    met: usize,
}

impl Gaps {
    pub fn add(&mut self, here: &str) {
        let around = here.match_indices('/').map(|(end, _)| &here[..end]);
        if around.chain([here]).any(|place| self.places.contains_key(place)) {
            return;
        }
        // `0` comes right behind `/`.
        let within = self.places.range(format!("{here}/")..format!("{here}0"));
        for place in within.map(|(place, _)| place.clone()).collect::<Vec<_>>() {
            self.places.remove(&place);
        }
        self.met += 1;
        self.places.insert(here.to_owned(), self.met);
    }

    /// In the order they were met.
    pub fn paths(&self) -> Vec<String> {
        let mut places: Vec<_> = self.places.iter().collect();
        places.sort_by_key(|(_, met)| **met);
        places.into_iter().map(|(place, _)| place.clone()).collect()
    }
}
