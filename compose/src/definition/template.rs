//! Texts with values in them: `user:${$auth.sub}`.

use super::Text;
use crate::problem::Place;

#[derive(Debug)]
pub struct Template {
    pub parts: Vec<Part>,
    pub place: Place,
}

#[derive(Debug)]
pub enum Part {
    Text(String),
    Value(Text),
}
