//! Calls of functions.

use super::assign::widened;
use super::expression::merged;
use super::{Checker, Typed};
use crate::expr::{Code, Expr, Function, Kind as Ast};
use crate::problem::{ErrorCode, Place, Problem};
use crate::schema::{Kind, Type};

const FUNCTIONS: [&str; 10] =
    ["concat", "lower", "upper", "trim", "len", "string", "money", "if", "coalesce", "header"];
/// Arguments that one call takes at the most.
const MAX_ARGUMENTS: usize = 32;

impl Checker<'_> {
    pub(super) fn function(&mut self, name: &str, arguments: &[Expr], place: &Place, here: &Place) -> Option<Typed> {
        if !FUNCTIONS.contains(&name) {
            let here = here.within(0, name.chars().count());
            self.problems.push(
                Problem::new(ErrorCode::UnknownName, &here, format!("there is no function `{name}`"))
                    .suggest(name, FUNCTIONS),
            );
            return None;
        }
        let count = match name {
            "concat" => 1..=MAX_ARGUMENTS,
            "coalesce" => 2..=MAX_ARGUMENTS,
            "if" => 3..=3,
            "header" => 2..=2,
            _ => 1..=1,
        };
        if !count.contains(&arguments.len()) {
            self.problem(
                ErrorCode::WrongType,
                here,
                format!("`{name}` does not take {} arguments", arguments.len()),
                format!("it takes {}", count.start()),
            );
            return None;
        }
        if name == "coalesce" {
            return self.expr(&coalesced(arguments), place);
        }
        if name == "header" {
            return self.header(arguments, place);
        }
        // All arguments are typed before a problem in one of them ends it.
        let typed: Vec<Option<Typed>> = arguments.iter().map(|a| self.expr(a, place)).collect();
        let typed = typed.into_iter().collect::<Option<Vec<_>>>()?;
        match name {
            "money" => self.money(&typed[0], here),
            "if" => {
                self.is_condition(&typed[0], &arguments[0], place)?;
                self.choice(typed, here)
            }
            "len" => self.len(&typed[0], here),
            _ => self.text_function(name, arguments, typed, place),
        }
    }

    fn money(&mut self, of: &Typed, here: &Place) -> Option<Typed> {
        if of.ty.kind != Kind::Money {
            let has = self.contracts.describe(&of.ty);
            self.problem(
                ErrorCode::WrongType,
                here,
                format!("`money` takes an amount of money, not {has}"),
                "a message with currency_code, units and nanos is one",
            );
            return None;
        }
        Some(of.clone())
    }

    fn choice(&mut self, typed: Vec<Typed>, here: &Place) -> Option<Typed> {
        let [condition, yes, no]: [Typed; 3] = typed.try_into().ok()?;
        let nullable = yes.ty.nullable || no.ty.nullable;
        let kind = match (&yes.code, &no.code) {
            (Code::Null, _) => Some(no.ty.kind.clone()),
            (_, Code::Null) => Some(yes.ty.kind.clone()),
            _ => widened(&yes, &no),
        };
        let Some(kind) = kind else {
            let (l, r) = (self.contracts.describe(&yes.ty), self.contracts.describe(&no.ty));
            self.problem(
                ErrorCode::WrongType,
                here,
                format!("`if` cannot choose between {l} and {r}"),
                "both values are of one type",
            );
            return None;
        };
        if yes.projection.is_some() || no.projection.is_some() {
            self.problem(
                ErrorCode::WrongType,
                here,
                "`if` cannot choose between records",
                "choose between their fields",
            );
            return None;
        }
        let code = Code::If(Box::new(condition.code.clone()), Box::new(yes.code.clone()), Box::new(no.code.clone()));
        let branches = merged(&yes, &no, Type { kind, nullable }, code);
        Some(Typed {
            reads: branches.reads.with(condition.reads),
            from_client: branches.from_client || condition.from_client,
            identity: branches.identity.or(condition.identity),
            ..branches
        })
    }

    fn len(&mut self, of: &Typed, here: &Place) -> Option<Typed> {
        if !matches!(of.ty.kind, Kind::String | Kind::List(_) | Kind::Map(_) | Kind::Bytes) {
            let has = self.contracts.describe(&of.ty);
            self.problem(
                ErrorCode::WrongType,
                here,
                format!("`len` takes a text or a list, not {has}"),
                "leave it out",
            );
            return None;
        }
        let code = Code::Function { function: Function::Len, arguments: vec![of.code.clone()] };
        Some(Typed { ty: Type { kind: Kind::Int32, nullable: of.ty.nullable }, projection: None, code, ..of.clone() })
    }

    /// Functions of texts; numbers, times and enums count as texts.
    fn text_function(&mut self, name: &str, arguments: &[Expr], typed: Vec<Typed>, place: &Place) -> Option<Typed> {
        let function = match name {
            "lower" => Function::Lower,
            "upper" => Function::Upper,
            "trim" => Function::Trim,
            "string" => Function::Text,
            _ => Function::Concat,
        };
        let mut whole = Typed::new(Type::required(Kind::String), Code::Null);
        let mut codes = Vec::new();
        for (argument, value) in arguments.iter().zip(typed) {
            let here = self.at(argument, place);
            if matches!(
                value.ty.kind,
                Kind::Record(_)
                    | Kind::Union(_)
                    | Kind::List(_)
                    | Kind::Map(_)
                    | Kind::Json
                    | Kind::Money
                    | Kind::Opaque(_)
            ) {
                let has = self.contracts.describe(&value.ty);
                self.problem(
                    ErrorCode::WrongType,
                    &here,
                    format!("`{name}` takes texts, not {has}"),
                    "take a field of it",
                );
                return None;
            }
            if value.ty.nullable && function == Function::Concat {
                self.problem(
                    ErrorCode::Nullable,
                    &here,
                    "this may be null here",
                    "write `??` behind it: concat(a ?? \"\", b)",
                );
                return None;
            }
            whole = merged(
                &whole,
                &value,
                Type { kind: Kind::String, nullable: whole.ty.nullable || value.ty.nullable },
                Code::Null,
            );
            codes.push(written(value));
        }
        Some(Typed { code: Code::Function { function, arguments: codes }, ..whole })
    }
}

/// The value so that its text is what an author means by it.
pub(super) fn written(value: Typed) -> Code {
    match value.ty.kind {
        Kind::Enum(names) => Code::EnumName { of: Box::new(value.code), names },
        Kind::Duration => Code::Seconds(Box::new(value.code)),
        Kind::Float => Code::Single(Box::new(value.code)),
        _ => value.code,
    }
}

/// `coalesce(a, b, c)` is `a ?? b ?? c`.
fn coalesced(arguments: &[Expr]) -> Expr {
    let mut rest = arguments.iter().rev().cloned();
    let last = rest.next().unwrap_or(Expr { at: 0, width: 1, kind: Ast::Null });
    rest.fold(last, |right, left| Expr {
        at: left.at,
        width: left.width,
        kind: Ast::Coalesce(Box::new(left), Box::new(right)),
    })
}
