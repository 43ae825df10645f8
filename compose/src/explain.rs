//! A plan explained to its author: when the calls start and what they wait for, and where a value comes from.

mod call;
mod timeline;
mod value;

pub use value::Value;

use std::fmt;

use crate::definition::View;
use crate::plan::Plan;
use crate::problem::Place;

/// A view and what became of it.
pub struct Explanation<'a> {
    pub view: &'a View,
    pub plan: &'a Plan,
    /// What a source is told of the caller.
    pub identity: &'a dyn Fn(&str) -> String,
}

impl fmt::Display for Explanation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (view, plan) = (self.view, self.plan);
        let variant = plan.variant.iter().map(|variant| format!(" in the variant {variant}")).collect::<String>();
        writeln!(f, "{}{variant}  {} {}  ({})", plan.name, plan.method, plan.path, plan.access.join(", "))?;
        writeln!(f, "  written in {}", at(&view.name.place))?;
        writeln!(f, "  Cache-Control: {}", plan.cache_control())?;
        timeline::draw(plan, f)?;
        // A variant makes fewer calls than are written.
        for planned in plan.calls.iter().chain(plan.stream_call()) {
            let mut written = view.calls.iter().chain(&view.stream);
            if let Some(call) = written.find(|call| call.name.value == planned.name) {
                self.call(call, planned, f)?;
            }
        }
        Ok(())
    }
}

/// `config/views/home.yaml:12`.
fn at(place: &Place) -> String {
    format!("{}:{}", place.file.name, place.line)
}

/// One of the facts that stand below each other.
fn fact(f: &mut fmt::Formatter<'_>, name: &str, text: &str) -> fmt::Result {
    let text = crate::plan::wrapped("            ", text);
    writeln!(f, "  {name:8}  {}", text.trim())
}
