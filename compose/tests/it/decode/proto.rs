//! The reference is prost-reflect: what it accepts is accepted, with the same values.

use bytes::Bytes;
use compose::decode::{self, Violation};
use compose::tape::{Cell, Layout, Message, MessageField, ProtoRead, Span, Tape};
use prost_reflect::{DescriptorPool, DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, ReflectMessage, Value};

use super::Random;

const CONTRACT: &str = r#"
    syntax = "proto3";
    package t;
    import "old.proto";
    enum Status { STATUS_UNSPECIFIED = 0; STATUS_PAID = 1; }
    message Leaf { string name = 1; int32 size = 2; optional int64 mark = 3; Time at = 4; }
    message Time { int64 seconds = 1; int32 nanos = 2; }
    message Date { int32 year = 1; int32 month = 2; int32 day = 3; }
    message Wrapper { int64 value = 1; }
    message Nest { Leaf left = 2; repeated Leaf right = 3; repeated string tags = 9; }
    message All {
      oneof either { int32 o1 = 51; string o2 = 52; Leaf o3 = 53; Nest o4 = 54; }
      double a1 = 1; float a2 = 2; int32 a3 = 3; int64 a4 = 4; uint32 a5 = 5; uint64 a6 = 6; sint32 a7 = 7;
      sint64 a8 = 8; fixed32 a9 = 9; fixed64 a10 = 10; sfixed32 a11 = 11; sfixed64 a12 = 12; bool a13 = 13;
      string a14 = 14; bytes a15 = 15; Status a16 = 16; Leaf leaf = 17; Time time = 18; Date date = 19;
      Wrapper wrapper = 20; optional uint64 maybe = 21; optional string text = 22; Nest nest = 23;
      repeated double r1 = 31; repeated float r2 = 32; repeated int32 r3 = 33; repeated int64 r4 = 34;
      repeated uint32 r5 = 35; repeated uint64 r6 = 36; repeated sint32 r7 = 37; repeated sint64 r8 = 38;
      repeated fixed32 r9 = 39; repeated fixed64 r10 = 40; repeated sfixed32 r11 = 41; repeated sfixed64 r12 = 42;
      repeated bool r13 = 43; repeated string r14 = 44; repeated bytes r15 = 45; repeated Status r16 = 46;
      repeated Leaf leaves = 47; repeated Time times = 48; repeated Wrapper wrappers = 49; repeated Nest nests = 2000;
      Old old = 55;
    }
"#;

const OLD: &str = r#"
    syntax = "proto2";
    package t;
    message Old {
      optional group One = 1 { optional string name = 1; }
      repeated group Thing = 2 { optional string name = 1; repeated group Part = 2 { optional int32 size = 1; } }
    }
"#;

struct Source;

impl protox::file::FileResolver for Source {
    fn open_file(&self, name: &str) -> Result<protox::file::File, protox::Error> {
        protox::file::File::from_source(name, if name == "old.proto" { OLD } else { CONTRACT })
    }
}

fn descriptor() -> MessageDescriptor {
    let mut compiler = protox::Compiler::with_file_resolver(Source);
    compiler.include_imports(true).open_file("t.proto").expect("the contract compiles");
    let pool = DescriptorPool::from_file_descriptor_set(compiler.file_descriptor_set()).expect("it is complete");
    pool.get_message_by_name("t.All").expect("it is declared")
}

#[test]
fn random_messages_decode_as_the_reference_does() {
    let descriptor = descriptor();
    let layout = Layout::Proto(layout(&descriptor));
    let mut random = Random(1);
    let mut accepted = 0;
    for _ in 0..3000 {
        let wire = Bytes::from(message(&mut random, &descriptor, 30));
        let theirs = DynamicMessage::decode(descriptor.clone(), wire.clone()).unwrap();
        match decode::reply(&layout, wire) {
            Ok(ours) => {
                assert_eq!(show_tape(&ours, &layout), show_message(&theirs));
                accepted += 1;
            }
            Err(violation) => assert_eq!(violation.code, "range", "{violation}"),
        }
    }
    assert!(accepted > 1000, "{accepted}");
}

