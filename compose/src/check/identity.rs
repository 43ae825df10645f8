//! Who asks: `$auth`, and how far it flows into what is sent.

use super::{Checker, Typed};
use crate::definition::ParamLocation;
use crate::expr::{AuthField, Code};
use crate::problem::{ErrorCode, Place, Problem};
use crate::schema::{Kind, Source, Type};

/// What of a value says who asks. What a service answers says so no more: it depends on its request alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Identity {
    Auth(AuthField),
    /// A header of the client, by the index of its parameter.
    Header(usize),
}

const FIELDS: [(&str, AuthField); 6] = [
    ("sub", AuthField::Sub),
    ("role", AuthField::Role),
    ("email", AuthField::Email),
    ("kind", AuthField::Kind),
    ("scopes", AuthField::Scopes),
    ("authenticated", AuthField::Authenticated),
];

/// Headers that say what the client can read, or has read.
const IMPERSONAL: [&str; 9] = [
    "accept",
    "accept-charset",
    "accept-encoding",
    "accept-language",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "if-unmodified-since",
];

impl Checker<'_> {
    pub(super) fn auth(&mut self, name: &str, here: &Place) -> Option<Typed> {
        let Some((_, field)) = FIELDS.iter().find(|(known, _)| *known == name) else {
            let problem = Problem::new(ErrorCode::UnknownField, here, format!("`$auth` has no `{name}`"));
            self.problems.push(problem.suggest(name, FIELDS.iter().map(|(known, _)| *known)));
            return None;
        };
        let public = self.view.access.iter().any(|a| a.value == "public");
        let nullable = match field {
            AuthField::Authenticated => false,
            AuthField::Email => true,
            AuthField::Sub | AuthField::Role | AuthField::Kind | AuthField::Scopes => public,
        };
        self.personal = true;
        let kind = match field {
            AuthField::Authenticated => Kind::Bool,
            AuthField::Scopes => Kind::List(Box::new(Type::required(Kind::String))),
            _ => Kind::String,
        };
        let ty = Type { kind, nullable };
        Some(Typed { identity: Some(Identity::Auth(*field)), ..Typed::new(ty, Code::Auth(*field)) })
    }

    /// A header may say who asks.
    pub(super) fn identity_of_param(&mut self, param: usize) -> Option<Identity> {
        let declared = &self.view.params[param];
        let name = declared.name.value.to_ascii_lowercase();
        let names_who = declared.location == ParamLocation::Header && !IMPERSONAL.contains(&name.as_str());
        self.personal |= names_who;
        names_who.then_some(Identity::Header(param))
    }

    /// Why the reply is the caller's alone, in words.
    pub(super) fn identity_of_call(&self, sent: Option<Identity>, source: &Source) -> Option<String> {
        match sent {
            Some(Identity::Auth(field)) => {
                let name = FIELDS.iter().find(|(_, known)| *known == field).map_or("sub", |(name, _)| name);
                Some(format!("the request uses `$auth.{name}`"))
            }
            Some(Identity::Header(param)) => {
                Some(format!("the request uses the client's header `{}`", self.view.params[param].name.value))
            }
            None => source.identity.then(|| "the source is told who asks (`identity`)".to_owned()),
        }
    }
}
