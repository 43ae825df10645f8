//! The worst inputs that are known, each as large as the server reads them: refused or answered, in bounded memory and
//! a bounded number of steps (allocations, as the clock is a matter of luck).

use super::allocations;
use super::targets::{RICH, reply};

const LARGE: usize = 1 << 18;
/// Bytes held at once for each byte of a reply; what is passed through as JSON takes most.
const PER_BYTE: usize = 200;
/// What even an empty input takes.
const ALWAYS: usize = 1 << 17;

fn varint(mut value: u64) -> Vec<u8> {
    let mut out = Vec::new();
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
    out
}

/// A field of bytes with the length that it declares.
fn field(number: u64, declared: u64, content: &[u8]) -> Vec<u8> {
    [varint(number << 3 | 2), varint(declared), content.to_vec()].concat()
}

fn message(number: u64, content: &[u8]) -> Vec<u8> {
    field(number, content.len() as u64, content)
}

fn filled(part: &[u8]) -> Vec<u8> {
    part.repeat(LARGE / part.len())
}

/// Memory and steps are in proportion to the input.
#[track_caller]
fn bounded(name: &str, bytes: usize, per_byte: usize, run: impl FnOnce()) {
    let ((), used) = allocations::of(run);
    assert!(used.peak <= per_byte * bytes + ALWAYS, "{name}: {bytes} bytes took {} bytes", used.peak);
    assert!(used.times <= 2 * bytes + 5000, "{name}: {bytes} bytes took {} steps", used.times);
}

#[test]
fn protobuf() {
    let nested = |inner: Vec<u8>, _| message(1, &message(6, &inner));
    let any = |inner: Vec<u8>, _| [message(1, b"x/google.protobuf.Any"), message(2, &inner)].concat();
    let cases: [(&str, Vec<u8>); 19] = [
        ("two gigabytes are declared", field(14, 2 << 30, b"abc")),
        ("as many as 64 bits can say", field(41, u64::MAX, b"abc")),
        ("2^63 packed numbers", field(21, 1 << 63, b"\0\0\0\0\0\0\0\0")),
        ("empty leaves", filled(&message(41, b""))),
        ("empty lines", filled(&[varint(80 << 3 | 3), varint(80 << 3 | 4)].concat())),
        ("packed bools", message(33, &[1; LARGE])),
        ("packed varints", message(26, &[1; LARGE])),
        ("empty texts", filled(&message(34, b""))),
        ("empty values", filled(&message(52, b""))),
        ("null values", filled(&message(52, b"\x08\0"))),
        ("empty values in one list", message(53, &filled(&message(1, b"")))),
        ("null values in one list", message(53, &filled(&message(1, b"\x08\0")))),
        ("members of a struct", message(51, &filled(&message(1, b"\x0a\x01a\x12\x02\x08\0")))),
        ("one key of a map", filled(&message(60, b"\x0a\x01a"))),
        ("entries without a key", filled(&message(60, b""))),
        ("entries of values", filled(&message(62, b""))),
        ("groups in groups", filled(&varint(999 << 3 | 3))),
        ("lists in lists", message(53, &(0..2000).fold(Vec::new(), nested))),
        ("anys in anys", message(50, &(0..2000).fold(Vec::new(), any))),
    ];
    let _ = RICH.plan("protobuf");
    for (name, input) in cases {
        bounded(name, input.len(), PER_BYTE, || drop(reply("protobuf", &input)));
    }
}

#[test]
fn what_is_passed_on_as_json_is_bounded() {
    let values = message(53, &message(1, b"\x08\0").repeat(1 << 20));
    let refused = || {
        let failure = reply("protobuf", &values).unwrap_err();
        assert!(failure.error.malformed && failure.error.message.contains("more than 1 MiB"), "{failure:?}");
    };
    let _ = RICH.plan("protobuf");
    bounded("values", values.len(), 4, refused);
}

#[test]
fn json() {
    let thing = |inside: String| format!("{{\"id\":\"\",\"leaves\":[],{inside}}}");
    let cases = [
        ("arrays in arrays", "[".repeat(100_000)),
        ("objects in objects", "{\"free\":".repeat(100_000)),
        ("a deep value that is passed on", thing(format!("\"free\":{}", "[".repeat(100_000)))),
        ("one member a million times", thing(format!("{}\"note\":\"\"", "\"note\":\"\",".repeat(1_000_000)))),
        ("one key a million times", thing(format!("\"names\":{{{}\"a\":\"\"}}", "\"a\":\"\",".repeat(1_000_000)))),
        ("one escaped key", thing(format!("\"names\":{{{}\"a\":\"\"}}", "\"\\u0061\":\"\",".repeat(LARGE / 12)))),
        ("leaves", thing(format!("\"leaves\":[{}{{\"id\":\"\"}}]", "{\"id\":\"\"},".repeat(LARGE / 10)))),
        ("empty lists", thing(format!("\"grid\":[{}[]]", "[],".repeat(LARGE / 3)))),
        ("a number of many digits", thing(format!("\"big\":{}", "9".repeat(LARGE)))),
        ("a number of a large exponent", thing("\"big\":1e999999999999".to_owned())),
        ("a text that does not end", format!("{{\"id\":\"{}", "\\\\".repeat(LARGE / 2))),
    ];
    let _ = RICH.plan("json");
    for (name, input) in cases {
        bounded(name, input.len(), PER_BYTE, || drop(reply("json", input.as_bytes())));
    }
}
