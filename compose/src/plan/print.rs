//! A plan as an author reads it: what it costs, the calls, what each waits for, what is decoded of its reply.

mod fields;
mod wrap;

use std::fmt;

use super::cache::span;
use super::{Call, CallSet, Fallback, OnFail, Plan, Request, Then, chain, longest_path, timeline};
use crate::upstream::Code;
pub(crate) use wrap::wrapped;

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}  {} {}  ({})", self.name, self.method, self.path, self.access.join(", "))?;
        for line in self.costs() {
            f.write_str(&wrapped("  ", &line))?;
        }
        let calls = || self.calls.iter().chain(self.stream_call());
        let name = calls().map(|call| call.name.len()).max().unwrap_or_default();
        let operation = calls().map(|call| call.address().len()).max().unwrap_or_default();
        for call in calls() {
            let address = call.address();
            writeln!(f, "  {:name$}  {address:operation$}  {} ms", call.name, call.timeout.as_millis())?;
            let indent = " ".repeat(name + 4);
            let how = [self.waits(call), self.manner(call)].concat().join(", ");
            for line in Some(how).filter(|how| !how.is_empty()).into_iter().chain(call.reads()).chain(call.keeps()) {
                f.write_str(&wrapped(&indent, &line))?;
            }
        }
        self.variants.iter().try_for_each(|variant| f.write_str(&wrapped("  ", &self.difference(variant))))
    }
}

impl<L> OnFail<L> {
    /// What the failures become that are not simply the view's.
    fn notes(&self) -> impl Iterator<Item = String> {
        let coded = |(code, fallback): &(Code, Fallback<L>)| format!("{fallback} where it fails with {}", code.name());
        let otherwise = Some(&self.otherwise)
            .filter(|fallback| !matches!(fallback, Fallback { stale: None, then: Then::Fail(None) }));
        self.codes.iter().map(coded).chain(otherwise.map(|fallback| format!("{fallback} where it fails")))
    }
}

impl<L> fmt::Display for Fallback<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(age) = self.stale {
            write!(f, "a copy of the last {} or ", span(age))?;
        }
        match &self.then {
            Then::Fail(None) => write!(f, "a failure"),
            Then::Fail(Some(status)) => write!(f, "status {status}"),
            Then::Null => write!(f, "null"),
            Then::Omit => write!(f, "omitted"),
            Then::Default(_) => write!(f, "a default"),
        }
    }
}

impl Plan {
    /// What one answer may cost.
    fn costs(&self) -> Vec<String> {
        let deadline = self.deadline.as_millis();
        let time = match longest_path(&self.calls) {
            Some((longest, last)) => {
                let step = |i: usize| format!("{} {}", self.calls[i].name, self.calls[i].timeout.as_millis());
                let steps: Vec<String> = chain(last, &self.calls).into_iter().map(step).collect();
                let longest = longest.min(self.deadline).as_millis();
                format!("at most {longest} of {deadline} ms: {}", steps.join(", then "))
            }
            None => format!("at most 0 of {deadline} ms"),
        };
        let mut costs = vec![
            time,
            counted("at most", self.most_requests(), "request"),
            format!("Cache-Control: {}", self.cache_control()),
        ];
        costs.extend(self.proxy.as_ref().map(ToString::to_string));
        costs.extend(self.warnings());
        costs
    }

    /// What is allowed, and seldom meant.
    fn warnings(&self) -> Vec<String> {
        let late = self.calls.iter().zip(timeline(&self.calls)).filter_map(|(call, span)| {
            let end = span.filter(|span| span.end > self.deadline)?.end.as_millis();
            Some(format!("warning: the deadline cuts off `{}`, which may take until {end} ms", call.name))
        });
        late.collect()
    }

    /// What a variant saves.
    fn difference(&self, variant: &Plan) -> String {
        let name = variant.variant.as_deref().unwrap_or_default();
        let made = |call: &Call| variant.calls.iter().any(|other| other.name == call.name);
        let left_out: Vec<&str> = self.calls.iter().filter(|call| !made(call)).map(|call| call.name.as_str()).collect();
        let without = if left_out.is_empty() { String::new() } else { format!(", without {}", left_out.join(", ")) };
        let longest = longest_path(&variant.calls).map_or(0, |(longest, _)| longest.min(variant.deadline).as_millis());
        format!(
            "variant {name}: at most {longest} ms, {}{without}",
            counted("at most", variant.most_requests(), "request")
        )
    }

    /// What it waits for.
    fn waits(&self, call: &Call) -> Vec<String> {
        let after = Some(call.after).filter(|after| !after.is_empty());
        let after = after.map(|after| format!("after {}", self.names(after, " and ")));
        after.into_iter().chain(call.when.iter().map(|_| "when its condition holds".to_owned())).collect()
    }

    /// How often it is made, and what comes of its failure.
    pub(crate) fn manner(&self, call: &Call) -> Vec<String> {
        let mut manner = Vec::new();
        if let Some(each) = &call.each {
            let requests = counted("at most", each.most_requests(), "request");
            manner.push(match &each.batch {
                Some(batch) => format!("{requests} of {} keys", batch.max),
                None => format!("{requests} of one key"),
            });
        }
        if let Some(hedge) = call.hedge {
            manner.push(format!("once more after {} ms", hedge.as_millis()));
        }
        manner.extend(call.on_fail.notes());
        let needs = call.needs.iter().fold(call.when_needs, |all, need| all.with(need.calls));
        if !needs.is_empty() {
            manner.push(format!("skipped without {}", self.names(needs, " or ")));
        }
        manner
    }

    fn names(&self, calls: CallSet, between: &str) -> String {
        calls.iter().map(|i| self.calls[i].name.as_str()).collect::<Vec<_>>().join(between)
    }
}

impl Call {
    /// `grpc orders/orders.v1.OrderService.GetOrder`.
    pub(crate) fn address(&self) -> String {
        let protocol = match self.request {
            Request::Grpc { .. } => "grpc",
            Request::Http { .. } => "http",
            Request::Nats { .. } => "nats",
        };
        format!("{protocol} {}/{}", self.source, self.operation)
    }

    /// How long its reply is kept, and for whom.
    pub(crate) fn keeps(&self) -> Vec<String> {
        let kept = self.cache.iter().map(|cache| format!("kept {cache}"));
        kept.chain(self.identity.iter().map(|why| format!("its caller's own: {why}"))).collect()
    }

    /// What of its reply is read, one line each.
    pub(crate) fn reads(&self) -> Vec<String> {
        let fields = self.layout.as_ref().map(fields::fields).unwrap_or_default();
        let decodes = match &self.coverage {
            _ if self.layout.is_none() => "decodes nothing".to_owned(),
            coverage if coverage.of == 0 => "decodes the whole reply".to_owned(),
            coverage if coverage.read == 0 => format!("decodes none of {} fields", coverage.of),
            coverage => format!("decodes {} of {} fields: {fields}", coverage.read, coverage.of),
        };
        let headers = Some(&self.headers).filter(|headers| !headers.is_empty());
        [decodes]
            .into_iter()
            .chain(headers.map(|headers| format!("reads the headers {}", headers.join(", "))))
            .collect()
    }
}

/// `at most 1 request`, `at most 2 requests`.
fn counted(before: &str, count: usize, noun: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{before} {count} {noun}{plural}")
}
