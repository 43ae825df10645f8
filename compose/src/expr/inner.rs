//! What an expression is made of.

use super::{Code, FormatDate};

impl Code {
    /// Whether expressions stand within each other in more levels than this.
    pub(crate) fn is_deeper_than(&self, levels: usize) -> bool {
        self.inner().into_iter().any(|inner| levels == 0 || inner.is_deeper_than(levels - 1))
    }

    /// The expressions directly within this one.
    pub(crate) fn inner(&self) -> Vec<&Code> {
        match self {
            Code::Null | Code::Bool(_) | Code::Int(_) | Code::Float(_) | Code::Text(_) => Vec::new(),
            Code::Auth(_) | Code::Now | Code::Param(_) | Code::Body => Vec::new(),
            Code::Reply(_) | Code::Results(_) | Code::Header { .. } | Code::Local(_) => Vec::new(),
            Code::Found { key: of, .. }
            | Code::Slot { of, .. }
            | Code::MoneyPart { of, .. }
            | Code::EnumName { of, .. }
            | Code::Decimal(of)
            | Code::Blame { of, .. }
            | Code::Not(of)
            | Code::Seconds(of)
            | Code::Narrowed(of)
            | Code::Single(of) => vec![of],
            Code::Entry { of: a, key: b }
            | Code::Item { of: a, index: b }
            | Code::Arithmetic { left: a, right: b, .. }
            | Code::Coalesce(a, b)
            | Code::And(a, b)
            | Code::Or(a, b)
            | Code::Compare(_, a, b) => vec![a, b],
            Code::If(condition, a, b) => vec![condition, a, b],
            Code::Each { lists, item } => lists.iter().map(|(list, _)| list).chain([&**item]).collect(),
            Code::Sum { list, .. } => vec![list],
            Code::FormatDate(FormatDate { of, offset, .. }) => {
                [of].into_iter().chain(offset).map(|code| &**code).collect()
            }
            Code::Concat(arguments) | Code::Function { arguments, .. } => arguments.iter().collect(),
        }
    }
}
