//! A large reply of which little is used: the same values, and hardly any memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use compose::decode;
use compose::tape::{Cell, JsonRead, Layout, Member, Message, MessageField, Object, ProtoRead, Span, Tape, Value};

use crate::hostile::allocations;

const ITEMS: usize = 1000;
const UNUSED: usize = 400;

/// Bytes that tell when they are freed.
struct Watched(Vec<u8>, Arc<AtomicBool>);

impl AsRef<[u8]> for Watched {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.1.store(true, Ordering::Relaxed);
    }
}

#[test]
fn of_json() {
    let value = |read| Value { nullable: false, read };
    let member = |name: &str, slot, read| Member { name: name.into(), slot, required: true, value: value(read) };
    let members = vec![
        member("id", 0, JsonRead::String),
        member("name", 1, JsonRead::String),
        member("price", 2, JsonRead::Number),
        member("any", 3, JsonRead::Any),
    ];
    let item = Object { blank: vec![Cell::Null; 4], members, exclusive: Vec::new() };
    let layout = Layout::Json(value(JsonRead::List(Box::new(value(JsonRead::Object(item))))));
    let item = |i| {
        let text = "d".repeat(UNUSED);
        format!(r#"{{"text":"{text}","id":"i-{i}","name":"\u00e9 {i}","price":{i}.5,"any":[{i}]}}"#)
    };
    let text = (0..ITEMS).map(item).collect::<Vec<_>>().join(",");
    frees_what_is_not_used(&layout, format!("[{text}]").into_bytes());
}

#[test]
fn of_protobuf() {
    let field = |number, name: &str, slot, repeated, read| {
        let (name, clears) = (name.to_owned(), Vec::new());
        MessageField { number, name, slot, repeated, required: false, read, clears }
    };
    let nothing = Span { start: 0, len: 0 };
    let fields = vec![field(1, "id", 0, false, ProtoRead::String), field(3, "data", 1, false, ProtoRead::Bytes)];
    let item = Message { blank: vec![Cell::Text(nothing), Cell::Bytes(nothing)], fields };
    let fields = vec![field(1, "items", 0, true, ProtoRead::Message(Box::new(item)))];
    let layout = Layout::Proto(Message { blank: vec![Cell::List { head: 0, tail: 0, len: 0 }], fields });
    let part = |number: u8, content: &[u8]| {
        let len = content.len() as u16;
        [&[number << 3 | 2, len as u8 & 0x7F | 0x80, (len >> 7) as u8], content].concat()
    };
    let item = |i: usize| {
        let fields = [part(1, format!("i-{i}").as_bytes()), part(2, &[b'd'; UNUSED]), part(3, &i.to_le_bytes())];
        part(1, &fields.concat())
    };
    frees_what_is_not_used(&layout, (0..ITEMS).flat_map(item).collect());
}

#[test]
fn what_is_small_or_used_stays_where_it_is() {
    let any = Layout::Json(Value { nullable: false, read: JsonRead::Any });
    for text in [format!("\"{}\"", "a".repeat(1 << 17)), "[1, 2]".to_owned()] {
        let bytes = Bytes::from(text);
        let tape = decode::reply(&any, bytes.clone()).unwrap().compact();
        assert_eq!(tape.bytes.as_ptr(), bytes.as_ptr());
    }
}

fn frees_what_is_not_used(layout: &Layout, reply: Vec<u8>) {
    let (len, freed) = (reply.len(), Arc::new(AtomicBool::new(false)));
    let whole = decode::reply(layout, Bytes::from(reply.clone())).unwrap();
    let reply = Bytes::from_owner(Watched(reply, Arc::clone(&freed)));
    let (tape, used) = allocations::of(|| decode::reply(layout, reply).unwrap().compact());
    assert!(freed.load(Ordering::Relaxed), "the reply is held");
    assert!(tape.bytes.len() * 4 < len && tape.cells.capacity() == tape.cells.len());
    assert!(used.peak < len, "{} bytes for a reply of {len}", used.peak);
    assert_eq!(values(&tape), values(&whole));
}

/// Every cell, and of a text what it says.
fn values(tape: &Tape) -> Vec<(Cell, &[u8])> {
    let nothing = Span { start: 0, len: 0 };
    let value = |cell: &Cell| match *cell {
        Cell::Text(span) => (Cell::Text(nothing), tape.slice(span)),
        Cell::Escaped(span) => (Cell::Escaped(nothing), tape.slice(span)),
        Cell::Number(span) => (Cell::Number(nothing), tape.slice(span)),
        Cell::Json(span) => (Cell::Json(nothing), tape.slice(span)),
        Cell::Bytes(span) => (Cell::Bytes(nothing), tape.slice(span)),
        cell => (cell, &[][..]),
    };
    tape.cells.iter().map(value).collect()
}
