//! Measurements, to be run in release: `cargo test --release -p compose -- --ignored --nocapture speed`.

use std::hint::black_box;
use std::time::Instant;

use bytes::Bytes;
use compose::decode;
use compose::tape::{Cell, JsonRead, Layout, Member, Message, MessageField, Object, ProtoRead, Span, Value};
use compose::write;

#[test]
#[ignore = "a measurement"]
fn speed_of_an_orders_reply() {
    let wire = Bytes::from(orders());
    let layout = Layout::Proto(message(&[(1, true, ProtoRead::Message(Box::new(order())))]));
    measure("orders, protobuf", wire.len(), || decode::reply(&layout, wire.clone()).is_ok());
}

#[test]
#[ignore = "a measurement"]
fn speed_of_a_products_reply() {
    let text = products();
    let strings = |names: &[&str]| object(names.iter().map(|name| (*name, JsonRead::String)).collect());
    let used = object(vec![("id", JsonRead::String), ("title", JsonRead::String), ("image", strings(&["thumb"]))]);
    let items = |item| Layout::Json(Value { nullable: false, read: object(vec![("items", list(item))]) });
    let (used, whole) = (items(used), Layout::Json(Value { nullable: false, read: JsonRead::Any }));
    let unused = items(object(vec![]));
    measure("products, three members used", text.len(), || decode::reply(&used, text.clone()).is_ok());
    measure("products, no member used", text.len(), || decode::reply(&unused, text.clone()).is_ok());
    measure("products, kept as it is", text.len(), || decode::reply(&whole, text.clone()).is_ok());
    measure("products, serde_json::Value", text.len(), || serde_json::from_slice::<serde_json::Value>(&text).is_ok());
}

#[test]
#[ignore = "a measurement"]
fn speed_of_writing() {
    let mut out = Vec::with_capacity(100);
    let mut each = |name: &str, write: &dyn Fn(&mut Vec<u8>) -> Option<()>| {
        measure(name, 0, || {
            out.clear();
            write(&mut out).is_some()
        });
    };
    let id = black_box("01939a52-9c07-7d3e-b1f4-6a1c3b2d4e5f");
    each("string of 36 bytes", &|out| {
        write::string(out, id);
        Some(())
    });
    each("timestamp", &|out| write::timestamp(out, black_box(1_795_248_000), black_box(250_000_000)));
    each("amount", &|out| write::amount(out, "EUR", black_box(1234), black_box(500_000_000)));
    each("int", &|out| {
        write::int(out, black_box(123_456));
        Some(())
    });
    each("float", &|out| write::float(out, black_box(12.34)));
}

/// The fastest of some runs: what else the machine does can only slow them.
#[expect(clippy::print_stdout, reason = "a measurement is read by a person")]
fn measure(name: &str, bytes: usize, mut run: impl FnMut() -> bool) {
    const TIMES: u32 = 500;
    let fastest = (0..100).map(|_| {
        let start = Instant::now();
        (0..TIMES).for_each(|_| assert!(black_box(run())));
        start.elapsed().as_nanos()
    });
    let nanos = fastest.min().unwrap_or_default() as f64 / f64::from(TIMES);
    println!("{name}: {nanos:.0} ns, {bytes} bytes");
}

fn order() -> Message {
    let line = message(&[(1, false, ProtoRead::String), (2, false, ProtoRead::Int32)]);
    let money = message(&[(1, false, ProtoRead::String), (2, false, ProtoRead::Int64), (3, false, ProtoRead::Int32)]);
    message(&[
        (1, false, ProtoRead::String),
        (2, false, ProtoRead::Int32),
        (3, false, ProtoRead::Timestamp),
        (4, false, ProtoRead::Message(Box::new(money))),
        (5, true, ProtoRead::Message(Box::new(line))),
    ])
}

fn message(fields: &[(u32, bool, ProtoRead)]) -> Message {
    let field = |(slot, (number, repeated, read)): (usize, &(u32, bool, ProtoRead))| MessageField {
        number: *number,
        name: format!("field{number}"),
        slot: slot as u16,
        repeated: *repeated,
        required: false,
        read: read.clone(),
        clears: Vec::new(),
    };
    let blank = |(_, repeated, read): &(u32, bool, ProtoRead)| match read {
        _ if *repeated => Cell::List { head: 0, tail: 0, len: 0 },
        ProtoRead::String => Cell::Text(Span { start: 0, len: 0 }),
        ProtoRead::Int32 | ProtoRead::Int64 => Cell::Int(0),
        _ => Cell::Null,
    };
    Message { blank: fields.iter().map(blank).collect(), fields: fields.iter().enumerate().map(field).collect() }
}

fn object(members: Vec<(&str, JsonRead)>) -> JsonRead {
    let blank = vec![Cell::Null; members.len()];
    let member = |(slot, (name, read)): (usize, (&str, JsonRead))| {
        let value = Value { nullable: false, read };
        Member { name: name.into(), slot: slot as u16, required: true, value }
    };
    JsonRead::Object(Object {
        blank,
        members: members.into_iter().enumerate().map(member).collect(),
        exclusive: Vec::new(),
    })
}

fn list(item: JsonRead) -> JsonRead {
    JsonRead::List(Box::new(Value { nullable: false, read: item }))
}

/// Five orders of two lines.
fn orders() -> Vec<u8> {
    let chunk = |number: u8, bytes: &[u8]| [&[number << 3 | 2, bytes.len() as u8], bytes].concat();
    let line = [chunk(1, b"prod-0001"), vec![0x10, 3, 0x18, 0x80, 0x10]].concat();
    let order = [
        chunk(1, b"01939a52-9c07-7d3e-b1f4-6a1c3b2d4e5f"),
        vec![0x10, 3],
        chunk(3, &[0x08, 0xc0, 0xd0, 0x85, 0xd8, 0x06, 0x10, 0x80, 0xe5, 0x9a, 0x77]),
        chunk(4, b"\x0a\x03USD\x10\x64\x18\x80\xca\xb5\xee\x01"),
        chunk(5, &line),
        chunk(5, &line),
        chunk(6, b"abcdefgh"),
    ]
    .concat();
    chunk(1, &order).repeat(5)
}

/// Twenty products of half a kilobyte.
fn products() -> Bytes {
    let product = |index: usize| {
        format!(
            r#"{{"id":"prod-{index:04}","sku":"SKU-{index:08}","title":"A fine product, number {index}","description":"{}","price":{{"amount":"12.50","currency":"EUR"}},"stock":{index},"rating":4.5,"tags":["new","sale","summer"],"image":{{"thumb":"https://img.example/{index}/t.webp","full":"https://img.example/{index}/f.webp"}},"dimensions":{{"width":10.5,"height":20,"depth":3}},"active":true}}"#,
            "It is of good quality and \\\"lasts\\\" long. ".repeat(4)
        )
    };
    format!(r#"{{"items":[{}],"total":20}}"#, (0..20).map(product).collect::<Vec<_>>().join(",")).into()
}
