//! Every function: what it takes, what it gives, and how it runs. The checker, the evaluator and the reference that
//! authors read know no other list.

use std::fmt;

use super::eval::Evaluated;
use super::{Fault, Value, decimal, list, money, number, text, time};
use Gives::{Bool, Double, First, Int32, Int64, Item, Nothing, String, Texts};
use Run::{Checked, With};
use Takes::{Any, Count, Digits, Instant, Integer, Money, Offset, Ordered, Pattern, Scalar, Separator, Sized, Text};
use Takes::{Call, Condition, Day, Decimal, List, Number, Same, Summand};

pub struct Signature {
    pub name: &'static str,
    pub takes: &'static [Takes],
    /// How many arguments must be given.
    pub least: usize,
    /// The last parameter takes any number of arguments.
    pub repeats: bool,
    pub gives: Gives,
    /// One line for the reference.
    pub says: &'static str,
    pub(super) run: Run,
}

/// What one parameter takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Takes {
    Any,
    Bytes,
    Call,
    Condition,
    /// An integer that is not negative.
    Count,
    /// A date.
    Day,
    Decimal,
    /// How many decimals: 0 to 9.
    Digits,
    /// A timestamp.
    Instant,
    Integer,
    List(&'static Takes),
    Money,
    Number,
    /// `Z` or `+06:00`.
    Offset,
    /// What has an order.
    Ordered,
    /// A format of dates: a literal.
    Pattern,
    /// Of the type of the first argument, or of its items.
    Same,
    /// What has a text: a text, number, bool, enum, date or time.
    Scalar,
    /// A text that is not empty.
    Separator,
    /// What has a length.
    Sized,
    Summand,
    /// A text or the name of an enum's value.
    Text,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gives {
    Bool,
    Day,
    Decimal,
    Double,
    /// A text or null.
    Header,
    /// The type of the first argument, or the wider one of all.
    First,
    Instant,
    Int32,
    Int64,
    /// The type of the list's items, or null.
    Item,
    Money,
    /// The function decides.
    Nothing,
    Span,
    String,
    /// The type of the list's items; of money, or null.
    Sum,
    Texts,
}

/// A function of values, none of which is null.
pub(super) type Function = for<'a> fn(&[Value<'a>]) -> Evaluated<'a>;

pub(super) enum Run {
    With(Function),
    /// The checker compiles it to something else.
    Checked,
}

/// Arguments of a parameter that repeats, at the most.
pub const MAX_ARGUMENTS: usize = 32;

#[rustfmt::skip]
pub static FUNCTIONS: [Signature; 42] = [
    // texts
    f("concat",      &[Scalar],                           1, String,          "the texts of all, one behind the other",                   Checked).repeating(),
    f("string",      &[Scalar],                           1, String,          "the value as text",                                        With(text::string)),
    f("lower",       &[Scalar],                           1, String,          "in lower case",                                            With(text::lower)),
    f("upper",       &[Scalar],                           1, String,          "in upper case",                                            With(text::upper)),
    f("trim",        &[Scalar],                           1, String,          "without blanks at both ends",                              With(text::trim)),
    f("substr",      &[Text, Count, Count],               2, String,          "from a character on, counted from 0; so many, or all",     With(text::substr)),
    f("replace",     &[Text, Separator, Text],            3, String,          "with every occurrence replaced",                           With(text::replace)),
    f("split",       &[Text, Separator],                  2, Texts,           "the parts between separators, 10000 at the most",          With(text::split)),
    f("join",        &[List(&Scalar), Text],              2, String,          "the items that are not null, with a text between them",    With(text::join)),
    f("starts_with", &[Text, Text],                       2, Bool,            "whether it begins so",                                     With(text::starts_with)),
    f("ends_with",   &[Text, Text],                       2, Bool,            "whether it ends so",                                       With(text::ends_with)),
    f("contains",    &[Text, Text],                       2, Bool,            "whether it stands somewhere within",                       With(text::contains)),
    f("etag",        &[Text],                             1, String,          "the tag of an entity-tag: `x` of `W/\"x\"`",               With(text::etag)),
    // lists
    f("contains",    &[List(&Ordered), Same],             2, Bool,            "whether one of the items is equal to it",                  With(list::contains)),
    f("len",         &[Sized],                            1, Int32,           "characters of a text, items or entries",                   With(list::len)),
    f("len",         &[Takes::Bytes],                     1, Int32,           "how many bytes",                                           With(list::len_of_bytes)),
    f("first",       &[List(&Any)],                       1, Item,            "the first item; null of an empty list",                    With(list::first)),
    f("last",        &[List(&Any)],                       1, Item,            "the last item; null of an empty list",                     With(list::last)),
    f("sum",         &[List(&Summand)],                   1, Gives::Sum,      "of all that is not null; of nothing 0, of no money null",  Checked),
    f("min",         &[List(&Ordered)],                   1, Item,            "the least of all that is not null; null of nothing",       With(list::min)),
    f("min",         &[Ordered, Same],                    2, First,           "the least of all",                                         With(list::min)).repeating(),
    f("max",         &[List(&Ordered)],                   1, Item,            "the greatest of all that is not null; null of nothing",    With(list::max)),
    f("max",         &[Ordered, Same],                    2, First,           "the greatest of all",                                      With(list::max)).repeating(),
    // numbers and money
    f("number",      &[Text],                             1, Double,          "the number that a text is",                                With(number::of_text)),
    f("number",      &[Integer],                          1, Double,          "the double that is nearest to an integer",                 With(number::of_integer)),
    f("int32",       &[Integer],                          1, Int32,           "an integer as int32; one that does not fit is a failure",  With(number::int32)),
    f("int64",       &[Integer],                          1, Int64,           "an integer as int64; one that does not fit is a failure",  With(number::int64)),
    f("decimal",     &[Text],                             1, Gives::Decimal,  "the exact decimal that a text is",                         With(decimal::of)),
    f("decimal",     &[Integer],                          1, Gives::Decimal,  "an integer as a decimal",                                  With(decimal::of)),
    f("round",       &[Decimal, Digits],                  1, Gives::Decimal,  "to so many decimals, or none; a half away from zero",      With(decimal::round)),
    f("round",       &[Number, Digits],                   1, Double,          "to so many decimals, or none; a half away from zero",      With(number::round)),
    f("money",       &[Money],                            1, Gives::Money,    "an amount of money, which is what is written anyway",      Checked),
    f("minor",       &[Money],                            1, Int64,           "in the minor unit of its currency, such as cents",         With(money::minor)),
    // times
    f("timestamp",   &[Text],                             1, Gives::Instant,  "of RFC 3339: `timestamp(\"2026-01-31T10:00:00Z\")`",       With(time::timestamp)),
    f("duration",    &[Text],                             1, Gives::Span,     "of seconds: `duration(\"1.5s\")`",                         With(time::duration)),
    f("date",        &[Text],                             1, Gives::Day,      "of `2026-01-31`",                                          With(time::date_of_text)),
    f("date",        &[Instant, Offset],                  1, Gives::Day,      "the day of a timestamp, in UTC or at an offset",           With(time::date_of_timestamp)),
    f("format_date", &[Day, Pattern],                     2, String,          "a date by `yyyy MM M dd d`; quote text: `dd 'of' MM`",     Checked),
    f("format_date", &[Instant, Pattern, Offset],         2, String,          "a timestamp also by `HH H mm ss SSS`, in UTC or at an offset", Checked),
    // choices
    f("if",          &[Condition, Any, Same],             3, Nothing,         "the second where the first is true, else the third",       Checked),
    f("coalesce",    &[Any, Same],                        2, Nothing,         "the first that is not null: `a ?? b`",                     Checked).repeating(),
    f("header",      &[Call, Text],                       2, Gives::Header,   "a header of a call's reply, or null",                      Checked),
];

