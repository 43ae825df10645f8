//! Calls of functions: which signature fits, and what it gives.

use std::sync::Arc;

use super::argument::fits;
use super::arithmetic::answered;
use super::assign::{as_float, assignable, is_literal, widened};
use super::expression::merged;
use super::{Checker, Typed};
use crate::expr::{Code, Expr, FUNCTIONS, FormatDate, Gives, Kind as Ast, Pattern, Signature, Takes};
use crate::problem::{ErrorCode, Place, Problem};
use crate::schema::{Kind, Type};

impl Checker<'_> {
    pub(super) fn function(&mut self, name: &str, arguments: &[Expr], place: &Place, here: &Place) -> Option<Typed> {
        let named: Vec<&'static Signature> = FUNCTIONS.iter().filter(|function| function.name == name).collect();
        if named.is_empty() {
            let here = here.within(0, name.chars().count());
            let mut known: Vec<&str> = FUNCTIONS.iter().map(|function| function.name).collect();
            known.dedup();
            let problem = Problem::new(ErrorCode::UnknownName, &here, format!("there is no function `{name}`"));
            self.problems.push(problem.suggest(name, known));
            return None;
        }
        let counted: Vec<_> = named.iter().copied().filter(|function| function.takes_count(arguments.len())).collect();
        if counted.is_empty() {
            let message = format!("`{name}` does not take {} arguments", arguments.len());
            self.problem(ErrorCode::WrongType, here, message, format!("it is {}", written_out(&named)));
            return None;
        }
        match name {
            "coalesce" => return self.expr(&coalesced(arguments), place),
            "header" => return self.header(arguments, place),
            _ => {}
        }
        // All arguments are typed before a problem in one of them ends it.
        let typed: Vec<Option<Typed>> = arguments.iter().map(|a| self.expr(a, place)).collect();
        let typed = typed.into_iter().collect::<Option<Vec<_>>>()?;
        if name == "if" {
            self.is_condition(&typed[0], &arguments[0], place)?;
            return self.choice(typed, here);
        }
        let Some(function) = counted.iter().copied().find(|function| misfit(function, &typed).is_none()) else {
            self.no_signature(&counted, arguments, &typed, place);
            return None;
        };
        for (i, (argument, value)) in arguments.iter().zip(&typed).enumerate() {
            let takes = function.parameter(i)?;
            if let Some((message, help)) = super::argument::wrong_literal(takes, value, &typed[0]) {
                self.problem(ErrorCode::OutOfRange, &self.at(argument, place), message, help);
                return None;
            }
            if name == "concat" && value.ty.nullable {
                let help = match value.ty.kind {
                    Kind::String => "write `??` behind it: concat(a ?? \"\", b)",
                    _ => "write `??` behind its text: concat(string(a) ?? \"\", b)",
                };
                self.problem(ErrorCode::Nullable, &self.at(argument, place), "this may be null here", help);
                return None;
            }
        }
        self.called(function, typed, arguments, place, here)
    }

    /// The first argument that the likeliest signature does not take.
    fn no_signature(&mut self, counted: &[&'static Signature], arguments: &[Expr], typed: &[Typed], place: &Place) {
        // The signature that takes the most arguments before one does not fit.
        let furthest = counted.iter().filter_map(|function| Some((misfit(function, typed)?, *function)));
        let Some((n, function)) = furthest.max_by_key(|(n, _)| *n) else { return };
        let has = self.contracts.describe(&typed[n].ty);
        let help = match typed[n].ty.kind {
            Kind::List(_) if function.parameter(n) == Some(Takes::Scalar) => {
                "join(list, \", \") makes one text of a list".to_owned()
            }
            Kind::List(_) if matches!(*item(&typed[n].ty.kind), Kind::Record(_)) => {
                "take a field of each: `list[].field`".to_owned()
            }
            Kind::Record(_) | Kind::Union(_) => "take a field of it".to_owned(),
            Kind::Money if function.parameter(n) == Some(Takes::Scalar) => "take its `amount` or `currency`".to_owned(),
            _ => format!("it is {}", written_out(counted)),
        };
        let message = format!("`{}` does not take {has} here", function.name);
        self.problem(ErrorCode::WrongType, &self.at(&arguments[n], place), message, help);
    }

    /// The call as code, of what type it is, and null where an argument is.
    fn called(
        &mut self,
        function: &'static Signature,
        typed: Vec<Typed>,
        arguments: &[Expr],
        place: &Place,
        here: &Place,
    ) -> Option<Typed> {
        let first = typed.first()?.clone();
        let of_client = typed.iter().any(Typed::is_of_client);
        let ty = result(function, &typed)?;
        let compared = if function.gives == Gives::First { ty.kind.clone() } else { item(&first.ty.kind).clone() };
        let as_floats = compared == Kind::Float && function.takes.contains(&Takes::Same);
        let mut whole = Typed::new(ty, Code::Null);
        let mut codes = Vec::new();
        for (i, mut value) in typed.into_iter().enumerate() {
            let takes = function.parameter(i)?;
            if takes == Takes::Same
                && let Kind::Enum(names) = item(&first.ty.kind)
            {
                self.literal_of(names, &mut value, &self.at(arguments.get(i)?, place))?;
            }
            let nullable = whole.ty.nullable || value.ty.nullable;
            whole = merged(&whole, &value, Type { nullable, ..whole.ty.clone() }, Code::Null);
            let value = if as_floats { as_float(value, &compared) } else { value };
            let code = self.handed_over(takes, value.clone(), as_floats);
            codes.push(answered(Typed { code, ..value }));
        }
        let projection = first.projection.filter(|_| function.gives == Gives::Item);
        let code = match function.name {
            "money" => return Some(first),
            "concat" => Code::Concat(codes),
            "sum" => {
                let number = super::arithmetic::number_of(item(&first.ty.kind))?;
                Code::Sum { number, list: Box::new(codes.pop()?) }
            }
            "format_date" => formatted(codes)?,
            _ => Code::Function { function, arguments: codes },
        };
        self.fallible(Typed { projection, code, ..whole }, of_client, here)
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
        let (yes, no) = (as_float(yes, &kind), as_float(no, &kind));
        let code = Code::If(Box::new(condition.code.clone()), Box::new(yes.code.clone()), Box::new(no.code.clone()));
        let branches = merged(&yes, &no, Type { kind, nullable }, code);
        Some(Typed {
            reads: branches.reads.with(condition.reads),
            from_client: branches.from_client || condition.from_client,
            identity: branches.identity.or(condition.identity),
            ..branches
        })
    }
}

