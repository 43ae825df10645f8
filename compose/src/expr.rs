//! The expression language: what an author writes (`Expr`), what runs (`Code`), and the value in between.
//!
//! `parse` keeps positions for problems; the checker types an `Expr` and compiles it to `Code`, whose fields are slots.

mod decimal;
mod eval;
mod fault;
mod function;
mod inner;
mod list;
mod money;
mod number;
mod parse;
mod pattern;
mod print;
mod text;
mod time;
mod token;
mod value;

use std::sync::Arc;

pub(crate) use decimal::Decimal;
pub use decimal::MAX_DIGITS;
pub(crate) use eval::Env;
pub(crate) use fault::Fault;
pub use function::{FUNCTIONS, Gives, Signature, Takes};
pub(crate) use list::List;
pub(crate) use money::Money;
pub use number::Number;
pub use parse::parse;
pub use pattern::Pattern;
pub(crate) use time::{wrong_offset, wrong_pattern};
pub(crate) use value::{Node, Value, unescaped, utf8};

/// Whether an expression can name it.
pub fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        && !["null", "true", "false", "not"].contains(&text)
}

/// An expression as written. `at` counts characters from the start of its text.
#[derive(Debug, Clone, PartialEq)]
pub struct Expr {
    pub at: usize,
    pub width: usize,
    pub kind: Kind,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
    /// A call or a local name.
    Name(String),
    /// `$auth`, `$params`, ... without the dollar.
    Variable(String),
    /// `of.name`, or `of?.name` where `safe`.
    Member {
        of: Box<Expr>,
        name: String,
        safe: bool,
    },
    Index {
        of: Box<Expr>,
        index: Box<Expr>,
    },
    /// `list[]`: every item of it.
    Each(Box<Expr>),
    Call {
        function: String,
        arguments: Vec<Expr>,
    },
    Not(Box<Expr>),
    Negate(Box<Expr>),
    And(Box<Expr>, Box<Expr>),
    Or(Box<Expr>, Box<Expr>),
    Compare(Comparison, Box<Expr>, Box<Expr>),
    Arithmetic(Operator, Box<Expr>, Box<Expr>),
    Coalesce(Box<Expr>, Box<Expr>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    Add,
    Subtract,
    Multiply,
    Divide,
}

/// A typed expression, ready to run: names are resolved, fields are slots.
#[derive(Debug, Clone, PartialEq)]
pub enum Code {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(Arc<str>),
    Auth(AuthField),
    Now,
    /// The n-th declared parameter.
    Param(usize),
    /// The request's body.
    Body,
    /// The reply of the n-th call; null where it has none.
    Reply(usize),
    /// The n-th of the headers that are read of a call's reply; null where it has none.
    Header {
        call: usize,
        header: usize,
    },
    /// What the n-th call of a batch found for a key; null where there is nothing.
    Found {
        call: usize,
        key: Box<Code>,
    },
    /// All that the n-th call found, one for each key that has a result; null where it has no reply.
    Results(usize),
    /// The n-th enclosing `as`.
    Local(usize),
    /// A slot of a record; null of null.
    Slot {
        of: Box<Code>,
        slot: u16,
    },
    /// The value of a key in a map; null of null, and where it has no such key.
    Entry {
        of: Box<Code>,
        key: Box<Code>,
    },
    /// The n-th item of a list, from 0; null where there is none.
    Item {
        of: Box<Code>,
        index: Box<Code>,
    },
    /// What every item of lists within lists gives, as one list. Null where the outermost is; null within gives nothing.
    Each {
        /// Each list, and the local that holds its current item.
        lists: Vec<(Code, usize)>,
        item: Box<Code>,
    },
    MoneyPart {
        of: Box<Code>,
        part: MoneyPart,
    },
    /// A decimal as a number, not as the text that services send.
    Decimal(Box<Code>),
    /// Null of null.
    Arithmetic {
        operator: Operator,
        number: Number,
        left: Box<Code>,
        right: Box<Code>,
    },
    /// Says whose values are wrong where the expression has none.
    Blame {
        whose: Whose,
        of: Box<Code>,
    },
    Coalesce(Box<Code>, Box<Code>),
    If(Box<Code>, Box<Code>, Box<Code>),
    Not(Box<Code>),
    And(Box<Code>, Box<Code>),
    Or(Box<Code>, Box<Code>),
    Compare(Comparison, Box<Code>, Box<Code>),
    /// An enum's number as its name.
    EnumName {
        of: Box<Code>,
        names: Arc<crate::schema::Enum>,
    },
    /// A duration as its text: `1.5s`.
    Seconds(Box<Code>),
    /// A float of 32 bits as its text: 0.1, not 0.10000000149011612.
    Single(Box<Code>),
    /// A number as the nearest float of 32 bits.
    Narrowed(Box<Code>),
    /// The texts of all, of which none is null.
    Concat(Vec<Code>),
    /// Of a list's items.
    Sum {
        number: Number,
        list: Box<Code>,
    },
    /// Null of null.
    FormatDate(FormatDate),
    /// Null where an argument is.
    Function {
        function: &'static Signature,
        arguments: Vec<Code>,
    },
}

/// A date or a timestamp as the text that a pattern makes of it.
#[derive(Debug, Clone, PartialEq)]
pub struct FormatDate {
    pub of: Box<Code>,
    pub pattern: Arc<Pattern>,
    pub offset: Option<Box<Code>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthField {
    Authenticated,
    Sub,
    Role,
    Email,
    Kind,
    Scopes,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whose {
    Call(usize),
    Client,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MoneyPart {
    Amount,
    Currency,
}

impl Operator {
    pub fn symbol(self) -> &'static str {
        match self {
            Operator::Add => "+",
            Operator::Subtract => "-",
            Operator::Multiply => "*",
            Operator::Divide => "/",
        }
    }
}