#[test]
fn damaged_messages_decode_as_the_reference_does_or_are_refused() {
    let descriptor = descriptor();
    let layout = Layout::Proto(layout(&descriptor));
    let mut random = Random(2);
    let (mut accepted, mut refused) = (0, 0);
    for _ in 0..60 {
        let wire = message(&mut random, &descriptor, 30);
        let cut = (0..wire.len()).map(|len| wire[..len].to_vec());
        let flipped = (0..wire.len()).map(|at| {
            let mut damaged = wire.clone();
            damaged[at] ^= 1 << (at % 8);
            damaged
        });
        for damaged in cut.chain(flipped).collect::<Vec<_>>() {
            let ours = decode::reply(&layout, damaged.clone().into());
            match (DynamicMessage::decode(descriptor.clone(), &damaged[..]), ours) {
                (Ok(theirs), Ok(ours)) => {
                    assert_eq!(show_tape(&ours, &layout), show_message(&theirs));
                    accepted += 1;
                }
                (Ok(_), Err(violation)) => assert_eq!(violation.code, "range", "{violation}"),
                // A known field of another wire type is unknown to us, and an error to prost.
                (Err(_), _) => refused += 1,
            }
        }
    }
    assert!(accepted > 1000 && refused > 1000, "{accepted} {refused}");
}

#[test]
fn noise_is_refused_or_read_but_never_a_panic() {
    let layout = Layout::Proto(layout(&descriptor()));
    let mut random = Random(3);
    for _ in 0..50_000 {
        let noise: Vec<u8> = (0..random.below(40)).map(|_| random.next() as u8).collect();
        let _ = decode::reply(&layout, noise.into());
    }
}

#[test]
fn what_is_broken_is_said() {
    let refused = |wire: &[u8]| {
        let Violation { pointer, code, message } = violation(wire);
        format!("{pointer} {code} {message}")
    };
    assert_eq!(refused(b"\x08"), "/a1 syntax is not valid protobuf: it ends in the middle of a field");
    assert_eq!(
        refused(b"\x18\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"),
        "/a3 syntax is not valid protobuf: a number is longer than 64 bits"
    );
    assert_eq!(refused(b"\x02\x00"), " syntax is not valid protobuf: no field can have this number or wire type");
    assert_eq!(refused(b"\x72\x02\xff\xff"), "/a14 format must be UTF-8 text");
    assert_eq!(refused(b"\xfa\x02\x00\xfa\x02\x03\x0a\x01\xff"), "/leaves/1/name format must be UTF-8 text");
    assert_eq!(refused(b"\x0c"), "/a1 syntax is not valid protobuf: a group ends that did not begin");
    assert_eq!(refused(&b"\xf3\x01".repeat(200)), " depth has groups nested deeper than 100 levels");
}

#[test]
fn a_group_never_comes_packed() {
    let show = |wire: &'static [u8]| {
        let layout = Layout::Proto(layout(&descriptor().parent_pool().get_message_by_name("t.Old").unwrap()));
        decode::reply(&layout, wire.into()).map(|tape| show_tape(&tape, &layout))
    };
    assert_eq!(show(b"\x12\x01x\x1a\x01y"), Ok("{one=null thing=[]}".into()));
    assert_eq!(show(b"\x13\x0a\x01x\x14\x12\x01x"), Ok("{one=null thing=[{name=\"x\" part=[]}]}".into()));
}