/// Each signature, as the reference writes it.
fn written_out(functions: &[&'static Signature]) -> String {
    functions.iter().map(|function| format!("`{function}`")).collect::<Vec<_>>().join(" or ")
}

/// The first argument that the signature does not take.
fn misfit(function: &Signature, arguments: &[Typed]) -> Option<usize> {
    let first = arguments.first()?;
    let takes = |n: usize| function.parameter(n);
    let unfit = |(n, value): (usize, &Typed)| !takes(n).is_some_and(|takes| fits(takes, value, first));
    let found = arguments.iter().enumerate().position(unfit);
    // Values of which one is to be chosen are of one type.
    found.or_else(|| match function.gives {
        Gives::First => common(arguments).is_none().then(|| arguments.len() - 1),
        _ => None,
    })
}

/// The type that takes all. Literals come last: they fit where their value does.
fn common(values: &[Typed]) -> Option<Kind> {
    let (literals, others): (Vec<&Typed>, Vec<&Typed>) = values.iter().partition(|value| is_literal(value));
    let mut ordered = others.into_iter().chain(literals);
    let first = ordered.next()?.clone();
    let whole = ordered.try_fold(first, |whole, value| {
        let kind = widened(&whole, value)?;
        Some(Typed::new(Type::required(kind), whole.code))
    });
    let kind = whole?.ty.kind;
    values.iter().all(|value| value.ty.kind == kind || assignable(value, &value.ty.kind, &kind)).then_some(kind)
}

/// The items' kind, or the kind itself.
fn item(kind: &Kind) -> &Kind {
    match kind {
        Kind::List(item) => &item.kind,
        kind => kind,
    }
}

fn result(function: &Signature, arguments: &[Typed]) -> Option<Type> {
    let first = &arguments.first()?.ty.kind;
    Some(match function.gives {
        Gives::Bool => Type::required(Kind::Bool),
        Gives::Day => Type::required(Kind::Date),
        Gives::Decimal => Type::required(Kind::Decimal),
        Gives::Double => Type::required(Kind::Double),
        Gives::First => Type::required(common(arguments)?),
        Gives::Instant => Type::required(Kind::Timestamp),
        Gives::Int32 => Type::required(Kind::Int32),
        Gives::Int64 => Type::required(Kind::Int64),
        Gives::Item => Type::optional(item(first).clone()),
        Gives::Money => Type::required(Kind::Money),
        Gives::Header | Gives::Nothing => return None,
        Gives::Span => Type::required(Kind::Duration),
        Gives::String => Type::required(Kind::String),
        Gives::Sum => Type { kind: item(first).clone(), nullable: *item(first) == Kind::Money },
        Gives::Texts => Type::required(Kind::List(Box::new(Type::required(Kind::String)))),
    })
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

/// A date by a pattern, which is a literal.
fn formatted(codes: Vec<Code>) -> Option<Code> {
    let mut codes = codes.into_iter();
    let (of, pattern, offset) = (codes.next()?, codes.next()?, codes.next());
    let Code::Text(pattern) = pattern else { return None };
    let pattern = Arc::new(Pattern::read(&pattern).ok()?);
    Some(Code::FormatDate(FormatDate { of: Box::new(of), pattern, offset: offset.map(Box::new) }))
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
