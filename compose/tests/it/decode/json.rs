//! The reference is serde_json; what only we promise is shown by example.

use std::sync::Arc;

use bytes::Bytes;
use compose::decode::{self, Violation};
use compose::schema::Enum;
use compose::tape::{Cell, JsonRead, Layout, Member, Object, Span, Tape, Value};
use compose::write;

use super::Random;

const CORPUS: &[&str] = &[
    r#"{"id": 7, "name": "Tea \u00e9\ud83d\ude00\n", "tags": ["a", "b\\", ""], "extra": {"x": [1, {"y": "}"}], "z": null}, "ok": true}"#,
    r#"[0, -0, 1.5, -12.25e+3, 1E-7, 100000000000000000000, "\/\b\f\r\t", [], {}, [[[]]], {"": {"": ""}}]"#,
    "\t{ \"a\" :\r\n[ true ,false , null ] , \"b\" : \"üñí€😀 some longer text that takes more than one word\" } ",
    r#""\u0000\u001f\u0022\u005c""#,
    "12",
];

const PIECES: &[&str] = &[
    "\"",
    "\\",
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "0",
    "01",
    "-",
    ".",
    "e",
    "E+",
    "1.",
    "nul",
    "true",
    "\\u",
    "\\ud800",
    "\\udc00",
    "\\ud83d\\ude00",
    " ",
    "\n",
    "\u{1}",
    "é",
    "{\"a\":1}",
    "1e9",
    "\\x",
    "'",
    "//",
];

#[test]
fn what_is_kept_is_accepted_and_refused_as_by_the_reference() {
    let layout = Layout::Json(any());
    let mut random = Random(11);
    let (mut accepted, mut refused) = (0, 0);
    for _ in 0..40_000 {
        let text = damaged(&mut random);
        // An answer without content is null where null may be.
        if text.is_empty() {
            continue;
        }
        let ours = decode::reply(&layout, text.clone().into());
        match serde_json::from_slice::<serde_json::Value>(&text) {
            Ok(theirs) => {
                let tape = ours.unwrap_or_else(|violation| panic!("{violation} {:?}", String::from_utf8_lossy(&text)));
                assert_eq!(show(&tape, &any().read, tape.cells[0]), theirs);
                accepted += 1;
            }
            // 1e999 is JSON, but no f64.
            Err(error) if error.to_string().starts_with("number out of range") => {}
            Err(_) => {
                assert!(ours.is_err(), "{:?}", String::from_utf8_lossy(&text));
                refused += 1;
            }
        }
    }
    assert!(accepted > 2000 && refused > 2000, "{accepted} {refused}");
}

#[test]
fn used_members_are_those_that_the_reference_finds() {
    let value = product();
    let layout = Layout::Json(value.clone());
    let mut random = Random(12);
    let mut compared = 0;
    for _ in 0..40_000 {
        let text = damaged(&mut random);
        let Ok(theirs) = serde_json::from_slice::<serde_json::Value>(&text) else {
            let _ = decode::reply(&layout, text.into());
            continue;
        };
        let Ok(tape) = decode::reply(&layout, text.into()) else { continue };
        let ours = show(&tape, &value.read, tape.cells[0]);
        assert_eq!(ours["id"].as_f64(), theirs["id"].as_f64().or_else(|| theirs["id"].as_str()?.parse().ok()));
        for name in ["name", "tags", "ok"] {
            assert_eq!(ours[name], theirs[name]);
        }
        compared += 1;
    }
    assert!(compared > 300, "{compared}");
}

#[test]
fn cut_texts_and_noise_are_refused() {
    for text in CORPUS {
        for len in 1..text.trim_end().len() - 1 {
            let cut = Bytes::copy_from_slice(&text.as_bytes()[..len]);
            let whole = serde_json::from_slice::<serde_json::Value>(&cut).is_ok();
            assert_eq!(decode::reply(&Layout::Json(any()), cut.clone()).is_ok(), whole, "{cut:?}");
            let _ = decode::body(&product(), cut);
        }
    }
    let mut random = Random(13);
    for _ in 0..20_000 {
        let noise: Vec<u8> = (0..random.below(30)).map(|_| *random.pick(b"{}[]\",:\\u0e-.1 tfn\xff")).collect();
        let _ = decode::reply(&Layout::Json(product()), noise.clone().into());
        let _ = decode::body(&product(), noise.into());
    }
}

