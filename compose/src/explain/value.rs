//! Where one value of the answer comes from.

use std::fmt;

use super::{at, fact};
use crate::plan::{Absence, CallSet, Plan, Provenance};
use crate::problem::nearest;

/// Values that are listed at the most.
const LISTED: usize = 20;

/// One place of the answer.
pub struct Value<'a> {
    pub plan: &'a Plan,
    pointer: String,
}

impl<'a> Value<'a> {
    /// What stands at the pointer, in which `*` or any number is an item; or what can be asked for instead.
    pub fn find(plan: &'a Plan, pointer: &str) -> Result<Value<'a>, String> {
        let step = |step: &str| if step.parse::<u32>().is_ok() { "*".to_owned() } else { step.to_owned() };
        let pointer = pointer.split('/').map(step).collect::<Vec<_>>().join("/");
        let value = Value { plan, pointer };
        if value.here().next().is_some() || value.below().next().is_some() {
            return Ok(value);
        }
        Err(value.unknown())
    }

    fn here(&self) -> impl Iterator<Item = &'a Provenance> {
        self.plan.values.iter().filter(|value| value.pointer == self.pointer)
    }

    fn below(&self) -> impl Iterator<Item = &'a Provenance> {
        let inside = format!("{}/", self.pointer);
        self.plan.values.iter().filter(move |value| value.pointer.starts_with(&inside))
    }

    /// What may be null around it.
    fn around(&self) -> impl Iterator<Item = &'a Provenance> {
        let within = |value: &&Provenance| self.pointer.starts_with(&format!("{}/", value.pointer));
        self.plan.values.iter().filter(within).filter(|value| value.nullable)
    }

    fn unknown(&self) -> String {
        let values = self.plan.values.iter().filter(|value| !value.pointer.is_empty());
        let known: Vec<&str> = values.clone().map(|value| value.pointer.as_str()).collect();
        let inside = |value: &&Provenance| self.pointer.starts_with(&format!("{}/", value.pointer));
        if let Some((whole, written)) = values.filter(inside).find_map(|value| {
            let written = value.written.filter(|written| written.starts_with("an object"))?;
            Some((value, written))
        }) {
            let whole = format!("`{}`, which is written as {written}: ask for that", whole.pointer);
            return format!("in the answer of `{}` `{}` is a part of {whole}", self.plan.name, self.pointer);
        }
        let mut text = format!("the answer of `{}` has no `{}`", self.plan.name, self.pointer);
        let last = |pointer: &str| pointer.rsplit('/').next().unwrap_or_default().to_owned();
        let same: Vec<&str> = known.iter().copied().filter(|p| last(p) == last(&self.pointer)).collect();
        match (nearest(&self.pointer, &known), same.as_slice()) {
            (Some(near), _) => text += &format!("; did you mean `{near}`?"),
            (None, [_, ..]) => text += &format!("; there is {}", same.join(", ")),
            (None, []) => text += &format!("; it has\n  {}", listed(&known)),
        }
        text
    }

    fn calls(&self, calls: CallSet, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stream = self.plan.stream_call().into_iter().filter(|_| calls.is_empty());
        calls.iter().filter_map(|i| self.plan.calls.get(i)).chain(stream).try_for_each(|call| {
            fact(f, "call", &format!("`{}` is {}", call.name, call.address()))?;
            call.keeps().iter().try_for_each(|keep| fact(f, "", keep))
        })
    }

    fn why(&self, absence: &Absence) -> String {
        let name = |call: usize| self.plan.calls.get(call).map_or("?", |call| call.name.as_str());
        match absence {
            Absence::Call(call) => format!("where {}", self.no_reply(*call)),
            Absence::Key(call) => format!("where `{}` has no result for the key", name(*call)),
            Absence::Field(path) => format!("where there is no `{path}`: the contract does not promise it"),
            Absence::Empty(path) => format!("where `{path}` holds nothing"),
            Absence::Entry(path) => format!("where `{path}` has no such key"),
            Absence::Item(path) => format!("where `{path}` has no such item"),
            Absence::Header(path) => format!("where `{path}` is not among the headers"),
            Absence::Null => "where the view says `null`".to_owned(),
        }
    }

    fn no_reply(&self, call: usize) -> String {
        let Some(call) = self.plan.calls.get(call) else { return "a call has no reply".to_owned() };
        let mut ways = Vec::new();
        if call.may_fail_to_null() {
            ways.push("fails".to_owned());
        }
        if call.when.is_some() {
            ways.push("is not made: its condition does not hold".to_owned());
        }
        let needs = call.needs.iter().fold(call.when_needs, |all, need| all.with(need.calls));
        ways.extend(needs.iter().map(|i| format!("is skipped: `{}` has no reply", self.plan.calls[i].name)));
        format!("`{}` {}", call.name, ways.join(", or "))
    }
}

impl fmt::Display for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}  of {} ({} {})", self.pointer, self.plan.name, self.plan.method, self.plan.path)?;
        for value in self.here() {
            fact(f, "written", &at(&value.place))?;
            writeln!(f, "{:12}{}", "", value.place.line_text())?;
            fact(f, "type", &value.ty)?;
            if let Some(written) = value.written {
                fact(f, "as JSON", written)?;
            }
            for origin in &value.origins {
                fact(f, "from", &format!("{} ({})", origin.path, origin.ty))?;
            }
            self.calls(value.calls, f)?;
            match (value.nullable, value.absences.as_slice()) {
                (false, _) => fact(f, "null", "never")?,
                (true, []) => fact(f, "null", "where its expression gives null")?,
                (true, absences) => absences.iter().try_for_each(|absence| fact(f, "null", &self.why(absence)))?,
            }
        }
        for outer in self.around() {
            let why: Vec<String> = outer.absences.iter().map(|absence| self.why(absence)).collect();
            fact(f, "inside", &format!("{}, which is null {}", outer.pointer, why.join(", or ")))?;
        }
        fact(f, "kept", &format!("Cache-Control: {}", self.plan.cache_control()))?;
        let below: Vec<&str> = self.below().map(|value| value.pointer.as_str()).collect();
        if !below.is_empty() {
            let more = if below.len() > LISTED { ", ..." } else { "" };
            let below: Vec<&str> = below.into_iter().take(LISTED).collect();
            fact(f, "holds", &format!("{}{more}", below.join(", ")))?;
        }
        Ok(())
    }
}

fn listed(pointers: &[&str]) -> String {
    let more = if pointers.len() > LISTED { "\n  ..." } else { "" };
    pointers.iter().take(LISTED).copied().collect::<Vec<_>>().join("\n  ") + more
}
