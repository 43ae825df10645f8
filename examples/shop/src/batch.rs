//! The `ids=a,b,c` parameter of a batch read.

use crate::problem::Problem;

/// As the contracts promise: more is 400.
pub const MAX_IDS: usize = 50;

/// The ids in the order they were asked for, each once.
pub fn parse_ids(text: &str) -> Result<Vec<&str>, Problem> {
    let mut ids: Vec<&str> = Vec::new();
    for id in text.split(',').filter(|id| !id.is_empty()) {
        if ids.contains(&id) {
            continue;
        }
        if ids.len() == MAX_IDS {
            return Err(Problem::bad_request(format!("ids: at most {MAX_IDS} per call")));
        }
        ids.push(id);
    }
    Ok(ids)
}
