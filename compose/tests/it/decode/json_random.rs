//! Random layouts and texts that keep to them: what is decoded is what serde_json reads of the same text.

use std::sync::Arc;

use compose::decode;
use compose::schema::Enum;
use compose::tape::{Case, Cell, JsonRead, Layout, Member, Object, Tagged, Tape, Value};
use compose::write;
use serde_json::value::RawValue;
use serde_json::{Map, Value as Json};

use super::Random;

const NAMES: [&str; 8] = ["id", "näme", "a/b", "kind", "", "q\"t", "long name of many letters", "😀"];
const TEXTS: [&str; 7] = ["", "plain", "é\u{7}\"\\/", "😀 two halves", "line\nbreak", "12", "more than eight bytes"];
const NUMBERS: [&str; 7] = ["0", "-0.5", "1e3", "12.25E-2", "9007199254740993", "-1", "3.0"];

#[test]
fn random_layouts_decode_what_the_reference_reads() {
    let more = std::env::var_os("ROUNDS").and_then(|rounds| rounds.to_str()?.parse().ok());
    let rounds = more.unwrap_or(6_000);
    for seed in 0..rounds {
        let mut random = Random(seed);
        let value = layout(&mut random, 3);
        let strict = random.below(2) == 0;
        let given = conforming(&mut random, &value, strict);
        let text = Writer { random: &mut random, repeat: !strict }.text(&given);
        let reference: Json = serde_json::from_str(&text).unwrap_or_else(|e| panic!("seed {seed}: {e} in {text}"));
        let tape = if strict {
            decode::body(&value, text.clone().into()).map_err(|all| all[0].to_string())
        } else {
            decode::reply(&Layout::Json(value.clone()), text.clone().into()).map_err(|one| one.to_string())
        };
        let tape = tape.unwrap_or_else(|violation| panic!("seed {seed}: {violation} in {text}"));
        let (ours, theirs) = (seen(&tape, &value.read, tape.cells[0]), used(&value.read, &reference));
        assert_eq!(ours, theirs, "seed {seed}: {text}");
        mangle(&mut random, &value, text.into_bytes());
    }
}

#[test]
fn objects_of_one_list_need_not_look_alike() {
    // Some begin alike, and with their quotes and colons they are up to, just and over sixteen bytes long.
    const NAMES: [&str; 7] =
        ["id", "i", "identity", "thirteen_char", "thirteen_chars", "longer than sixteen bytes", "q\"t"];
    let member = |(slot, name): (usize, &&str)| {
        let value = Value { nullable: true, read: JsonRead::String };
        Member { name: (*name).into(), slot: slot as u16, required: false, value }
    };
    let members: Vec<Member> = NAMES.iter().step_by(2).enumerate().map(member).collect();
    let object = Object { blank: vec![Cell::Null; members.len()], members, exclusive: Vec::new() };
    let item = Value { nullable: false, read: JsonRead::Object(object) };
    let list = Value { nullable: false, read: JsonRead::List(Box::new(item)) };
    for seed in 0..3_000 {
        let mut random = Random(seed);
        let mut usual: Vec<usize> = (0..NAMES.len()).filter(|_| random.below(4) > 0).collect();
        let objects = (0..=random.below(6)).map(|_| {
            match random.below(4) {
                0 if !usual.is_empty() => drop(usual.remove(random.below(usual.len()))),
                1 => usual.insert(random.below(usual.len() + 1), random.below(NAMES.len())),
                _ => {}
            }
            let space = if random.below(4) == 0 { " " } else { "" };
            let members = usual.iter().map(|name| {
                let (name, text) = (Json::from(NAMES[*name]), Json::from(*random.pick(&TEXTS)));
                format!("{name}:{space}{text}")
            });
            format!("{{{}}}", members.collect::<Vec<_>>().join(","))
        });
        let text = format!("[{}]", objects.collect::<Vec<_>>().join(","));
        let reference: Json = serde_json::from_str(&text).unwrap();
        let tape = decode::reply(&Layout::Json(list.clone()), text.clone().into());
        let tape = tape.unwrap_or_else(|violation| panic!("seed {seed}: {violation} in {text}"));
        assert_eq!(seen(&tape, &list.read, tape.cells[0]), used(&list.read, &reference), "seed {seed}: {text}");
    }
}

/// Whatever a changed text is, decoding it ends; what the reference does not read is not kept whole either.
fn mangle(random: &mut Random, value: &Value, text: Vec<u8>) {
    for _ in 0..4 {
        let mut text = text.clone();
        for _ in 0..=random.below(3) {
            let at = random.below(text.len());
            match random.below(3) {
                0 => text[at] ^= 1 << random.below(8),
                1 => text.truncate(at.max(1)),
                _ => text[at] = *random.pick(b"{}[]\",:\\u0e-tfn"),
            }
        }
        let _ = decode::reply(&Layout::Json(value.clone()), text.clone().into());
        let strict = decode::body(value, text.clone().into());
        assert!(
            strict.is_err() || serde_json::from_slice::<Box<RawValue>>(&text).is_ok(),
            "{:?}",
            String::from_utf8_lossy(&text)
        );
    }
}