#[test]
fn a_required_field_may_come_in_any_part_of_its_message() {
    let leaf = |required| Message {
        blank: vec![Cell::Null],
        fields: vec![field(1, "name", false, required, ProtoRead::String)],
    };
    let fields = vec![
        field(17, "leaf", false, true, ProtoRead::Message(Box::new(leaf(true)))),
        MessageField { slot: 1, ..field(47, "leaves", true, false, ProtoRead::Message(Box::new(leaf(true)))) },
    ];
    let layout = Layout::Proto(Message { blank: vec![Cell::Null, EMPTY], fields });
    let pointer = |wire: &'static [u8]| decode::reply(&layout, wire.into()).map(drop).map_err(|v| (v.pointer, v.code));

    assert_eq!(pointer(b"\x8a\x01\x03\x0a\x01a"), Ok(()));
    assert_eq!(pointer(b"\x8a\x01\x00\x8a\x01\x03\x0a\x01a"), Ok(()));
    assert_eq!(pointer(b""), Err(("/leaf".into(), "missing")));
    assert_eq!(pointer(b"\x8a\x01\x00"), Err(("/leaf/name".into(), "missing")));
    let second_leaf = b"\x8a\x01\x03\x0a\x01a\xfa\x02\x03\x0a\x01a\xfa\x02\x00";
    assert_eq!(pointer(second_leaf), Err(("/leaves/1/name".into(), "missing")));
}

#[test]
fn small_input_cannot_take_much_memory() {
    let wide = Message { blank: vec![Cell::Null; 1000], fields: vec![] };
    let fields = vec![field(1, "items", true, false, ProtoRead::Message(Box::new(wide)))];
    let layout = Layout::Proto(Message { blank: vec![EMPTY], fields });
    let wire = b"\x0a\x00".repeat(10_000);
    let refused = decode::reply(&layout, wire.into()).unwrap_err();
    assert_eq!((refused.pointer.as_str(), refused.code), ("/items/8371", "size"));
}

const EMPTY: Cell = Cell::List { head: 0, tail: 0, len: 0 };

fn violation(wire: &[u8]) -> Violation {
    decode::reply(&Layout::Proto(layout(&descriptor())), Bytes::copy_from_slice(wire)).expect_err("it is broken")
}

fn field(number: u32, name: &str, repeated: bool, required: bool, read: ProtoRead) -> MessageField {
    MessageField { number, name: name.into(), slot: 0, repeated, required, read, clears: Vec::new() }
}

/// Every field of a message.
fn layout(descriptor: &MessageDescriptor) -> Message {
    let mut fields: Vec<MessageField> = Vec::new();
    let mut blank = Vec::new();
    for known in descriptor.fields() {
        let slot = fields.len() as u16;
        fields.push(MessageField { slot, ..field(known.number(), known.name(), known.is_list(), false, read(&known)) });
        blank.push(match known.kind() {
            _ if known.is_list() => EMPTY,
            _ if known.supports_presence() => Cell::Null,
            Kind::Double | Kind::Float => Cell::Float(0.0),
            Kind::Bool => Cell::Bool(false),
            Kind::String => Cell::Text(Span { start: 0, len: 0 }),
            Kind::Bytes => Cell::Bytes(Span { start: 0, len: 0 }),
            _ => Cell::Int(0),
        });
    }
    for oneof in descriptor.oneofs().filter(|oneof| !oneof.is_synthetic()) {
        let slots: Vec<usize> =
            oneof.fields().filter_map(|f| fields.iter().position(|g| g.number == f.number())).collect();
        for slot in &slots {
            fields[*slot].clears = slots.iter().filter(|other| *other != slot).map(|other| *other as u16).collect();
        }
    }
    fields.sort_by_key(|field| field.number);
    Message { blank, fields }
}

