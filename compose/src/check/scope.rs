//! What names stand for.

use super::{Checker, Typed};
use crate::definition::Text;
use crate::expr::{Code, Expr, Kind as Ast};
use crate::plan::{CallSet, MAX_CALLS};

impl Checker<'_> {
    /// Binds a name while `then` runs, and gives the local's number.
    pub(super) fn bind<T>(
        &mut self,
        name: Option<&str>,
        mut value: Typed,
        then: impl FnOnce(&mut Self, &Typed) -> T,
    ) -> (usize, T) {
        let local = self.scope.len();
        let code = std::mem::replace(&mut value.code, Code::Local(local));
        self.bound.push(self.bound_to(&code));
        self.scope.push((name.unwrap_or_default().to_owned(), value.clone()));
        self.locals = self.locals.max(self.scope.len());
        let result = then(self, &value);
        self.scope.pop();
        self.bound.pop();
        (local, result)
    }

    /// The names that can be seen from here, the innermost last.
    pub(super) fn visible(&self) -> &[(String, Typed)] {
        &self.scope[self.fragment.unwrap_or(0)..]
    }

    /// The call of this name, where calls can be seen: not from within a fragment.
    pub(super) fn call_named(&self, name: &str) -> Option<usize> {
        let calls = if self.fragment.is_some() { &[][..] } else { &self.view.calls };
        calls.iter().position(|call| call.name.value == name)
    }

    /// The calls that an expression names.
    pub(super) fn names(&self, text: &Text) -> CallSet {
        let mut found = CallSet::default();
        visit(&text.expr, &mut |expr| {
            if let Ast::Name(name) = &expr.kind
                && let Some(i) = self.view.calls.iter().position(|c| c.name.value == *name)
                && i < MAX_CALLS
            {
                found = found.with(CallSet::one(i));
            }
        });
        found
    }
}

/// Sees the expression and all within it.
pub(crate) fn visit(expr: &Expr, see: &mut dyn FnMut(&Expr)) {
    see(expr);
    match &expr.kind {
        Ast::Member { of, .. } | Ast::Each(of) | Ast::Not(of) | Ast::Negate(of) => visit(of, see),
        Ast::Index { of: a, index: b }
        | Ast::And(a, b)
        | Ast::Or(a, b)
        | Ast::Compare(_, a, b)
        | Ast::Arithmetic(_, a, b)
        | Ast::Coalesce(a, b) => {
            visit(a, see);
            visit(b, see);
        }
        Ast::Call { arguments, .. } => arguments.iter().for_each(|a| visit(a, see)),
        Ast::Null | Ast::Bool(_) | Ast::Int(_) | Ast::Float(_) | Ast::Text(_) | Ast::Name(_) | Ast::Variable(_) => {}
    }
}
