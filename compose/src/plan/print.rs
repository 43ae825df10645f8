//! A plan as an author reads it: the calls, what each waits for, what is decoded of its reply.

use std::fmt;

use super::{Call, Plan, Request, critical_path};
use crate::tape::{JsonRead, Layout, Message, ProtoRead, Value};

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let access = self.access.join(", ");
        let path = critical_path(&self.calls).map_or(0, |(longest, _)| longest.as_millis());
        let (deadline, requests) = (self.deadline.as_millis(), self.most_requests());
        writeln!(f, "{}  {} {}  ({access})", self.name, self.method, self.path)?;
        let plural = if requests == 1 { "" } else { "s" };
        writeln!(f, "  at most {path} of {deadline} ms and {requests} request{plural}")?;
        self.calls.iter().chain(&self.stream).try_for_each(|call| self.call(call, f))
    }
}

impl Plan {
    fn call(&self, call: &Call, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let protocol = match call.request {
            Request::Grpc { .. } => "grpc",
            Request::Http { .. } => "http",
        };
        write!(f, "  {}: {protocol} {}/{}", call.name, call.source, call.operation)?;
        write!(f, ", {} ms", call.timeout.as_millis())?;
        let after: Vec<&str> = call.after.iter().map(|i| self.calls[i].name.as_str()).collect();
        if !after.is_empty() {
            write!(f, ", after {}", after.join(" and "))?;
        }
        if call.when.is_some() {
            write!(f, ", when its condition holds")?;
        }
        if let Some(batch) = &call.batch {
            write!(f, ", at most {} requests of {} keys", batch.bound.div_ceil(batch.max), batch.max)?;
        }
        if call.optional {
            write!(f, ", null where it fails")?;
        }
        let needs = call.needs.iter().fold(call.when_needs, |all, need| all.with(need.calls));
        if !needs.is_empty() {
            let needs: Vec<&str> = needs.iter().map(|i| self.calls[i].name.as_str()).collect();
            write!(f, ", skipped without {}", needs.join(" or "))?;
        }
        let used = call.layout.as_ref().map(used).unwrap_or_default();
        write!(f, "\n    decodes {}", if used.is_empty() { "nothing".to_owned() } else { used })?;
        if !call.headers.is_empty() {
            write!(f, "\n    reads the headers {}", call.headers.join(", "))?;
        }
        writeln!(f)
    }
}

fn used(layout: &Layout) -> String {
    match layout {
        Layout::Proto(message) => of_message(message),
        Layout::Json(value) => of_value(value),
    }
}

fn of_message(message: &Message) -> String {
    let fields = message.fields.iter().map(|field| {
        let many = if field.repeated { "[]" } else { "" };
        match &field.read {
            ProtoRead::Message(inner) | ProtoRead::Entry(inner) => {
                format!("{}{many} {{ {} }}", field.name, of_message(inner))
            }
            _ => format!("{}{many}", field.name),
        }
    });
    fields.collect::<Vec<_>>().join(", ")
}

fn of_value(value: &Value) -> String {
    match &value.read {
        JsonRead::Object(object) => {
            let members = object.members.iter().map(|m| match of_value(&m.value) {
                inner if inner.is_empty() => m.name.clone(),
                inner => format!("{} {{ {inner} }}", m.name),
            });
            members.collect::<Vec<_>>().join(", ")
        }
        JsonRead::List(item) => of_value(item),
        JsonRead::Map { value, .. } => of_value(value),
        _ => String::new(),
    }
}
