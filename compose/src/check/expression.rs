//! Types of expressions.

use std::sync::Arc;

use super::argument::alike;
use super::arithmetic::answered;
use super::assign::{as_float, widened};
use super::direction::not_known;
use super::projection::has_each;
use super::{Checker, Typed};
use crate::definition::{ParamLocation, Text};
use crate::expr::{Code, Comparison, Expr, Kind as Ast, MoneyPart};
use crate::problem::{ErrorCode, Place, Problem};
use crate::schema::{Field, Kind, Type};

impl Checker<'_> {
    /// The type of an expression; None where a problem was found.
    pub(super) fn typed(&mut self, text: &Text) -> Option<Typed> {
        self.expr(&text.expr, &text.place)
    }

    pub(super) fn at(&self, expr: &Expr, place: &Place) -> Place {
        place.within(expr.at, expr.width)
    }

    pub(super) fn expr(&mut self, expr: &Expr, place: &Place) -> Option<Typed> {
        let within = std::mem::replace(&mut self.within_expr, true);
        let value = self.unconditional(expr, place);
        self.within_expr = within;
        let mut value = value?;
        (within || self.is_shallow(&value, &self.at(expr, place))).then_some(())?;
        // The code of a oneof is that of its owner.
        let is_union = matches!(value.ty.kind, Kind::Union(_));
        value.ty.nullable &= is_union || !self.present.contains(&value.code);
        Some(value)
    }

    fn unconditional(&mut self, expr: &Expr, place: &Place) -> Option<Typed> {
        let here = self.at(expr, place);
        if let Ast::Member { of, .. } | Ast::Index { of, .. } = &expr.kind
            && let Ast::Variable(name) = &of.kind
        {
            self.outside_of_fragments(name, &self.at(of, place))?;
        }
        if has_each(expr) {
            return self.projected(expr, place);
        }
        match &expr.kind {
            Ast::Null => Some(Typed::new(Type::optional(Kind::Json), Code::Null)),
            Ast::Bool(b) => Some(Typed::new(Type::required(Kind::Bool), Code::Bool(*b))),
            Ast::Int(i) => {
                let kind = if i32::try_from(*i).is_ok() { Kind::Int32 } else { Kind::Int64 };
                Some(Typed::new(Type::required(kind), Code::Int(*i)))
            }
            Ast::Float(f) => Some(Typed::new(Type::required(Kind::Double), Code::Float(*f))),
            Ast::Text(t) => Some(Typed::new(Type::required(Kind::String), Code::Text(t.as_str().into()))),
            Ast::Name(name) => self.name(name, &here),
            Ast::Variable(name) => self.variable(name, &here),
            Ast::Member { of, name, safe } => {
                let length = name.chars().count();
                self.member(of, name, *safe, place, &place.within(expr.at + expr.width - length, length))
            }
            Ast::Index { of, index } => self.index(of, index, place, &here),
            Ast::Each(_) => None,
            Ast::Call { function, arguments } => self.function(function, arguments, place, &here),
            Ast::Not(of) => {
                let of = self.condition(of, place)?;
                Some(Typed { code: Code::Not(Box::new(of.code.clone())), ..of })
            }
            Ast::Negate(of) => self.negated(of, place, &here),
            Ast::Arithmetic(operator, a, b) => self.arithmetic(*operator, (a, b), place, &here),
            Ast::And(a, b) => self.both(a, b, place, Code::And),
            Ast::Or(a, b) => self.both(a, b, place, Code::Or),
            Ast::Compare(how, a, b) => self.comparison(*how, a, b, place, &here),
            Ast::Coalesce(a, b) => self.coalesce(a, b, place, &here),
        }
    }

    fn name(&mut self, name: &str, here: &Place) -> Option<Typed> {
        if let Some((_, value)) = self.visible().iter().rev().find(|(n, _)| n == name && !n.is_empty()) {
            return Some(value.clone());
        }
        let Some(i) = self.call_named(name) else {
            let calls = self.view.calls.iter().map(|c| c.name.value.as_str());
            let known: Vec<&str> =
                calls.chain(self.visible().iter().map(|(n, _)| n.as_str())).filter(|n| !n.is_empty()).collect();
            let problem =
                Problem::new(ErrorCode::UnknownName, here, format!("nothing is named `{name}`")).suggest(name, known);
            self.problems.push(problem);
            return None;
        };
        self.used = self.used.with(crate::plan::CallSet::one(i));
        let reply = self.replies[i].as_ref()?;
        if reply.key.is_some() {
            self.problem(
                ErrorCode::WrongType,
                here,
                format!("`{name}` has a reply for every key"),
                format!("look a key up in it: `{name}[key]`; all that it found is `{name}[]`"),
            );
            return None;
        }
        Some(reply.value.clone())
    }

    fn variable(&mut self, name: &str, here: &Place) -> Option<Typed> {
        self.outside_of_fragments(name, here)?;
        let help = match name {
            "auth" => {
                "say which: `$auth.sub`, `$auth.role`, `$auth.email`, `$auth.kind`, `$auth.scopes`, `$auth.authenticated`"
            }
            "params" => "say which: `$params.name`",
            "headers" => "say which: `$headers[\"accept-language\"]`",
            "key" if self.key.is_some() => return self.key.clone(),
            "key" => {
                "a key is known only where `each` sends one request per key, and in the tags of a cache `per: key`"
            }
            "now" => return Some(Typed::new(Type::required(Kind::Timestamp), Code::Now)),
            "body" => {
                if self.view.body.is_none() {
                    let help = "add `body: { like: source/package.Message }`";
                    self.problem(ErrorCode::UnknownName, here, "this view declares no body", help);
                }
                return self.body.clone();
            }
            _ => {
                let problem = Problem::new(ErrorCode::UnknownName, here, format!("there is no `${name}`"));
                self.problems.push(problem.suggest(name, ["auth", "params", "headers", "body", "now", "key"]));
                return None;
            }
        };
        self.problem(ErrorCode::WrongType, here, format!("`${name}` is no value by itself"), help);
        None
    }

    fn member(&mut self, of: &Expr, name: &str, safe: bool, place: &Place, here: &Place) -> Option<Typed> {
        match &of.kind {
            Ast::Variable(v) if v == "auth" => return self.auth(name, here),
            Ast::Variable(v) if v == "params" => return self.param_value(name, here),
            _ => {}
        }
        let value = self.expr(of, place)?;
        if value.ty.nullable && !safe {
            let here = self.at(of, place);
            self.may_be_null(name, &here);
            return None;
        }
        self.field(value, name, safe, here)
    }

    fn may_be_null(&mut self, name: &str, here: &Place) {
        let help = format!("write `?.{name}`, and `??` behind it where a value is needed");
        self.problem(
            ErrorCode::Nullable,
            here,
            format!("this may be null, so that `.{name}` cannot be taken of it"),
            help,
        );
    }

    /// A field of a record, or a part of an amount of money.
    pub(super) fn field(&mut self, of: Typed, name: &str, safe: bool, here: &Place) -> Option<Typed> {
        if of.ty.nullable && !safe {
            self.may_be_null(name, here);
            return None;
        }
        let nullable = of.ty.nullable;
        if of.ty.kind == Kind::Money && (name == "amount" || name == "currency") {
            let part = if name == "amount" { MoneyPart::Amount } else { MoneyPart::Currency };
            let code = Code::MoneyPart { of: Box::new(of.code.clone()), part };
            return Some(Typed { ty: Type { kind: Kind::String, nullable }, projection: None, code, ..of });
        }
        let (id, cases) = match &of.ty.kind {
            Kind::Record(id) => (Some(*id), None),
            Kind::Union(union) => (Some(union.within), Some(&union.cases)),
            _ => (None, None),
        };
        let (Some(id), Some(projection)) = (id, of.projection) else {
            let what = self.contracts.describe(&of.ty);
            let help = match of.ty.kind {
                Kind::List(_) => "make a list with `from: ... as x` and `item:`",
                Kind::Money => "known here: `amount`, `currency`",
                _ => "only records have fields",
            };
            self.problem(ErrorCode::WrongType, here, format!("`{name}` cannot be read from a {what}"), help);
            return None;
        };
        let record = self.contracts.record(id);
        let is_body = self.body.as_ref().is_some_and(|b| b.projection == Some(projection));
        let visible = |f: &&Field| {
            self.is_visible(projection, f) && cases.is_none_or(|cases| cases.iter().any(|(case, _)| *case == f.name))
        };
        let Some(i) = record.fields.iter().position(|f| f.name == name && visible(&f)) else {
            if let Some(union) = record.unions.iter().find(|u| cases.is_none() && u.name == name) {
                let ty = Type::optional(Kind::Union(union.clone()));
                return Some(Typed { ty, ..of });
            }
            let unions = record.unions.iter().filter(|_| cases.is_none()).map(|u| u.name.as_str());
            let known = record.fields.iter().filter(visible).map(|f| f.name.as_str()).chain(unions);
            let problem =
                Problem::new(ErrorCode::UnknownField, here, format!("`{}` has no field `{name}`", record.name));
            self.problems.push(not_known(problem, name, record, known));
            return None;
        };
        let field = &record.fields[i];
        if let Kind::Opaque(reason) = field.ty.kind {
            self.problem(ErrorCode::Unsupported, here, format!("`{name}` cannot be read: {reason}"), "leave it out");
            return None;
        }
        let (slot, inner) = self.use_field(projection, i);
        let code = Code::Slot { of: Box::new(of.code.clone()), slot };
        let always = is_body && self.view_requires(&field.name);
        let ty = Type { kind: field.ty.kind.clone(), nullable: nullable || (field.ty.nullable && !always) };
        Some(Typed { ty, projection: inner, code, int64: field.int64, ..of })
    }

    /// The header of the client that a parameter declares.
    pub(super) fn header_value(&mut self, name: &str, here: &Place) -> Option<Typed> {
        let declared = self.view.params.iter().filter(|param| param.location == ParamLocation::Header);
        let mut names = declared.map(|param| param.name.value.as_str());
        if let Some(declared) = names.find(|declared| declared.eq_ignore_ascii_case(name)) {
            return self.param_value(declared, here);
        }
        let message = format!("this view declares no header `{name}`");
        let help = format!("add `{name}: {{ in: header, type: string, optional: true }}` to `params`");
        self.problem(ErrorCode::UnknownName, here, message, help);
        None
    }

    pub(super) fn param_value(&mut self, name: &str, here: &Place) -> Option<Typed> {
        let Some(i) = self.view.params.iter().position(|p| p.name.value == name) else {
            // A parameter that the path has and `params` lacks is a problem already.
            if !self.view.route.path.split('/').any(|part| part == format!("{{{name}}}")) {
                let known: Vec<&str> = self.view.params.iter().map(|p| p.name.value.as_str()).collect();
                let problem =
                    Problem::new(ErrorCode::UnknownName, here, format!("this view declares no parameter `{name}`"));
                let help = format!("add `{name}: {{ in: query, type: string }}` to `params`");
                self.problems.push(if known.is_empty() { problem.help(help) } else { problem.suggest(name, known) });
            }
            return None;
        };
        let ty = self.params.get(i)?.clone()?;
        let identity = self.identity_of_param(i);
        Some(Typed { from_client: true, identity, ..Typed::new(ty, Code::Param(i)) })
    }

    pub(super) fn condition(&mut self, expr: &Expr, place: &Place) -> Option<Typed> {
        let value = self.expr(expr, place)?;
        self.is_condition(&value, expr, place)?;
        Some(value)
    }

    /// None, with a problem, of what is not true or false.
    pub(super) fn is_condition(&mut self, value: &Typed, expr: &Expr, place: &Place) -> Option<()> {
        if value.ty == Type::required(Kind::Bool) {
            return Some(());
        }
        let has = self.contracts.describe(&value.ty);
        let help = if value.ty.kind == Kind::Bool { "write `?? false` behind it" } else { "compare it: `a == b`" };
        self.problem(
            ErrorCode::WrongType,
            &self.at(expr, place),
            format!("a condition is true or false, not {has}"),
            help,
        );
        None
    }

    fn both(&mut self, a: &Expr, b: &Expr, place: &Place, code: fn(Box<Code>, Box<Code>) -> Code) -> Option<Typed> {
        let (a, b) = (self.condition(a, place), self.condition(b, place));
        let (a, b) = (a?, b?);
        Some(merged(&a, &b, Type::required(Kind::Bool), code(Box::new(a.code.clone()), Box::new(b.code.clone()))))
    }

    fn comparison(&mut self, how: Comparison, a: &Expr, b: &Expr, place: &Place, here: &Place) -> Option<Typed> {
        let (left, right) = (self.expr(a, place), self.expr(b, place));
        let (mut left, mut right) = (self.presence(left?), self.presence(right?));
        if let Kind::Enum(names) = left.ty.kind.clone() {
            self.literal_of(&names, &mut right, &self.at(b, place))?;
        } else if let Kind::Enum(names) = right.ty.kind.clone() {
            self.literal_of(&names, &mut left, &self.at(a, place))?;
        }
        let is_null = left.code == Code::Null || right.code == Code::Null;
        let ordered = !matches!(how, Comparison::Equal | Comparison::NotEqual);
        let comparable = if is_null { !ordered } else { comparable(&left.ty.kind, &right.ty.kind) };
        if !comparable {
            let (l, r) = (self.contracts.describe(&left.ty), self.contracts.describe(&right.ty));
            let help = match (&left.ty.kind, &right.ty.kind) {
                _ if is_null => "only `==` and `!=` take null",
                (Kind::Enum(_), Kind::String) | (Kind::String, Kind::Enum(_)) => "write `string(...)` around the enum",
                (Kind::Money, _) | (_, Kind::Money) => "compare `minor(money)`, an integer",
                (Kind::List(_) | Kind::Map(_) | Kind::Record(_) | Kind::Union(_), _) => "compare what is within",
                _ => "compare values of one kind",
            };
            self.problem(ErrorCode::WrongType, here, format!("{l} and {r} cannot be compared"), help);
            return None;
        }
        let may_fail = matches!(left.ty.kind, Kind::Decimal | Kind::Money) && !is_null;
        let (left, right) = if is_null { (left, right) } else { alike(left, right) };
        let of_client = left.is_of_client() || right.is_of_client();
        let whole = merged(&left, &right, Type::required(Kind::Bool), Code::Null);
        let code = Code::Compare(how, Box::new(answered(left)), Box::new(answered(right)));
        let whole = Typed { code, ..whole };
        if may_fail { self.fallible(whole, of_client, here) } else { Some(whole) }
    }

    /// A text beside an enum is one of its names.
    pub(super) fn literal_of(
        &mut self,
        names: &Arc<crate::schema::Enum>,
        value: &mut Typed,
        here: &Place,
    ) -> Option<()> {
        let Code::Text(text) = &value.code else { return Some(()) };
        let Some(number) = names.number_of(text) else {
            let problem =
                Problem::new(ErrorCode::UnknownValue, here, format!("`{}` has no value `{text}`", names.name));
            self.problems.push(problem.suggest(text, names.values.iter().map(|(_, n)| n.as_str())));
            return None;
        };
        value.code = Code::Int(number.into());
        value.ty.kind = Kind::Enum(names.clone());
        Some(())
    }

    fn coalesce(&mut self, a: &Expr, b: &Expr, place: &Place, here: &Place) -> Option<Typed> {
        let (left, right) = (self.expr(a, place), self.expr(b, place));
        let (left, mut right) = (left?, right?);
        if !left.ty.nullable {
            self.problem(
                ErrorCode::Unused,
                &self.at(a, place),
                "this is never null, so that `??` has nothing to do",
                "remove `??` and what follows",
            );
            return None;
        }
        if let Kind::Enum(names) = left.ty.kind.clone() {
            self.literal_of(&names, &mut right, &self.at(b, place))?;
        }
        if right.code == Code::Null {
            return Some(left);
        }
        let Some(kind) = widened(&left, &right).filter(|_| left.projection.is_none()) else {
            let (l, r) = (self.contracts.describe(&left.ty), self.contracts.describe(&right.ty));
            let help = if left.projection.is_some() { "take `??` of its fields" } else { "both sides are of one type" };
            self.problem(ErrorCode::WrongType, here, format!("`??` cannot choose between {l} and {r}"), help);
            return None;
        };
        let right = as_float(right, &kind);
        let ty = Type { kind, nullable: right.ty.nullable };
        let code = Code::Coalesce(Box::new(left.code.clone()), Box::new(right.code.clone()));
        Some(Typed { int64: left.int64, ..merged(&left, &right, ty, code) })
    }
}