#[test]
fn a_reply_may_hold_more_than_is_used() {
    let text = "\u{feff}{\"x\": [{\"y\": \"\\\"]\"}], \"id\": 1, \"n\\u0061me\": \"a\", \"id\": \"2\", \"tags\": [\"b\", \"c\"]}";
    let tape = decode::reply(&Layout::Json(product()), text.into()).unwrap();
    let shown = show(&tape, &product().read, tape.cells[0]);
    assert_eq!(shown.to_string(), r#"{"id":2,"name":"a","tags":["b","c"],"ok":null}"#);
}

#[test]
fn the_first_violation_of_a_reply_is_reported() {
    let refused = |text: &'static str| said(&decode::reply(&Layout::Json(product()), text.into()).unwrap_err());
    assert_eq!(refused("{}"), "/id missing is required");
    assert_eq!(refused(r#"{"id": null}"#), "/id null must not be null");
    assert_eq!(refused(r#"{"id": 1, "tags": ["a", 2]}"#), "/tags/1 type must be a string");
    assert_eq!(
        refused("{\"id\": 1,\n \"x\": [1}"),
        " syntax is not valid JSON: a closing bracket does not match the open one (line 2, column 9)"
    );
    assert_eq!(refused(""), " syntax must be JSON, but is empty");
    assert_eq!(refused(r#"{"id": 1} x"#), " syntax is not valid JSON: something follows its end (line 1, column 11)");
    let deep = format!(r#"{{"id": 1, "x": {}"#, "[".repeat(200));
    let violation = decode::reply(&Layout::Json(product()), deep.into()).unwrap_err();
    assert_eq!(violation.code, "depth");
}

#[test]
fn all_violations_of_a_body_are_reported() {
    let line = object(vec![
        member("product_id", true, JsonRead::String),
        member("quantity", true, JsonRead::Integer { min: 1, max: 99 }),
    ]);
    let status = Enum { name: "Status".into(), values: vec![(1, "PENDING".into()), (2, "PAID".into())], text: true };
    let order = object(vec![
        member("lines", true, JsonRead::List(Box::new(line))),
        member("status", false, JsonRead::Enum(Arc::new(status))),
        member("note", false, JsonRead::String),
        member("a/b~c", true, JsonRead::Bool),
    ]);
    let text = r#"{"lines": [{"product_id": "p", "quantity": 0}, {"product_id": 3, "quantty": 2}, 7],
        "status": "SENT", "note": "a", "note": null, "zzz": {"deep": [1]}}"#;
    let violations = decode::body(&order, text.into()).unwrap_err();
    let expected = [
        "/lines/0/quantity range must be an integer between 1 and 99",
        "/lines/1/product_id type must be a string",
        "/lines/1/quantty unknown is not known here; did you mean `quantity`?",
        "/lines/1/quantity missing is required",
        "/lines/2 type must be an object",
        "/status range must be one of PENDING, PAID",
        "/note duplicate must be given only once",
        "/note null must not be null",
        "/zzz unknown is not known here; known are lines, status, note, a/b~c",
        "/a~1b~0c missing is required",
    ];
    assert_eq!(violations.iter().map(said).collect::<Vec<_>>(), expected);

    let many = format!("[{}]", ["0"; 100].join(","));
    let list = Value { nullable: false, read: JsonRead::List(Box::new(object(vec![]))) };
    assert_eq!(decode::body(&list, many.into()).unwrap_err().len(), decode::MAX_VIOLATIONS);
}

#[test]
fn texts_become_values() {
    let int32 = JsonRead::Integer { min: i32::MIN.into(), max: i32::MAX as u64 };
    let uint64 = JsonRead::Integer { min: 0, max: u64::MAX };
    let (timestamp, duration) = (JsonRead::Timestamp, JsonRead::Duration);
    let time = |seconds, nanos| Ok(Cell::Time { seconds, nanos });
    let number = |len| Ok(Cell::Number(Span { start: 0, len }));
    let long: &'static str = "9".repeat(310).leak();
    let cases = [
        ("-2147483648", &int32, Ok(Cell::Int(-2_147_483_648))),
        ("2147483648", &int32, Err("range")),
        ("1e3", &int32, Ok(Cell::Int(1000))),
        ("12.50e1", &int32, Ok(Cell::Int(125))),
        ("-1.0", &int32, Ok(Cell::Int(-1))),
        ("0e-99999999999999999999", &int32, Ok(Cell::Int(0))),
        ("1e99999999999999999999", &int32, Err("range")),
        ("1e-99999999999999999999", &int32, Err("type")),
        ("1.5", &int32, Err("type")),
        (r#""77""#, &int32, Ok(Cell::Int(77))),
        (r#""\u0037""#, &int32, Ok(Cell::Int(7))),
        (r#"" 7""#, &int32, Err("type")),
        (r#""""#, &int32, Err("type")),
        ("18446744073709551615", &uint64, Ok(Cell::Uint(u64::MAX))),
        ("18446744073709551616", &uint64, Err("range")),
        ("-1", &uint64, Err("range")),
        (r#""1970-01-01T00:00:00Z""#, &timestamp, time(0, 0)),
        (r#""2026-11-21T09:30:00.25+01:30""#, &timestamp, time(1_795_248_000, 250_000_000)),
        (r#""1969-12-31t23:59:59.999999999z""#, &timestamp, time(-1, 999_999_999)),
        (r#""0001-01-01T00:00:00Z""#, &timestamp, time(-62_135_596_800, 0)),
        (r#""0001-01-01T00:00:00+00:01""#, &timestamp, Err("format")),
        (r#""0000-01-01T00:00:00Z""#, &timestamp, Err("format")),
        (r#""2026-02-29T00:00:00Z""#, &timestamp, Err("format")),
        (r#""2016-12-31T23:59:60Z""#, &timestamp, time(1_483_228_800, 0)),
        (r#""2017-01-01T05:29:60.5+05:30""#, &timestamp, time(1_483_228_800, 500_000_000)),
        (r#""2016-12-31T23:58:60Z""#, &timestamp, Err("format")),
        (r#""2016-12-31T22:59:60Z""#, &timestamp, Err("format")),
        (r#""2016-12-31T23:59:61Z""#, &timestamp, Err("format")),
        (r#""9999-12-31T23:59:60Z""#, &timestamp, Err("format")),
        (r#""2026-06-30T23:59:59.0123456789Z""#, &timestamp, Err("format")),
        (r#""2026-06-30T23:59:59""#, &timestamp, Err("format")),
        (r#""1.5s""#, &duration, time(1, 500_000_000)),
        (r#""-0.000000001s""#, &duration, time(0, -1)),
        (r#""315576000001s""#, &duration, Err("format")),
        (r#""1.s""#, &duration, Err("format")),
        (r#""2024-02-29""#, &JsonRead::Date, Ok(Cell::Date { year: 2024, month: 2, day: 29 })),
        (r#""2023-02-29""#, &JsonRead::Date, Err("format")),
        (r#""AQI=""#, &JsonRead::Bytes, Ok(text(1, 4))),
        (r#""AQ_-""#, &JsonRead::Bytes, Ok(text(1, 4))),
        (r#""A""#, &JsonRead::Bytes, Err("format")),
        (r#""-12.5e3""#, &JsonRead::Decimal, Ok(text(1, 7))),
        (r#""1,5""#, &JsonRead::Decimal, Err("format")),
        (r#""1e400""#, &JsonRead::Decimal, Err("range")),
        (r#""1e-29""#, &JsonRead::Decimal, Err("range")),
        ("1.8e308", &JsonRead::Number, Err("range")),
        ("-1e999", &JsonRead::Number, Err("range")),
        ("1e-999", &JsonRead::Number, number(6)),
        (long, &JsonRead::Number, Err("range")),
        (&long[1..], &JsonRead::Number, Err("range")),
        (&long[2..], &JsonRead::Number, number(308)),
        ("3e38", &JsonRead::Float, number(4)),
        ("1e39", &JsonRead::Float, Err("range")),
        ("1000000000000000000000000000000000000000", &JsonRead::Float, Err("range")),
        ("1", &JsonRead::Bool, Err("type")),
        (r#""\ud800""#, &JsonRead::String, Err("syntax")),
        ("\"\t\"", &JsonRead::String, Err("syntax")),
    ];
    for (text, read, expected) in cases {
        let value = Value { nullable: false, read: read.clone() };
        let cell = decode::reply(&Layout::Json(value), text.into()).map(|tape| tape.cells[0]).map_err(|v| v.code);
        assert_eq!(cell, expected, "{text}");
    }
}

#[test]
fn money_is_exact_or_refused() {
    let money = Value { nullable: false, read: JsonRead::Money };
    let read = |text: &str| -> Result<(String, i64, i64), String> {
        let tape = decode::body(&money, Bytes::copy_from_slice(text.as_bytes())).map_err(|all| said(&all[0]))?;
        let (Cell::Record(at), Cell::Text(currency)) = (tape.cells[0], tape.cells[1]) else { panic!("{tape:?}") };
        assert_eq!(at, 1);
        match tape.cells[2..4] {
            [Cell::Int(units), Cell::Int(nanos)] => Ok((tape.text(currency).to_owned(), units, nanos)),
            _ => panic!("{tape:?}"),
        }
    };
    let amount = |amount: &str| read(&format!(r#"{{"amount": "{amount}", "currency": "EUR"}}"#));
    assert_eq!(amount("12.50"), Ok(("EUR".into(), 12, 500_000_000)));
    assert_eq!(amount("-0.5"), Ok(("EUR".into(), 0, -500_000_000)));
    assert_eq!(amount("0.000000001"), Ok(("EUR".into(), 0, 1)));
    assert_eq!(amount("-9223372036854775808"), Ok(("EUR".into(), i64::MIN, 0)));
    let refused = "/amount range must be an amount with at most 9 decimals that fits 64 bits before the point";
    assert_eq!(amount("0.0000000001"), Err(refused.into()));
    assert_eq!(amount("9223372036854775808"), Err(refused.into()));
    let refused = "/amount range must be a decimal number of at most 38 digits, 28 of them behind the point";
    assert_eq!(amount("1e400"), Err(refused.into()));
    assert_eq!(read(r#"{"amount": "1"}"#), Err("/currency missing is required".into()));
    let number = r#"{"amount": 1, "currency": "EUR"}"#;
    assert_eq!(read(number), Err("/amount type must be a decimal number in a string, such as \"12.50\"".into()));
}

#[test]
fn objects_of_many_members_know_what_they_saw() {
    let names: Vec<String> = (0..200).map(|index| format!("m{index}")).collect();
    let members = names.iter().map(|name| member(name, true, JsonRead::Bool)).collect();
    let given: Vec<String> =
        names.iter().filter(|name| *name != "m150").map(|name| format!("{name:?}: true")).collect();
    let text = format!("{{{}, \"m199\": false}}", given.join(","));
    let violations = decode::body(&object(members), text.into()).unwrap_err();
    assert_eq!(
        violations.iter().map(said).collect::<Vec<_>>(),
        ["/m199 duplicate must be given only once", "/m150 missing is required"]
    );
}

fn any() -> Value {
    Value { nullable: true, read: JsonRead::Any }
}

fn product() -> Value {
    let tags = JsonRead::List(Box::new(Value { nullable: false, read: JsonRead::String }));
    object(vec![
        member("id", true, JsonRead::Integer { min: 0, max: u64::MAX }),
        member("name", false, JsonRead::String),
        member("tags", false, tags),
        member("ok", false, JsonRead::Bool),
    ])
}

fn object(mut members: Vec<Member>) -> Value {
    for (slot, member) in members.iter_mut().enumerate() {
        member.slot = slot as u16;
    }
    let blank = vec![Cell::Null; members.len()];
    Value { nullable: false, read: JsonRead::Object(Object { blank, members, exclusive: Vec::new() }) }
}

fn member(name: &str, required: bool, read: JsonRead) -> Member {
    Member { name: name.into(), slot: 0, required, value: Value { nullable: false, read } }
}

fn text(start: u32, len: u32) -> Cell {
    Cell::Text(Span { start, len })
}

fn said(violation: &Violation) -> String {
    format!("{} {} {}", violation.pointer, violation.code, violation.message)
}

/// A text of the corpus with up to three changes.
fn damaged(random: &mut Random) -> Vec<u8> {
    let mut text = random.pick(CORPUS).as_bytes().to_vec();
    for _ in 0..random.below(4) {
        let at = random.below(text.len());
        let piece = random.pick(PIECES).as_bytes();
        match random.below(4) {
            0 => text[at] ^= 1 << random.below(8),
            1 => drop(text.remove(at)),
            2 => drop(text.splice(at..at, piece.iter().copied())),
            _ => drop(text.splice(at..=at, piece.iter().copied())),
        }
        if text.is_empty() {
            break;
        }
    }
    text
}

fn show(tape: &Tape, read: &JsonRead, cell: Cell) -> serde_json::Value {
    match (read, cell) {
        (_, Cell::Null) => serde_json::Value::Null,
        (_, Cell::Bool(value)) => value.into(),
        (_, Cell::Int(value)) => value.into(),
        (_, Cell::Uint(value)) => value.into(),
        (_, Cell::Text(span)) => tape.text(span).into(),
        (_, Cell::Escaped(span)) => write::unescape(tape.text(span)).into(),
        (_, Cell::Number(span) | Cell::Json(span)) => {
            serde_json::from_slice(tape.slice(span)).expect("kept JSON is valid")
        }
        (JsonRead::List(item), Cell::List { head, len, .. }) => {
            tape.items(head, len).map(|value| show(tape, &item.read, value)).collect()
        }
        (JsonRead::Object(object), Cell::Record(at)) => {
            let shown = |member: &Member| {
                let cell = tape.cells[at as usize + usize::from(member.slot)];
                (member.name.clone(), show(tape, &member.value.read, cell))
            };
            serde_json::Value::Object(object.members.iter().map(shown).collect())
        }
        (read, cell) => panic!("{cell:?} of {read:?}"),
    }
}
