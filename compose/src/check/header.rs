//! `header(call, "name")`: a header of a call's reply.

use super::{Checker, Typed};
use crate::expr::{Code, Expr, Kind as Ast};
use crate::plan::CallSet;
use crate::problem::{ErrorCode, Place, Problem};
use crate::schema::{Kind, Type};

/// Headers that one call's reply is asked for at the most.
const MAX_HEADERS: usize = 16;

impl Checker<'_> {
    /// A text, or null where the reply has no such header.
    pub(super) fn header(&mut self, arguments: &[Expr], place: &Place) -> Option<Typed> {
        let [of, name] = arguments else { return None };
        let call = match &of.kind {
            Ast::Name(name) => self.call_named(name),
            _ => None,
        };
        let Some(call) = call else {
            let problem =
                Problem::new(ErrorCode::UnknownName, &self.at(of, place), "`header` takes the name of a call");
            self.problems.push(match &of.kind {
                Ast::Name(name) => problem.suggest(name, self.view.calls.iter().map(|c| c.name.value.as_str())),
                _ => problem.help("for example `header(order, \"etag\")`"),
            });
            return None;
        };
        if self.view.calls[call].each.is_some() {
            let help = "a call without `each` has one reply";
            self.problem(
                ErrorCode::WrongForm,
                &self.at(of, place),
                "a call with `each` has many replies, each with headers of its own",
                help,
            );
            return None;
        }
        let name_place = self.at(name, place);
        let Ast::Text(name) = &name.kind else {
            self.problem(
                ErrorCode::WrongForm,
                &name_place,
                "the name of a header is a text in quotes",
                "for example `\"etag\"`",
            );
            return None;
        };
        if !is_header_name(name) {
            let message = format!("no header can be named `{name}`");
            self.problem(ErrorCode::Name, &name_place, message, "letters, digits and `-`, for example `\"etag\"`");
            return None;
        }
        let name = name.to_ascii_lowercase();
        let known = &mut self.headers[call];
        let header = known.iter().position(|n| *n == name).unwrap_or_else(|| {
            known.push(name);
            known.len() - 1
        });
        if known.len() > MAX_HEADERS {
            self.problem(
                ErrorCode::TooMuch,
                &name_place,
                format!("more than {MAX_HEADERS} headers of one reply are read"),
                "read fewer",
            );
        }
        let code = Code::Header { call, header };
        Some(Typed { reads: CallSet::one(call), ..Typed::new(Type::optional(Kind::String), code) })
    }
}

/// What HTTP and gRPC both take as the name of a header.
pub(super) fn is_header_name(name: &str) -> bool {
    !name.is_empty() && name.len() <= 64 && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
}
