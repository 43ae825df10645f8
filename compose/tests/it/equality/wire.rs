//! Random replies: fields in any order, split, repeated, packed or not, among unknown ones.

use prost_reflect::{FieldDescriptor, Kind, MessageDescriptor};

use super::Random;

/// Fields within fields beyond this are left out.
const MAX_DEPTH: usize = 6;

/// Where `odd`, a value may be one that JSON has no text for.
pub fn message(random: &mut Random, descriptor: &MessageDescriptor, most: usize, odd: bool) -> Vec<u8> {
    let mut wire = Vec::new();
    Writer { random, odd, depth: 0 }.message(descriptor, most, &mut wire);
    wire
}

struct Writer<'r> {
    random: &'r mut Random,
    odd: bool,
    depth: usize,
}

impl Writer<'_> {
    fn message(&mut self, descriptor: &MessageDescriptor, most: usize, wire: &mut Vec<u8>) {
        let is_any = |message: &MessageDescriptor| message.full_name() == "google.protobuf.Any";
        if self.depth > MAX_DEPTH && !is_any(descriptor) && !descriptor.is_map_entry() {
            return;
        }
        self.depth += 1;
        match descriptor.full_name() {
            "google.protobuf.Timestamp" => self.time(253_402_300_799, wire),
            "google.protobuf.Duration" => self.time(315_576_000_000, wire),
            "google.protobuf.Any" => self.any(descriptor, wire),
            _ => {
                let fields: Vec<FieldDescriptor> = descriptor.fields().collect();
                let entry = descriptor.is_map_entry();
                for _ in 0..self.random.below(most + 1) {
                    if self.random.below(8) == 0 {
                        unknown(self.random, wire);
                    } else if !fields.is_empty() {
                        let field = self.random.pick(&fields).clone();
                        self.field(&field, entry, wire);
                    }
                }
                // The reference cannot write an `Any` of nothing.
                if entry && matches!(fields[1].kind(), Kind::Message(value) if is_any(&value)) {
                    self.field(&fields[1], false, wire);
                }
            }
        }
        self.depth -= 1;
    }

    fn field(&mut self, field: &FieldDescriptor, small: bool, wire: &mut Vec<u8>) {
        let kind = match field.kind() {
            Kind::Double | Kind::Fixed64 | Kind::Sfixed64 => 1,
            Kind::Message(_) if field.is_group() => 3,
            Kind::String | Kind::Bytes | Kind::Message(_) => 2,
            Kind::Float | Kind::Fixed32 | Kind::Sfixed32 => 5,
            _ => 0,
        };
        let key = u64::from(field.number()) << 3;
        if field.is_list() && matches!(kind, 0 | 1 | 5) && self.random.below(2) == 0 {
            let mut packed = Vec::new();
            (0..self.random.below(5)).for_each(|_| self.value(field, small, &mut packed));
            varint(key | 2, wire);
            chunk(&packed, wire);
            return;
        }
        varint(key | kind, wire);
        match field.kind() {
            Kind::Message(message) if kind == 3 => {
                self.message(&message, 4, wire);
                varint(key | 4, wire);
            }
            _ => self.value(field, small, wire),
        }
    }

    fn value(&mut self, field: &FieldDescriptor, small: bool, wire: &mut Vec<u8>) {
        match field.kind() {
            Kind::Double => {
                let bits = self.random.next();
                let value = f64::from_bits(bits);
                let value = if value.is_finite() || self.odd { value } else { (bits % 1000) as f64 / 8.0 };
                wire.extend(value.to_le_bytes());
            }
            Kind::Float => {
                let bits = self.random.next() as u32;
                let value = f32::from_bits(bits);
                let value = if value.is_finite() || self.odd { value } else { (bits % 1000) as f32 / 8.0 };
                wire.extend(value.to_le_bytes());
            }
            Kind::Fixed64 | Kind::Sfixed64 => wire.extend(self.integer(small).to_le_bytes()),
            Kind::Fixed32 | Kind::Sfixed32 => wire.extend((self.integer(small) as u32).to_le_bytes()),
            Kind::String => {
                chunk(self.random.pick(&["", "a", "ü€😀", "a \"quoted\"\n\u{1}text\\"]).as_bytes(), wire);
            }
            Kind::Bytes => chunk(&self.random.next().to_le_bytes()[..self.random.below(9)], wire),
            Kind::Message(message) => {
                let mut inner = Vec::new();
                self.message(&message, 4, &mut inner);
                chunk(&inner, wire);
            }
            Kind::Enum(_) => {
                let number = *self.random.pick(&[0, 1, 2, 1000, -1i64, 77]);
                varint(number as u64, wire);
            }
            _ => varint(self.integer(small), wire),
        }
    }

    /// Keys of maps are often the same.
    fn integer(&mut self, small: bool) -> u64 {
        let bits = if small { 62 } else { self.random.below(64) };
        self.random.next() >> bits
    }

    /// Seconds and nanos; each part of a split one is in range by itself.
    fn time(&mut self, most: u64, wire: &mut Vec<u8>) {
        let seconds = if self.odd { self.random.next() } else { self.random.next() % most };
        let nanos = match (self.random.below(3), self.odd) {
            (0, true) => self.random.next(),
            (1, _) => 500_000_000,
            _ => self.random.next() % 1_000_000_000,
        };
        for (number, value) in [(1, seconds), (2, nanos)] {
            if self.random.below(3) > 0 {
                varint(number << 3, wire);
                varint(value, wire);
            }
        }
    }

    fn any(&mut self, descriptor: &MessageDescriptor, wire: &mut Vec<u8>) {
        let pool = descriptor.parent_pool();
        let known = ["t.M0", "t.Ask", "google.protobuf.Duration", "google.protobuf.StringValue"];
        let name = *self.random.pick(&known);
        let name = if self.odd && self.random.below(4) == 0 { "t.Nothing" } else { name };
        varint(1 << 3 | 2, wire);
        chunk(format!("type.googleapis.com/{name}").as_bytes(), wire);
        let mut payload = Vec::new();
        if let Some(message) = pool.get_message_by_name(name) {
            self.message(&message, 4, &mut payload);
        }
        varint(2 << 3 | 2, wire);
        chunk(&payload, wire);
    }
}

/// Numbers that no contract here has.
fn unknown(random: &mut Random, wire: &mut Vec<u8>) {
    let number = *random.pick(&[999u64, 70_000]) << 3;
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