fn read(field: &FieldDescriptor) -> ProtoRead {
    match field.kind() {
        Kind::Double => ProtoRead::Double,
        Kind::Float => ProtoRead::Float,
        Kind::Int32 | Kind::Enum(_) => ProtoRead::Int32,
        Kind::Int64 => ProtoRead::Int64,
        Kind::Uint32 => ProtoRead::Uint32,
        Kind::Uint64 => ProtoRead::Uint64,
        Kind::Sint32 => ProtoRead::Sint32,
        Kind::Sint64 => ProtoRead::Sint64,
        Kind::Fixed32 => ProtoRead::Fixed32,
        Kind::Fixed64 => ProtoRead::Fixed64,
        Kind::Sfixed32 => ProtoRead::Sfixed32,
        Kind::Sfixed64 => ProtoRead::Sfixed64,
        Kind::Bool => ProtoRead::Bool,
        Kind::String => ProtoRead::String,
        Kind::Bytes => ProtoRead::Bytes,
        Kind::Message(message) if field.is_group() => ProtoRead::Group(field.number(), Box::new(layout(&message))),
        Kind::Message(message) => match message.name() {
            "Time" => ProtoRead::Timestamp,
            "Date" => ProtoRead::Date,
            "Wrapper" => ProtoRead::Wrapper(Box::new(ProtoRead::Int64)),
            _ => ProtoRead::Message(Box::new(layout(&message))),
        },
    }
}

/// Legal wire: fields in any order, split, repeated, packed or not, among unknown ones.
fn message(random: &mut Random, descriptor: &MessageDescriptor, most: usize) -> Vec<u8> {
    let fields: Vec<FieldDescriptor> = descriptor.fields().collect();
    let mut wire = Vec::new();
    for _ in 0..random.below(most + 1) {
        if random.below(8) == 0 {
            unknown(random, &mut wire);
        } else {
            let field = random.pick(&fields);
            known(random, field, &mut wire);
        }
    }
    wire
}

fn known(random: &mut Random, field: &FieldDescriptor, wire: &mut Vec<u8>) {
    let kind = match field.kind() {
        Kind::Double | Kind::Fixed64 | Kind::Sfixed64 => 1,
        Kind::Message(_) if field.is_group() => 3,
        Kind::String | Kind::Bytes | Kind::Message(_) => 2,
        Kind::Float | Kind::Fixed32 | Kind::Sfixed32 => 5,
        _ => 0,
    };
    if field.is_list() && !matches!(kind, 2 | 3) && random.below(2) == 0 {
        let mut packed = Vec::new();
        (0..random.below(5)).for_each(|_| value(random, field, &mut packed));
        varint(u64::from(field.number()) << 3 | 2, wire);
        chunk(&packed, wire);
    } else {
        varint(u64::from(field.number()) << 3 | kind, wire);
        value(random, field, wire);
    }
}

fn value(random: &mut Random, field: &FieldDescriptor, wire: &mut Vec<u8>) {
    match field.kind() {
        Kind::Double | Kind::Fixed64 | Kind::Sfixed64 => wire.extend(random.next().to_le_bytes()),
        Kind::Float | Kind::Fixed32 | Kind::Sfixed32 => wire.extend((random.next() as u32).to_le_bytes()),
        Kind::String => chunk(random.pick(&["", "a", "ü€😀", "a \"quoted\"\ntext of some length"]).as_bytes(), wire),
        Kind::Bytes => chunk(&random.next().to_le_bytes()[..random.below(9)], wire),
        Kind::Message(message) if field.is_group() => {
            wire.extend(self::message(random, &message, 4));
            varint(u64::from(field.number()) << 3 | 4, wire);
        }
        Kind::Message(message) => chunk(&self::message(random, &message, 4), wire),
        _ if field.parent_message().name() == "Time" => varint(random.next() % 1_000_000_000, wire),
        _ if field.parent_message().name() == "Date" => varint(1 + random.next() % 12, wire),
        _ => {
            let bits = random.below(64);
            varint(random.next() >> bits, wire);
        }
    }
}

fn unknown(random: &mut Random, wire: &mut Vec<u8>) {
    let number = *random.pick(&[30u64, 100, 999, 70_000]) << 3;
    match random.below(5) {
        0 => {
            varint(number, wire);
            varint(random.next(), wire);
        }
        1 => {
            varint(number | 1, wire);
            wire.extend([7; 8]);
        }
        2 => {
            varint(number | 2, wire);
            chunk(b"\xff\xff\xff", wire);
        }
        3 => {
            varint(number | 3, wire);
            (0..random.below(3)).for_each(|_| unknown(random, wire));
            varint(number | 4, wire);
        }
        _ => {
            varint(number | 5, wire);
            wire.extend([7; 4]);
        }
    }
}