fn layout(random: &mut Random, depth: usize) -> Value {
    let scalar = random.below(if depth == 0 { 6 } else { 10 });
    let read = match scalar {
        0 => JsonRead::Bool,
        1 => JsonRead::Integer { min: i64::MIN, max: u64::MAX },
        2 => JsonRead::Number,
        3 => JsonRead::String,
        4 => {
            let values = (0..).zip(TEXTS.iter().map(|text| (*text).to_owned())).collect();
            JsonRead::Enum(Arc::new(Enum { name: "Text".into(), values, text: true }))
        }
        5 => JsonRead::Any,
        6 => JsonRead::List(Box::new(layout(random, depth - 1))),
        7 => JsonRead::Map { key: Box::new(JsonRead::String), value: Box::new(layout(random, depth - 1)) },
        8 => JsonRead::Object(object(random, depth - 1)),
        _ => {
            let cases = ["a", "b", "c"].iter().enumerate().map(|(slot, name)| {
                let object = JsonRead::Object(object(random, depth - 1));
                let used = slot < 2 || random.below(2) == 0;
                let used = used.then_some((slot as u16, Value { nullable: false, read: object }));
                Case { name: (*name).to_owned(), used }
            });
            let cases = cases.collect();
            JsonRead::Union(Tagged { tag: "the kind".into(), blank: vec![Cell::Null; 3], cases, closed: true })
        }
    };
    Value { nullable: random.below(4) == 0, read }
}

fn object(random: &mut Random, depth: usize) -> Object {
    let names: Vec<&str> = NAMES.into_iter().filter(|_| random.below(2) == 0).collect();
    let members = names.iter().enumerate().map(|(slot, name)| Member {
        name: (*name).to_owned(),
        slot: slot as u16,
        required: random.below(2) == 0,
        value: layout(random, depth),
    });
    let members: Vec<Member> = members.collect();
    Object { blank: vec![Cell::Null; members.len()], members, exclusive: Vec::new() }
}

/// A value that keeps to the layout; beside what it asks for there is more, unless `strict`.
fn conforming(random: &mut Random, value: &Value, strict: bool) -> Json {
    if value.nullable && random.below(4) == 0 {
        return Json::Null;
    }
    match &value.read {
        JsonRead::Bool => (random.below(2) == 0).into(),
        JsonRead::Integer { .. } => match random.below(3) {
            0 => (random.next() as i64).into(),
            1 => random.next().into(),
            _ => (random.next() as i8).to_string().into(),
        },
        JsonRead::Number => serde_json::from_str(NUMBERS[random.below(NUMBERS.len())]).unwrap(),
        JsonRead::String | JsonRead::Enum(_) => (*random.pick(&TEXTS)).into(),
        JsonRead::List(item) => (0..random.below(4)).map(|_| conforming(random, item, strict)).collect(),
        JsonRead::Map { value, .. } => {
            let names: Vec<&str> = NAMES.into_iter().filter(|_| random.below(3) == 0).collect();
            names.into_iter().map(|name| (name.to_owned(), conforming(random, value, strict))).collect()
        }
        JsonRead::Object(object) => Json::Object(members(random, object, strict)),
        JsonRead::Union(union) => {
            let case = random.pick(&union.cases);
            let mut members = match &case.used {
                Some((_, Value { read: JsonRead::Object(object), .. })) => members(random, object, strict),
                _ => noise(random, Map::new()),
            };
            members.insert(union.tag.clone(), case.name.clone().into());
            Json::Object(members)
        }
        _ => {
            let any = layout(random, 2);
            let any = if matches!(any.read, JsonRead::Any) { JsonRead::Bool } else { any.read };
            conforming(random, &Value { nullable: false, read: any }, strict)
        }
    }
}

fn members(random: &mut Random, object: &Object, strict: bool) -> Map<String, Json> {
    let mut members = Map::new();
    for member in &object.members {
        if member.required || random.below(2) == 0 {
            members.insert(member.name.clone(), conforming(random, &member.value, strict));
        }
    }
    if strict { members } else { noise(random, members) }
}

fn noise(random: &mut Random, mut members: Map<String, Json>) -> Map<String, Json> {
    for name in ["extra", "the\tother", "zzz"] {
        if random.below(3) > 0 {
            continue;
        }
        let any = layout(random, 1);
        members.insert(name.to_owned(), conforming(random, &any, false));
    }
    members
}

