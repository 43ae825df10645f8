//! Asking a service for the fields that are used, and no more.

use super::Spanned;

#[derive(Debug, Clone)]
pub struct FieldMask {
    /// The field of the request that takes the paths.
    pub into: Spanned<String>,
    /// The part of the reply that they are paths of; none for all of it.
    pub of: Option<Spanned<String>>,
}