fn varint(mut value: u64, wire: &mut Vec<u8>) {
    while value >= 0x80 {
        wire.push(value as u8 | 0x80);
        value >>= 7;
    }
    wire.push(value as u8);
}

fn chunk(bytes: &[u8], wire: &mut Vec<u8>) {
    varint(bytes.len() as u64, wire);
    wire.extend(bytes);
}

fn show_tape(tape: &Tape, layout: &Layout) -> String {
    let (Layout::Proto(layout), Cell::Record(at)) = (layout, tape.cells[0]) else { panic!("no message") };
    show_record(tape, layout, at)
}

fn show_record(tape: &Tape, layout: &Message, at: u32) -> String {
    let fields = layout.fields.iter().map(|field| {
        let cell = tape.cells[at as usize + usize::from(field.slot)];
        match cell {
            Cell::List { head, len, .. } => {
                let items: Vec<String> = tape.items(head, len).map(|item| show_cell(tape, &field.read, item)).collect();
                format!("{}=[{}]", field.name, items.join(" "))
            }
            cell => format!("{}={}", field.name, show_cell(tape, &field.read, cell)),
        }
    });
    format!("{{{}}}", fields.collect::<Vec<_>>().join(" "))
}

fn show_cell(tape: &Tape, read: &ProtoRead, cell: Cell) -> String {
    match (read, cell) {
        (_, Cell::Null) => "null".into(),
        (_, Cell::Bool(value)) => value.to_string(),
        (_, Cell::Int(value)) => value.to_string(),
        (_, Cell::Uint(value)) => value.to_string(),
        (_, Cell::Float(value)) => format!("{:x}", value.to_bits()),
        (_, Cell::Text(span)) => format!("{:?}", tape.text(span)),
        (_, Cell::Bytes(span)) => format!("{:?}", tape.slice(span)),
        (_, Cell::Time { seconds, nanos }) => format!("{{seconds={seconds} nanos={nanos}}}"),
        (_, Cell::Date { year, month, day }) => format!("{{year={year} month={month} day={day}}}"),
        (ProtoRead::Message(layout) | ProtoRead::Group(_, layout), Cell::Record(at)) => show_record(tape, layout, at),
        (read, cell) => panic!("{cell:?} of {read:?}"),
    }
}

fn show_message(message: &DynamicMessage) -> String {
    if message.descriptor().name() == "Wrapper" {
        return show_value(&message.get_field_by_name("value").expect("it is declared"));
    }
    let fields = message.descriptor().fields().collect::<Vec<_>>().into_iter().map(|field| {
        let absent = field.supports_presence() && !message.has_field(&field);
        let shown = if absent { "null".into() } else { show_value(&message.get_field(&field)) };
        format!("{}={shown}", field.name())
    });
    format!("{{{}}}", fields.collect::<Vec<_>>().join(" "))
}

fn show_value(value: &Value) -> String {
    match value {
        Value::Bool(value) => value.to_string(),
        Value::I32(value) | Value::EnumNumber(value) => value.to_string(),
        Value::I64(value) => value.to_string(),
        Value::U32(value) => value.to_string(),
        Value::U64(value) => value.to_string(),
        Value::F32(value) => format!("{:x}", f64::from(*value).to_bits()),
        Value::F64(value) => format!("{:x}", value.to_bits()),
        Value::String(value) => format!("{value:?}"),
        Value::Bytes(value) => format!("{:?}", &value[..]),
        Value::Message(message) => show_message(message),
        Value::List(items) => format!("[{}]", items.iter().map(show_value).collect::<Vec<_>>().join(" ")),
        Value::Map(_) => "a map".into(),
    }
}