/// What is made of two values reads what both read.
pub(super) fn merged(a: &Typed, b: &Typed, ty: Type, code: Code) -> Typed {
    Typed {
        ty,
        projection: None,
        int64: None,
        code,
        reads: a.reads.with(b.reads),
        from_client: a.from_client || b.from_client,
        identity: a.identity.or(b.identity),
    }
}

pub(super) fn comparable(a: &Kind, b: &Kind) -> bool {
    use Kind::{Decimal, Int32, Int64, Uint32, Uint64};
    match (a, b) {
        (Kind::Enum(a), Kind::Enum(b)) => a == b,
        (Decimal, Int32 | Int64 | Uint32 | Uint64) | (Int32 | Int64 | Uint32 | Uint64, Decimal) => true,
        _ => class(a).is_some_and(|class_of_a| class(b) == Some(class_of_a)),
    }
}

/// Whether values of this kind can be sorted; amounts of two currencies cannot.
pub(super) fn is_ordered(kind: &Kind) -> bool {
    class(kind).is_some() && *kind != Kind::Money
}

/// What can be compared with each other; None of what cannot be compared at all.
fn class(kind: &Kind) -> Option<u8> {
    Some(match kind {
        Kind::Bool => 0,
        Kind::Int32 | Kind::Int64 | Kind::Uint32 | Kind::Uint64 | Kind::Float | Kind::Double => 1,
        Kind::String => 2,
        Kind::Enum(_) => 3,
        Kind::Timestamp => 4,
        Kind::Date => 5,
        Kind::Duration => 6,
        Kind::Decimal => 7,
        Kind::Money => 8,
        Kind::Bytes | Kind::Json | Kind::Opaque(_) => return None,
        Kind::List(_) | Kind::Map(_) | Kind::Record(_) | Kind::Union(_) => return None,
    })
}
