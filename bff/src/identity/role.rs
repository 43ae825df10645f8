//! Who may do what: exact roles, decided in one place.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Acts for himself.
    User,
    /// Runs the business.
    Operator,
    /// Reads histories.
    Auditor,
    Admin,
    /// Another company's server; never signed in as a person.
    Partner,
}

/// Who a route is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Access {
    /// Everyone, signed in or not.
    Public,
    /// Only these roles.
    Roles(Vec<Role>),
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no role `{0}`; there are: user, operator, auditor, admin, partner")]
pub struct UnknownRole(pub String);

impl Role {
    pub const ALL: [Self; 5] = [Self::User, Self::Operator, Self::Auditor, Self::Admin, Self::Partner];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Operator => "operator",
            Self::Auditor => "auditor",
            Self::Admin => "admin",
            Self::Partner => "partner",
        }
    }

    /// Sees more than his own: shorter sessions, and every request is checked against the records.
    pub fn is_privileged(self) -> bool {
        matches!(self, Self::Operator | Self::Auditor | Self::Admin)
    }
}

impl Access {
    /// Reads what a view declares: `public` alone, or names of roles.
    pub fn parse<'a>(names: impl IntoIterator<Item = &'a str>) -> Result<Self, UnknownRole> {
        let names: Vec<&str> = names.into_iter().collect();
        if names == ["public"] {
            return Ok(Self::Public);
        }
        names.into_iter().map(str::parse).collect::<Result<_, _>>().map(Self::Roles)
    }

    /// An admin is admitted wherever an operator or an auditor is, and nowhere else unless named.
    pub fn admits(&self, role: Role) -> bool {
        match self {
            Self::Public => true,
            Self::Roles(roles) => roles.iter().any(|named| {
                *named == role || (role == Role::Admin && matches!(named, Role::Operator | Role::Auditor))
            }),
        }
    }
}

impl FromStr for Role {
    type Err = UnknownRole;

    fn from_str(name: &str) -> Result<Self, UnknownRole> {
        Self::ALL.into_iter().find(|role| role.as_str() == name).ok_or_else(|| UnknownRole(name.to_owned()))
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_are_exact_and_admin_is_implied_for_operators_and_auditors_only() {
        let admitted = |names: &[&str]| {
            let access = Access::parse(names.iter().copied()).unwrap();
            Role::ALL.into_iter().filter(|role| access.admits(*role)).map(Role::as_str).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(admitted(&["public"]), "user operator auditor admin partner");
        assert_eq!(admitted(&["user"]), "user");
        assert_eq!(admitted(&["operator"]), "operator admin");
        assert_eq!(admitted(&["auditor"]), "auditor admin");
        assert_eq!(admitted(&["admin"]), "admin");
        assert_eq!(admitted(&["user", "operator"]), "user operator admin");
        assert_eq!(admitted(&["partner"]), "partner");
    }

    #[test]
    fn an_unknown_role_is_named() {
        assert_eq!(Access::parse(["root"]), Err(UnknownRole("root".to_owned())));
        assert_eq!(Access::parse(["public", "user"]), Err(UnknownRole("public".to_owned())));
    }
}