/// Writes with white space, escapes and an order of its own, and sometimes a member twice.
struct Writer<'r> {
    random: &'r mut Random,
    repeat: bool,
}

impl Writer<'_> {
    fn text(&mut self, value: &Json) -> String {
        let space = *self.random.pick(&["", "", " ", "\n\t", "\r\n  "]);
        let written = match value {
            Json::String(text) => self.string(text),
            Json::Array(items) => {
                let items: Vec<String> = items.iter().map(|item| self.text(item)).collect();
                format!("[{space}{}{space}]", items.join(","))
            }
            Json::Object(members) => {
                let mut written: Vec<String> = Vec::new();
                for (name, value) in members {
                    let at = self.random.below(written.len() + 1);
                    let member = format!("{}{space}:{}", self.string(name), self.text(value));
                    written.insert(at, member);
                }
                if let (true, Some(last)) = (self.repeat && self.random.below(4) == 0, written.last()) {
                    written.insert(0, last.clone());
                }
                format!("{{{space}{}{space}}}", written.join(","))
            }
            other => other.to_string(),
        };
        format!("{space}{written}{space}")
    }

    fn string(&mut self, text: &str) -> String {
        let mut written = String::from("\"");
        for c in text.chars() {
            if self.random.below(3) == 0 {
                c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| written += &format!("\\u{unit:04x}"));
            } else {
                let quoted = serde_json::to_string(&c.to_string()).unwrap();
                written += &quoted[1..quoted.len() - 1];
            }
        }
        written + "\""
    }
}

/// What the reference read, cut down to what the layout asks for.
fn used(read: &JsonRead, value: &Json) -> Json {
    match (read, value) {
        (_, Json::Null) => Json::Null,
        (JsonRead::Integer { .. }, Json::String(text)) => text.parse::<i64>().unwrap().into(),
        (JsonRead::List(item), Json::Array(items)) => items.iter().map(|value| used(&item.read, value)).collect(),
        (JsonRead::Map { value: item, .. }, Json::Object(members)) => {
            members.iter().map(|(name, value)| (name.clone(), used(&item.read, value))).collect()
        }
        (JsonRead::Object(object), _) => {
            let member = |m: &Member| (m.name.clone(), used(&m.value.read, value.get(&m.name).unwrap_or(&Json::Null)));
            object.members.iter().map(member).collect()
        }
        (JsonRead::Union(union), _) => {
            let is_it = |case: &&Case| value[&union.tag] == case.name.as_str();
            let case = union.cases.iter().find(is_it).and_then(|case| Some((&case.name, &case.used.as_ref()?.1)));
            case.map(|(name, of)| (name.clone(), used(&of.read, value))).into_iter().collect()
        }
        (_, value) => value.clone(),
    }
}

/// What lies on the tape, in the same form.
fn seen(tape: &Tape, read: &JsonRead, cell: Cell) -> Json {
    let slot = |at: u32, slot: u16| tape.cells[at as usize + usize::from(slot)];
    match (read, cell) {
        (_, Cell::Null) => Json::Null,
        (_, Cell::Bool(value)) => value.into(),
        (JsonRead::Enum(names), Cell::Int(number)) => names.name_of(number as i32).into(),
        (_, Cell::Int(value)) => value.into(),
        (_, Cell::Uint(value)) => value.into(),
        (_, Cell::Text(span)) => tape.text(span).into(),
        (_, Cell::Escaped(span)) => write::unescape(tape.text(span)).into(),
        (_, Cell::Number(span) | Cell::Json(span)) => serde_json::from_slice(tape.slice(span)).unwrap(),
        (JsonRead::List(item), Cell::List { head, len, .. }) => {
            tape.items(head, len).map(|value| seen(tape, &item.read, value)).collect()
        }
        (JsonRead::Map { key, value }, Cell::List { head, len, .. }) => {
            let entry = |entry: Cell| {
                let Cell::Record(at) = entry else { panic!("{entry:?}") };
                let name = seen(tape, key, slot(at, 0)).as_str().unwrap().to_owned();
                (name, seen(tape, &value.read, slot(at, 1)))
            };
            tape.items(head, len).map(entry).collect()
        }
        (JsonRead::Object(object), Cell::Record(at)) => {
            let member = |m: &Member| (m.name.clone(), seen(tape, &m.value.read, slot(at, m.slot)));
            object.members.iter().map(member).collect()
        }
        (JsonRead::Union(union), Cell::Record(at)) => {
            let cases = union.cases.iter().filter_map(|case| Some((&case.name, case.used.as_ref()?)));
            let set = cases.filter(|(_, (at_slot, _))| slot(at, *at_slot) != Cell::Null);
            set.map(|(name, (at_slot, value))| (name.clone(), seen(tape, &value.read, slot(at, *at_slot)))).collect()
        }
        (read, cell) => panic!("{cell:?} of {read:?}"),
    }
}
