//! Calls: the order in which they can be checked, what each sends, and what reading it gives.

use std::time::Duration;

use super::present::present;
use super::request::Sent;
use super::{Checker, Reply, Rules, Typed, visit};
use crate::definition::{self, Protocol, Spanned};
use crate::expr::{Code, Expr, Kind as Ast};
use crate::plan::{Call, CallSet, OnFail, Request, json_layout, proto_layout};
use crate::problem::{ErrorCode, Problem};
use crate::schema::{self, Operation, Source};

impl<'a> Checker<'a> {
    /// Every call behind those that it names. A cycle is a problem.
    pub(super) fn order(&mut self) -> Option<Vec<usize>> {
        let view = self.view;
        for (i, call) in view.calls.iter().enumerate() {
            if view.calls[..i].iter().any(|c| c.name.value == call.name.value) {
                self.problem(
                    ErrorCode::Duplicate,
                    &call.name.place,
                    format!("another call is named `{}`", call.name.value),
                    "rename one of them",
                );
                return None;
            }
        }
        let needs: Vec<CallSet> = view.calls.iter().map(|call| self.needs(call)).collect();
        let mut order = Vec::new();
        let mut placed = CallSet::default();
        while order.len() < needs.len() {
            let ready = (0..needs.len()).find(|i| !CallSet::one(*i).within(placed) && needs[*i].within(placed));
            let Some(i) = ready else {
                self.cycle(&needs, placed);
                return None;
            };
            placed = placed.with(CallSet::one(i));
            order.push(i);
        }
        Some(order)
    }

    /// Of the calls that cannot be placed, those that wait for each other, not those that wait for them.
    fn cycle(&mut self, needs: &[CallSet], placed: CallSet) {
        let mut stuck: Vec<usize> = (0..needs.len()).filter(|i| !CallSet::one(*i).within(placed)).collect();
        let awaited = |i: usize, by: &[usize]| by.iter().any(|other| CallSet::one(i).within(needs[*other]));
        while let Some(last) = stuck.iter().position(|i| !awaited(*i, &stuck)) {
            stuck.remove(last);
        }
        let awaits = everything_awaited(needs);
        while let Some(first) = stuck.first().copied() {
            let on_cycle = |i: usize| CallSet::one(i).within(awaits[first]) && CallSet::one(first).within(awaits[i]);
            // One between two cycles waits for the one and is awaited by the other.
            let (cycle, others): (Vec<usize>, Vec<usize>) = stuck.into_iter().partition(|i| on_cycle(*i));
            stuck = others.into_iter().filter(|i| *i != first).collect();
            let names: Vec<String> = cycle.iter().map(|i| format!("`{}`", self.view.calls[*i].name.value)).collect();
            let message = match &names[..] {
                [] => continue,
                [one] => format!("the call {one} waits for itself"),
                _ => format!("the calls {} wait for each other", names.join(", ")),
            };
            let place = &self.view.calls[first].name.place;
            self.problem(ErrorCode::Cycle, place, message, "remove one of the references");
        }
    }

    fn needs(&self, call: &definition::Call) -> CallSet {
        let named = call.texts().into_iter().fold(CallSet::default(), |all, text| all.with(self.names(text)));
        let after = |name: &Spanned<String>| self.view.calls.iter().position(|c| c.name.value == name.value);
        call.after.iter().filter_map(after).fold(named, |all, i| all.with(CallSet::one(i)))
    }

