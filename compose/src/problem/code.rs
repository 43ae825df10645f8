//! What kind of mistake a problem is: named by what its author has to do.

use std::fmt;

macro_rules! codes {
    ($(#[doc = $meaning:literal] $code:ident = $name:literal,)*) => {
        /// Printed as `error[unknown-field]`; a name is never given to another mistake later.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum ErrorCode {
            $(#[doc = $meaning] $code,)*
        }

        impl ErrorCode {
            pub const ALL: &[ErrorCode] = &[$(ErrorCode::$code),*];

            pub fn name(self) -> &'static str {
                match self { $(ErrorCode::$code => $name,)* }
            }

            pub fn meaning(self) -> &'static str {
                match self { $(ErrorCode::$code => $meaning.trim_ascii_start(),)* }
            }
        }
    };
}

codes! {
    /// The file is not YAML, or uses a part of YAML that the language leaves out.
    YamlSyntax = "yaml-syntax",
    /// The text is not an expression.
    ExpressionSyntax = "expression-syntax",
    /// The language has no such key here.
    UnknownKey = "unknown-key",
    /// Nothing has this name: no call, binding, parameter, source, operation, type or function.
    UnknownName = "unknown-name",
    /// The record that is read or sent has no such field.
    UnknownField = "unknown-field",
    /// The word is not one of the few that may stand here.
    UnknownValue = "unknown-value",
    /// A key that belongs here is not written.
    MissingKey = "missing-key",
    /// The value of a key is written in another form than the key takes.
    WrongForm = "wrong-form",
    /// A value is of another type than its place takes.
    WrongType = "wrong-type",
    /// A value may be null where null is not allowed.
    Nullable = "nullable",
    /// The contract requires what is not given.
    Required = "required",
    /// A number or a span lies outside what is allowed.
    OutOfRange = "out-of-range",
    /// The expression fails whatever is asked and answered.
    AlwaysFails = "always-fails",
    /// One name or value is given twice.
    Duplicate = "duplicate",
    /// Two declarations exclude each other.
    Conflict = "conflict",
    /// What is written does nothing.
    Unused = "unused",
    /// A thing leads back to itself.
    Cycle = "cycle",
    /// A number of requests or items has no bound.
    Unbounded = "unbounded",
    /// There is more of something than the limits allow.
    TooMuch = "too-much",
    /// The calls may take longer than the view has.
    Deadline = "deadline",
    /// A call that changes something stands where it could do harm.
    Effects = "effects",
    /// What belongs to one caller could reach another.
    Privacy = "privacy",
    /// The path cannot be a route.
    Route = "route",
    /// Another view answers this route.
    RouteConflict = "route-conflict",
    /// A name that this place cannot have.
    Name = "name",
    /// The contract cannot be read.
    Contract = "contract",
    /// It is right, but this version cannot do it.
    Unsupported = "unsupported",
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
