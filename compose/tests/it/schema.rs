//! Contracts as views see them: what protobuf descriptors and OpenAPI documents become.

mod mangled;
mod openapi;
mod proto;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use compose::problem::File;
use compose::schema::{Contracts, Kind, Operation, Protocol, RecordId, Scalar, Wire};

/// A file or a folder of this repository.
fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

fn file(name: &str, text: &str) -> Arc<File> {
    Arc::new(File { name: name.into(), text: text.into() })
}

fn operation<'a>(contracts: &'a Contracts, source: &str, name: &str) -> &'a Operation {
    &contracts.sources[source].operations[name]
}

/// A record's fields, one per line: `id: string required promised`, with the wire of a protobuf field in front.
fn fields(contracts: &Contracts, id: RecordId) -> String {
    let line = |field: &compose::schema::Field| {
        let wire = match &field.wire {
            Wire::Json => String::new(),
            Wire::Proto { number, scalar: Scalar::Json(_), repeated } => format!("{number} Json/{repeated:?} "),
            Wire::Proto { number, scalar, repeated } => format!("{number} {scalar:?}/{repeated:?} "),
        };
        let required = if field.required { " required" } else { "" };
        let promised = if field.promised { " promised" } else { "" };
        format!("{wire}{}: {}{required}{promised}", field.name, contracts.describe(&field.ty))
    };
    contracts.record(id).fields.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn named(contracts: &Contracts, source: &str, name: &str) -> RecordId {
    record_of(&contracts.sources[source].types[name].kind)
}

fn record_of(kind: &Kind) -> RecordId {
    match kind {
        Kind::Record(id) => *id,
        other => panic!("not a record: {other:?}"),
    }
}

/// An operation in one line: what it is called with and what it answers.
fn signature(contracts: &Contracts, operation: &Operation) -> String {
    let call = match &operation.protocol {
        Protocol::Grpc { path, input } => format!("{path}({})", contracts.record(*input).name),
        Protocol::Http { method, path, parameters, body } => {
            let parameters = parameters.iter().map(|p| {
                let required = if p.required { "" } else { "?" };
                let explode = if p.explode && matches!(p.ty.kind, Kind::List(_)) { " exploded" } else { "" };
                let ty = contracts.describe(&p.ty);
                format!("{:?} {}{required}: {ty}{explode}", p.location, p.name).to_lowercase()
            });
            let body = body
                .iter()
                .map(|b| format!("body{}: {}", if b.required { "" } else { "?" }, contracts.describe(&b.ty)));
            format!("{method} {path}({})", parameters.chain(body).collect::<Vec<_>>().join(", "))
        }
    };
    let words = [(operation.idempotent, " idempotent"), (operation.safe, " safe")];
    let words: String = words.iter().filter(|(is, _)| *is).map(|(_, word)| *word).collect();
    format!("{call} -> {}{words}", contracts.describe(&operation.response))
}