const fn f(
    name: &'static str,
    takes: &'static [Takes],
    least: usize,
    gives: Gives,
    says: &'static str,
    run: Run,
) -> Signature {
    Signature { name, takes, least, repeats: false, gives, says, run }
}

impl Signature {
    const fn repeating(self) -> Signature {
        let Signature { name, takes, least, gives, says, run, .. } = self;
        Signature { name, takes, least, repeats: true, gives, says, run }
    }

    pub(super) fn call<'a>(&self, values: &[Value<'a>]) -> Evaluated<'a> {
        match self.run {
            With(function) => function(values),
            Checked => Err(Fault::misfit()),
        }
    }

    /// What the n-th argument must be.
    pub fn parameter(&self, n: usize) -> Option<Takes> {
        let last = self.takes.last().filter(|_| self.repeats && n < MAX_ARGUMENTS);
        self.takes.get(n).or(last).copied()
    }

    pub fn takes_count(&self, n: usize) -> bool {
        n >= self.least && (n == 0 || self.parameter(n - 1).is_some())
    }
}

/// `substr(text, count, count?) -> string`
impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}(", self.name)?;
        for (i, takes) in self.takes.iter().enumerate() {
            let comma = if i > 0 { ", " } else { "" };
            let optional = if i >= self.least { "?" } else { "" };
            write!(f, "{comma}{takes}{optional}")?;
        }
        let more = if self.repeats { ", ..." } else { "" };
        write!(f, "{more}) -> {}", self.gives)
    }
}

impl fmt::Display for Takes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            List(item) => return write!(f, "list<{item}>"),
            Any | Same => "T",
            Takes::Bytes => "bytes",
            Call => "call",
            Condition => "bool",
            Count => "count",
            Day => "date",
            Decimal => "decimal",
            Digits => "digits",
            Instant => "timestamp",
            Integer => "integer",
            Money => "money",
            Number => "number",
            Offset => "offset",
            Ordered => "T: ordered",
            Pattern => "pattern",
            Scalar => "scalar",
            Separator => "separator",
            Sized => "text|list|map",
            Summand => "T: number|decimal|money|duration",
            Text => "text",
        };
        f.write_str(name)
    }
}

impl fmt::Display for Gives {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Bool => "bool",
            Gives::Day => "date",
            Gives::Decimal => "decimal",
            Double => "double",
            First | Gives::Sum | Nothing => "T",
            Gives::Instant => "timestamp",
            Int32 => "int32",
            Int64 => "int64",
            Item => "T?",
            Gives::Money => "money",
            Gives::Span => "duration",
            Gives::Header => "string?",
            String => "string",
            Texts => "list<string>",
        })
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl PartialEq for Signature {
    fn eq(&self, other: &Signature) -> bool {
        std::ptr::eq(self, other)
    }
}
