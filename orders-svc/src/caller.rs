//! Who calls, and whose rows they may touch.

use tonic::Status;

use crate::{fault, field};

/// The longest user id, in characters.
pub const USER_ID_MAX: usize = 255;

#[derive(Clone, Debug)]
pub struct Caller {
    subject: String,
    role: Role,
}

/// What the roles mean here: operators and admins run the business, everyone else acts for himself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Operator,
    User,
}

impl Caller {
    pub fn new(subject: String, role: Option<&str>) -> Self {
        let role = match role {
            Some("operator" | "admin") => Role::Operator,
            _ => Role::User,
        };
        Self { subject, role }
    }

    pub fn is_operator(&self) -> bool {
        self.role == Role::Operator
    }

    pub fn may_touch_rows_of(&self, user_id: &str) -> bool {
        self.is_operator() || self.subject == user_id
    }

    /// The user whose rows a request is about: the one it names, or the caller.
    pub fn acting_for(&self, requested: &str) -> Result<String, Status> {
        if requested.is_empty() {
            return Ok(self.subject.clone());
        }
        if !self.may_touch_rows_of(requested) {
            return Err(Status::permission_denied("user_id: only an operator may name another user"));
        }
        fault::unless_valid(field::line("user_id", requested, 1..=USER_ID_MAX).into_iter().collect())?;
        Ok(requested.to_owned())
    }
}
