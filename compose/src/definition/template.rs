//! Texts with values in them: `user:${$auth.sub}`.

use super::Text;
use crate::problem::Place;

#[derive(Debug, Clone)]
pub struct Template {
    pub parts: Vec<Part>,
    pub place: Place,
}

#[derive(Debug, Clone)]
pub enum Part {
    Text(String),
    Value(Text),
}
