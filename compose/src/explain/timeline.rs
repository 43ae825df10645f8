//! The calls as bars against the deadline.

use std::fmt;
use std::time::Duration;

use crate::plan::{Plan, timeline};

/// Columns of the whole time.
const WIDTH: usize = 56;

pub(super) fn draw(plan: &Plan, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let spans = timeline(&plan.calls);
    let last = spans.iter().flatten().map(|span| span.end).max().unwrap_or_default();
    let whole = last.max(plan.deadline);
    let column = |at: Duration| (at.as_secs_f64() / whole.as_secs_f64().max(0.001) * WIDTH as f64).round() as usize;
    let deadline = column(plan.deadline).min(WIDTH);
    let name = plan.calls.iter().map(|call| call.name.len()).max().unwrap_or_default();
    if plan.calls.is_empty() {
        return Ok(());
    }
    writeln!(f, "\n  {:name$}  |{:>deadline$}", "", format!("{} ms|", plan.deadline.as_millis()))?;
    for (call, span) in plan.calls.iter().zip(&spans) {
        let Some(span) = span else { continue };
        let (start, end) = (column(span.start), column(span.end).max(column(span.start) + 1));
        let bar: String = (0..WIDTH.max(end))
            .map(|i| match i {
                i if i >= start && i < end => '=',
                i if i + 1 == deadline => '|',
                _ => ' ',
            })
            .collect();
        let (start, end) = (span.start.as_millis(), span.end.as_millis());
        writeln!(f, "  {:name$}  |{}  {start}..{end} ms", call.name, bar.trim_end())?;
    }
    Ok(())
}
