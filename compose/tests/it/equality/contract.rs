//! Random contracts: every kind of field there is, in either syntax.

use std::fmt::Write;

use super::Random;

const SCALARS: [&str; 15] = [
    "double", "float", "int32", "int64", "uint32", "uint64", "sint32", "sint64", "fixed32", "fixed64", "sfixed32",
    "sfixed64", "bool", "string", "bytes",
];
const KEYS: [&str; 12] = [
    "int32", "int64", "uint32", "uint64", "sint32", "sint64", "fixed32", "fixed64", "sfixed32", "sfixed64", "bool",
    "string",
];
const WELL_KNOWN: [&str; 15] = [
    "Timestamp",
    "Duration",
    "Struct",
    "Value",
    "ListValue",
    "Any",
    "DoubleValue",
    "FloatValue",
    "Int64Value",
    "UInt64Value",
    "Int32Value",
    "UInt32Value",
    "BoolValue",
    "StringValue",
    "BytesValue",
];

/// `t.S.Get` answers `t.M0`; messages refer to each other, and to themselves.
pub fn random(random: &mut Random) -> String {
    let proto2 = random.below(2) == 0;
    let messages = 1 + random.below(4);
    let mut text = format!("syntax = \"{}\";\npackage t;\n", if proto2 { "proto2" } else { "proto3" });
    for file in ["any", "duration", "struct", "timestamp", "wrappers"] {
        writeln!(text, "import \"google/protobuf/{file}.proto\";").unwrap();
    }
    text += "service S { rpc Get(Ask) returns (M0) { option idempotency_level = NO_SIDE_EFFECTS; } }\nmessage Ask {}\n";
    text += "enum Kind { KIND_UNSPECIFIED = 0; KIND_ONE = 1; KIND_MINUS = -1; KIND_BIG = 1000; }\n";
    text += "enum Bare { NONE = 0; SOME = 2; }\n";
    for n in 0..messages {
        writeln!(text, "message M{n} {{").unwrap();
        let mut message = Message { random, proto2, messages, number: 0, text: &mut text };
        message.field(if proto2 { "optional" } else { "" }, "string");
        (0..1 + message.random.below(9)).for_each(|_| message.any_field());
        text += "}\n";
    }
    text
}

struct Message<'r> {
    random: &'r mut Random,
    proto2: bool,
    messages: usize,
    /// Of the last field.
    number: usize,
    text: &'r mut String,
}

impl Message<'_> {
    fn any_field(&mut self) {
        match self.random.below(8) {
            0 | 1 => {
                let ty = self.ty();
                self.field("repeated", &ty);
            }
            2 => {
                let key = *self.random.pick(&KEYS);
                let ty = format!("map<{key}, {}>", self.ty());
                self.field("", &ty);
            }
            3 => self.oneof(),
            4 if self.proto2 => self.group(),
            4 => {
                let ty = self.ty();
                self.field("optional", &ty);
            }
            _ => {
                let ty = self.ty();
                self.field(if self.proto2 { "optional" } else { "" }, &ty);
            }
        }
    }

    /// Numbers leave gaps, for unknown fields.
    fn next(&mut self) -> usize {
        self.number += 1 + self.random.below(5) * self.random.below(5);
        self.number
    }

    fn field(&mut self, label: &str, ty: &str) {
        let number = self.next();
        let packable = label == "repeated" && SCALARS[..13].contains(&ty);
        let packed = match self.random.below(3) {
            0 if packable => " [packed = true]",
            1 if packable => " [packed = false]",
            _ => "",
        };
        writeln!(self.text, "  {label} {ty} the_field_{number} = {number}{packed};").unwrap();
    }

    fn oneof(&mut self) {
        writeln!(self.text, "  oneof choice_{} {{", self.number).unwrap();
        for _ in 0..1 + self.random.below(4) {
            let ty = self.ty();
            self.field("", &ty);
        }
        *self.text += "  }\n";
    }

    fn group(&mut self) {
        let number = self.next();
        let label = *self.random.pick(&["optional", "repeated"]);
        writeln!(self.text, "  {label} group Group{number} = {number} {{").unwrap();
        for _ in 0..1 + self.random.below(3) {
            let ty = self.ty();
            self.field("optional", &ty);
        }
        *self.text += "  }\n";
    }

    fn ty(&mut self) -> String {
        match self.random.below(10) {
            0 | 1 => format!("M{}", self.random.below(self.messages)),
            2 => (*self.random.pick(&["Kind", "Bare"])).to_owned(),
            3 | 4 => format!("google.protobuf.{}", self.random.pick(&WELL_KNOWN)),
            _ => (*self.random.pick(&SCALARS)).to_owned(),
        }
    }
}
