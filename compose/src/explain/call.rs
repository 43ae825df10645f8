//! One call: why it starts when it does, what it sends, what is read, and what its failure means.

use std::fmt;

use super::{Explanation, at, fact};
use crate::check::visit;
use crate::definition::{self, Argument, Text};
use crate::expr::Kind;
use crate::plan::{Call, Request};

impl Explanation<'_> {
    pub(super) fn call(&self, written: &definition::Call, call: &Call, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\n{}  {}  ({})", call.name, call.address(), at(&written.name.place))?;
        fact(f, "starts", &self.starts(written, call))?;
        fact(f, "sends", &sends(written, call))?;
        fact(f, "as", &(self.identity)(&call.source))?;
        call.reads().iter().try_for_each(|read| fact(f, "reads", read))?;
        self.kept(written, call, f)?;
        fact(f, "changes", changes(call))?;
        fact(f, "takes", &format!("at most {} ms", call.timeout.as_millis()))?;
        let manner = self.plan.manner(call);
        if !manner.is_empty() {
            fact(f, "runs", &manner.join(", "))?;
        }
        if call.is_required() {
            fact(f, "fails", "the view with it")?;
        }
        match call.paths.as_slice() {
            [] => Ok(()),
            paths => {
                fact(f, "partial", &format!("without it the answer tells that this is missing: {}", paths.join(", ")))
            }
        }
    }

    /// For how long and whom the reply is kept, and what ends that before its time.
    fn kept(&self, written: &definition::Call, call: &Call, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(why) = &call.identity {
            fact(f, "whose", &format!("its caller's own: {why}"))?;
        }
        match &call.cache {
            Some(cache) => fact(f, "kept", &cache.to_string())?,
            None if call.is_kept() => fact(f, "kept", "for when it fails")?,
            None => return if call.safe { fact(f, "kept", "no") } else { Ok(()) },
        }
        let tags = written.cache.iter().flat_map(|cache| &cache.tags).map(|tag| tag.place.text());
        let tags: Vec<String> = tags.collect();
        if tags.is_empty() { Ok(()) } else { fact(f, "until", &format!("{} is made stale", tags.join(" or "))) }
    }

    /// The calls it waits for, each with the value that it wants of it.
    fn starts(&self, written: &definition::Call, call: &Call) -> String {
        let texts = written.texts();
        let waits: Vec<String> = call
            .after
            .iter()
            .map(|i| {
                let name = &self.plan.calls[i].name;
                match texts.iter().find(|text| names(text, name)) {
                    Some(text) => format!("`{name}` has answered, for `{}`", text.place.text()),
                    None => format!("`{name}` has answered"),
                }
            })
            .collect();
        let starts = if waits.is_empty() { "at once".to_owned() } else { format!("when {}", waits.join(", and ")) };
        match &written.when {
            Some(when) => format!("{starts}, if `{}` is true", when.place.text()),
            None => starts,
        }
    }
}

fn names(text: &Text, call: &str) -> bool {
    let mut found = false;
    visit(&text.expr, &mut |expr| found |= matches!(&expr.kind, Kind::Name(name) if name == call));
    found
}

fn sends(written: &definition::Call, call: &Call) -> String {
    let to = match &call.request {
        Request::Grpc { path, .. } => path.clone(),
        Request::Http { method, .. } => method.clone(),
        Request::Nats { message, .. } => message.clone(),
    };
    let mut parts: Vec<String> =
        written.request.iter().map(|(name, a)| format!("{}: {}", name.value, text(a))).collect();
    if let Some(each) = &written.each {
        let into = each.batch.as_ref().map_or("$key", |batch| batch.into.value.as_str());
        parts.push(format!("{into}: the keys `{}`", each.keys.place.text()));
    }
    if parts.is_empty() { format!("{to}, nothing in it") } else { format!("{to} with {}", parts.join(", ")) }
}

fn text(argument: &Argument) -> String {
    match argument {
        Argument::Expr(text) => text.place.text(),
        Argument::Object(..) => "{...}".to_owned(),
        Argument::List(..) => "[...]".to_owned(),
    }
}

fn changes(call: &Call) -> &'static str {
    match (call.safe, call.idempotent) {
        (true, _) => "nothing",
        (false, true) => "something; doing it twice does no harm",
        (false, false) => "something; it is never sent twice",
    }
}