    /// The source that `source/name` names, and the name.
    pub(super) fn source<'n>(&mut self, written: &'n Spanned<String>) -> Option<(&'a Source, &'n str)> {
        let Some((source, name)) = written.value.split_once('/') else {
            self.problem(
                ErrorCode::UnknownName,
                &written.place,
                format!("`{}` names no source", written.value),
                "write `source/name`, for example `orders/orders.v1.Order`",
            );
            return None;
        };
        let contracts = self.contracts;
        let Some(found) = contracts.sources.get(source) else {
            let problem = Problem::new(
                ErrorCode::UnknownName,
                &written.place.within(0, source.chars().count()),
                format!("no source is named `{source}`"),
            );
            self.problems.push(problem.suggest(source, contracts.sources.keys().map(String::as_str)));
            return None;
        };
        Some((found, name))
    }

    pub(super) fn operation(&mut self, call: &definition::Call) -> Option<(&'a Source, &'a Operation)> {
        let streams = self.view.stream.as_ref().is_some_and(|stream| std::ptr::eq(stream, call));
        let (source, name) = self.source(&call.operation)?;
        let place = call
            .operation
            .place
            .within(call.operation.value.chars().count() - name.chars().count(), name.chars().count());
        let (wanted, others) =
            if streams { (&source.streams, &source.operations) } else { (&source.operations, &source.streams) };
        let Some(operation) = wanted.get(name) else {
            if others.contains_key(name) {
                let (is, help) =
                    if streams { ("one reply", "name it in `calls`") } else { ("many replies", "name it in `stream`") };
                self.problem(ErrorCode::Unsupported, &place, format!("`{name}` gives {is}"), help);
            } else {
                let problem =
                    Problem::new(ErrorCode::UnknownName, &place, format!("the contract has no operation `{name}`"));
                let elsewhere = self.contracts.sources.iter().find(|(_, other)| other.offers(name));
                self.problems.push(match elsewhere {
                    Some((other, _)) => problem.help(format!("did you mean `{other}/{name}`?")),
                    None => problem.suggest(name, wanted.keys().map(String::as_str)),
                });
            }
            return None;
        };
        let fits = matches!(
            (&operation.protocol, call.protocol),
            (schema::Protocol::Grpc { .. }, Protocol::Grpc) | (schema::Protocol::Http { .. }, Protocol::Http)
        );
        if !fits {
            let other = if call.protocol == Protocol::Grpc { "http" } else { "grpc" };
            self.problem(
                ErrorCode::Conflict,
                &call.operation.place,
                "the source speaks another protocol",
                format!("write `{other}:` instead"),
            );
            return None;
        }
        Some((source, operation))
    }

    pub(super) fn call(&mut self, i: usize, rules: Rules) -> Option<Call> {
        let view = self.view;
        let call = &view.calls[i];
        let (source, operation) = self.operation(call)?;
        self.claims(call, operation);
        self.field_mask(call, operation);
        // Each part is checked before a problem in one of them ends it.
        let when = call.when.as_ref().map(|when| self.condition(&when.expr, &when.place));
        self.present = when.iter().flatten().flat_map(|when| present(&when.code)).collect();
        let keys = call.each.as_ref().map(|each| self.keys(&each.keys));
        let (local, request) = match &keys {
            Some(Some((_, key))) => self.request_of_key(call, operation, key),
            _ => (0, self.request(call, operation, None)),
        };
        self.present.clear();
        let (when, keys, (request, mut sent)) = (transposed(when)?, transposed(keys)?, request?);
        let identity = self.identity_of_call(sent.identity, source);
        let planned = self.planned(call, source, operation, request, rules);
        let cache = self.cache(call, planned.safe, identity.as_deref(), keys.as_ref().map(|(_, key)| key), &mut sent);
        let condition = when.as_ref().map(|when| when.reads).unwrap_or_default();
        let when_needs = condition.only(self.lacking);
        let after = sent.reads.with(condition).with(self.after(call));
        let (optional, nullable) = self.on_fail(i, after, !sent.needs.is_empty() || !when_needs.is_empty());
        if optional {
            self.optional = self.optional.with(CallSet::one(i));
        }
        if nullable {
            self.lacking = self.lacking.with(CallSet::one(i));
        }
        if !planned.safe || !after.only(self.changing).is_empty() {
            self.changing = self.changing.with(CallSet::one(i));
        }
        let (mut reply, each) = match call.each.as_ref().zip(keys) {
            Some((each, (keys, key))) => {
                let (reply, each) = self.each(i, each, operation, (keys, key, local))?;
                (reply, Some(each))
            }
            None => (self.plain_reply(i, operation), None),
        };
        reply.value.ty.nullable |= nullable || when.is_some();
        self.replies[i] = Some(reply);
        let parts = Call {
            after,
            when: when.map(|when| when.code),
            each,
            hedge: self.hedge(call, &planned),
            needs: sent.needs,
            when_needs,
            cache,
            identity,
            ..planned
        };
        Some(Call { index: i, from_client: sent.from_client, client_fields: sent.client_fields, ..parts })
    }

    /// The request of one key, and the local that `$key` is in it.
    fn request_of_key(
        &mut self,
        call: &definition::Call,
        operation: &Operation,
        key: &Typed,
    ) -> (usize, Option<(Request, Sent)>) {
        let alone = call.each.as_ref().is_some_and(|each| each.batch.is_none());
        let mut texts = Vec::new();
        call.request.iter().for_each(|(_, argument)| argument.texts(&mut texts));
        let mut asks = false;
        let mut see = |expr: &Expr| asks |= matches!(&expr.kind, Ast::Variable(name) if name == "key");
        texts.iter().for_each(|text| visit(&text.expr, &mut see));
        if alone && !asks {
            let help = "for example `request: { id: $key }`, or `batch` where one request takes many keys";
            self.problem(
                ErrorCode::Unused,
                &call.name.place,
                "every key sends the same request: it does not read `$key`",
                help,
            );
        }
        self.bind(None, key.clone(), |checker, bound| {
            checker.key = alone.then(|| bound.clone());
            let request = checker.request(call, operation, Some(key));
            checker.key = None;
            request
        })
    }

    /// The calls that the author wants to have ended first.
    fn after(&mut self, call: &definition::Call) -> CallSet {
        let names = self.view.calls.iter().map(|call| call.name.value.as_str());
        let mut after = CallSet::default();
        for name in &call.after {
            match self.view.calls.iter().position(|call| call.name.value == name.value) {
                Some(i) => after = after.with(CallSet::one(i)),
                None => {
                    let problem =
                        Problem::new(ErrorCode::UnknownName, &name.place, format!("no call is named `{}`", name.value));
                    self.problems.push(problem.suggest(&name.value, names.clone()));
                }
            }
        }
        after
    }

    fn hedge(&mut self, call: &definition::Call, planned: &Call) -> Option<Duration> {
        let hedge = call.hedge.as_ref()?;
        if !planned.idempotent {
            let message = format!("a second try may do twice what `{}` does", planned.operation);
            let help = "remove `hedge`, or write `idempotent: true` if it does no harm twice";
            self.problem(ErrorCode::Effects, &hedge.place, message, help);
        } else if hedge.value >= planned.timeout {
            let message =
                format!("the call is given up after {} ms, before its second try", planned.timeout.as_millis());
            self.problem(ErrorCode::Unused, &hedge.place, message, "write a shorter `hedge`, or a longer `timeout`");
        }
        Some(hedge.value)
    }

    /// A call that waits for nothing and must succeed.
    pub(super) fn planned(
        &self,
        call: &definition::Call,
        source: &Source,
        operation: &Operation,
        request: Request,
        rules: Rules,
    ) -> Call {
        let timeout = call.timeout.as_ref().map(|t| t.value).or(source.timeout).unwrap_or(rules.timeout);
        Call {
            source: call.operation.value.split('/').next().unwrap_or_default().to_owned(),
            operation: operation.name.clone(),
            safe: operation.safe || call.safe.is_some(),
            idempotent: operation.idempotent || call.idempotent || call.safe.is_some(),
            ..Call::bare(&call.name.value, request, timeout)
        }
    }

    pub(super) fn plain_reply(&mut self, call: usize, operation: &Operation) -> Reply {
        let projection = self.project_type(&operation.response);
        let value = Typed {
            projection,
            reads: CallSet::one(call),
            ..Typed::new(operation.response.clone(), Code::Reply(call))
        };
        self.reply_projections[call] = projection;
        Reply { value, key: None }
    }

    /// Fills in what only the whole view tells: what is decoded, and what a failure makes missing.
    pub(super) fn finish(&mut self, calls: Vec<Call>) -> Vec<Call> {
        let view = self.view;
        let finished = calls.into_iter().enumerate().map(|(i, call)| {
            let operation = self.contracts.sources.get(&call.source).and_then(|s| s.operations.get(&call.operation));
            let projection = self.reply_projections[i];
            let unread = !CallSet::one(i).within(self.used);
            let layout = operation.filter(|_| !unread).and_then(|o| match (&o.protocol, projection) {
                (schema::Protocol::Grpc { .. }, Some(p)) => Some(proto_layout(p, &self.projections, self.contracts)),
                (schema::Protocol::Grpc { .. }, None) => None,
                (schema::Protocol::Http { .. }, p) => {
                    Some(json_layout(&o.response, p, &self.projections, self.contracts))
                }
            });
            let on_fail = operation.and_then(|o| self.defaults(i, o, projection, layout.as_ref()));
            let on_fail = on_fail.unwrap_or_else(OnFail::fail);
            let coverage = self.coverage(projection.filter(|_| layout.is_some()));
            let (mut paths, headers) = (self.missing[i].paths(), self.headers[i].clone());
            if !call.safe && paths.is_empty() {
                // That a change has failed is told even where nothing in the answer shows it.
                paths.push(String::new());
            }
            Call { layout, coverage, on_fail, paths, headers, ..call }
        });
        let finished: Vec<Call> = finished.collect();
        let finished = self.masked(finished);
        if !self.problems.is_empty() {
            return finished;
        }
        let read = finished.iter().fold(self.used, |all, call| all.with(call.after));
        for (i, call) in finished.iter().enumerate() {
            if !call.safe || !call.headers.is_empty() || CallSet::one(i).within(read) {
                continue;
            }
            if view.variant.is_some() {
                self.unread.push(i);
                continue;
            }
            let place = view.calls[i].name.place.clone();
            let message = format!("nothing reads `{}`, and it changes nothing", call.name);
            self.problem(ErrorCode::Unused, &place, message, "remove it, or use it in `shape`");
        }
        finished
    }
}

fn transposed<T>(value: Option<Option<T>>) -> Option<Option<T>> {
    match value {
        Some(None) => None,
        Some(Some(value)) => Some(Some(value)),
        None => Some(None),
    }
}

/// By call, all calls that must be made before it; in a cycle also itself.
fn everything_awaited(needs: &[CallSet]) -> Vec<CallSet> {
    let mut awaits = needs.to_vec();
    for through in 0..needs.len() {
        let beyond = awaits[through];
        for of in awaits.iter_mut().filter(|of| CallSet::one(through).within(**of)) {
            *of = of.with(beyond);
        }
    }
    awaits
}
