//! `Expr` as text that parses to the same again.

use std::fmt::{self, Display, Formatter};

use super::{Comparison, Expr, Kind};

/// How tightly an expression holds together; one that holds less than its place asks for stands in parentheses.
#[derive(Clone, Copy, PartialEq, PartialOrd)]
enum Level {
    Or,
    And,
    Compare,
    Coalesce,
    Sum,
    Product,
    Unary,
    /// A number, behind which a dot would be a part of it.
    Number,
    Path,
}

impl Display for Expr {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Null => f.write_str("null"),
            Kind::Bool(value) => write!(f, "{value}"),
            Kind::Int(number) => write!(f, "{number}"),
            Kind::Float(number) if number.fract() == 0.0 => write!(f, "{number:.1}"),
            Kind::Float(number) => write!(f, "{number}"),
            Kind::Text(text) => {
                write!(f, "\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"))
            }
            Kind::Name(name) => f.write_str(name),
            Kind::Variable(name) => write!(f, "${name}"),
            Kind::Member { of, name, safe } => {
                within(of, Level::Path, f)?;
                write!(f, "{}.{name}", if *safe { "?" } else { "" })
            }
            Kind::Index { of, index } => {
                within(of, Level::Path, f)?;
                write!(f, "[{index}]")
            }
            Kind::Each(of) => {
                within(of, Level::Path, f)?;
                f.write_str("[]")
            }
            Kind::Call { function, arguments } => {
                write!(f, "{function}(")?;
                for (i, argument) in arguments.iter().enumerate() {
                    write!(f, "{}{argument}", if i > 0 { ", " } else { "" })?;
                }
                f.write_str(")")
            }
            Kind::Not(of) => {
                f.write_str("!")?;
                within(of, Level::Unary, f)
            }
            // A minus and a number are one literal.
            Kind::Negate(of) if matches!(of.kind, Kind::Int(_) | Kind::Float(_)) => write!(f, "-({of})"),
            Kind::Negate(of) => {
                f.write_str("-")?;
                within(of, Level::Unary, f)
            }
            Kind::And(a, b) => binary(a, Level::And, "&&", b, Level::Compare, f),
            Kind::Or(a, b) => binary(a, Level::Or, "||", b, Level::And, f),
            Kind::Compare(how, a, b) => binary(a, Level::Coalesce, symbol(*how), b, Level::Coalesce, f),
            // From the right.
            Kind::Coalesce(a, b) => binary(a, Level::Sum, "??", b, Level::Coalesce, f),
            Kind::Arithmetic(operator, a, b) => match level(self) {
                Level::Sum => binary(a, Level::Sum, operator.symbol(), b, Level::Product, f),
                _ => binary(a, Level::Product, operator.symbol(), b, Level::Unary, f),
            },
        }
    }
}

fn level(expr: &Expr) -> Level {
    match &expr.kind {
        Kind::Or(..) => Level::Or,
        Kind::And(..) => Level::And,
        Kind::Compare(..) => Level::Compare,
        Kind::Coalesce(..) => Level::Coalesce,
        Kind::Arithmetic(operator, ..) if matches!(operator.symbol(), "+" | "-") => Level::Sum,
        Kind::Arithmetic(..) => Level::Product,
        Kind::Not(_) | Kind::Negate(_) => Level::Unary,
        Kind::Int(_) | Kind::Float(_) => Level::Number,
        _ => Level::Path,
    }
}

fn within(expr: &Expr, least: Level, f: &mut Formatter<'_>) -> fmt::Result {
    if level(expr) < least { write!(f, "({expr})") } else { write!(f, "{expr}") }
}

fn binary(a: &Expr, at: Level, symbol: &str, b: &Expr, bt: Level, f: &mut Formatter<'_>) -> fmt::Result {
    within(a, at, f)?;
    write!(f, " {symbol} ")?;
    within(b, bt, f)
}

fn symbol(how: Comparison) -> &'static str {
    match how {
        Comparison::Equal => "==",
        Comparison::NotEqual => "!=",
        Comparison::Less => "<",
        Comparison::LessOrEqual => "<=",
        Comparison::Greater => ">",
        Comparison::GreaterOrEqual => ">=",
    }
}
