//! The worst inputs that are known, each as large as the server reads them: refused or answered, in bounded memory and
//! a bounded number of steps (allocations, as the clock is a matter of luck).

use bytes::Bytes;
use compose::inputs::bind;
use compose::plan::Plan;
use compose::schema::Contracts;

use super::allocations;
use super::targets::{RICH, answer, arguments, file, planned, reply, told};

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

/// Whatever a token makes of the YAML, the largest file that is read ends in problems.
#[test]
fn files_of_one_token() {
    const TOKENS: [&str; 20] = [
        "[", "{", "- ", "? ", "a: ", "a: {", "\n", "\"", "'", "&a ", "*a ", "!t ", "| ", "#", "${", "a\n", "\t", ", ",
        ": ", "é",
    ];
    let _ = RICH.plan("json");
    for token in TOKENS {
        let text = token.repeat((1 << 20) / token.len());
        bounded(token, text.len(), PER_BYTE, || drop(told(&planned(&RICH.contracts, &text).1)));
        let contract = file("contract.yaml", &text);
        let read = || drop(told(&Contracts::default().add_openapi("h", &contract, &|_| None)));
        bounded(token, text.len(), PER_BYTE, read);
    }
    let text = "view: a\n---\n".repeat((4 << 20) / 12);
    bounded("views", text.len(), 4, || drop(told(&planned(&RICH.contracts, &text).1)));
}

/// Twice as much of anything takes about twice as many steps, and the problems that are told are bounded.
#[test]
fn files_of_many_things() {
    const HEAD: &str = "view: v\nroute: GET /v\naccess: user\n";
    const CALLS: &str = "calls: { m: { grpc: s/t.S.Get } }\n";
    const OPTIONAL: &str = "calls: { m: { grpc: s/t.S.Get, on_fail: null } }\n";
    let many = |n: usize, thing: &dyn Fn(usize) -> String| (0..n).map(thing).collect::<String>();
    let view = |i: usize| format!("view: v{i}\nroute: GET /v{i}\naccess: user\nshape: {{ a: '1' }}\n---\n");
    let fragment =
        |i: usize| format!("fragment: f{i}\nshape: {{ a: {{ use: f{0} }}, b: {{ use: f{0} }} }}\n---\n", i + 1);
    let files = |n: usize| {
        [
            many(n, &view),
            format!("{HEAD}{CALLS}shape:\n{}", many(n, &|i| format!("  a{i}: m.nothing{i}\n"))),
            format!("{HEAD}{CALLS}shape:\n{}", many(n, &|i| format!("  a{i}: m.a1\n"))),
            format!("{HEAD}{OPTIONAL}shape:\n{}", many(n, &|i| format!("  a{i}: m?.a1\n"))),
            format!("{HEAD}{CALLS}shape: {{ of: m, pick: [{}] }}\n", many(n, &|i| format!("x{i}, "))),
            format!("{HEAD}params:\n{}", many(n, &|i| format!("  p{i}: {{ in: query, type: int32 }}\n"))),
            format!("{HEAD}calls:\n{}", many(n, &|i| format!("  c{i}: {{ grpc: s/t.S.Get }}\n"))),
            format!("view: v\nroute: GET /v\naccess: [{}]\n", many(n, &|i| format!("r{i}, "))),
            format!("{HEAD}shape:\n  a: >\n{}", many(n, &|i| format!("    nothing{i} +\n"))),
            format!("{HEAD}shape: {{ a: {{ use: f0 }} }}\n---\n{}", many(n, &fragment)),
        ]
    };
    let steps = |text: &String| {
        let ((_, problems), used) = allocations::of(|| planned(&RICH.contracts, text));
        assert!(problems.len() <= 2002, "{} problems", problems.len());
        used.times
    };
    let _ = RICH.plan("json");
    for (some, twice) in files(400).iter().zip(files(800)) {
        let (few, more) = (steps(some), steps(&twice));
        assert!(more < 3 * few, "{few} steps, then {more}: {}", &twice[..200]);
    }
}

/// What a view does for each item of a list may take as much as the list is long, and more than a request may.
#[test]
fn answers() {
    let answered = |shape: &str, reply: String| {
        let view = format!(
            "view: v\nroute: GET /v\naccess: public\ncalls: {{ t: {{ http: h/getThing, request: {{ path.id: '\"1\"' }} }} }}\nshape: {shape}\n"
        );
        let (plans, problems) = planned(&RICH.contracts, &view);
        assert!(problems.is_empty(), "{}", told(&problems));
        refusal(&plans[0], reply)
    };
    let tags = |n: usize| format!("{{\"id\":\"\",\"leaves\":[],\"tags\":[{}\"\"]}}", "\"\",".repeat(n));
    let long = format!("{{\"id\":\"{}\",\"leaves\":[],\"tags\":[{}\"\"]}}", "x".repeat(900_000), "\"\",".repeat(1000));
    let cases = [
        (
            "a list for each of its items",
            "{ a: { from: t.tags as a, item: { b: { from: t.tags as b, item: { c: '1' } } } } }",
            tags(6000),
        ),
        (
            "a search for each item",
            "{ a: { from: t.tags as a, where: 'contains(t.tags, \"x\") == true', item: { b: a } } }",
            tags(6000),
        ),
        ("the last for each item", "{ a: { from: t.tags as a, item: { b: 't.tags[5999]' } } }", tags(6000)),
        ("a long text for each item", "{ a: { from: t.tags as a, item: { b: t.id } } }", long.clone()),
        ("an order by long texts", "{ a: { from: t.tags as a, sort: 'concat(t.id, a)', item: { b: a } } }", long),
    ];
    let _ = RICH.plan("json");
    for (name, shape, reply) in cases {
        let (refused, used) = allocations::of(|| answered(shape, reply));
        assert!(["too many steps", "larger than 64 MiB"].iter().any(|why| refused.contains(why)), "{name}: {refused}");
        assert!(used.peak < 512 << 20, "{name}: {used:?}");
    }
}

fn refusal(plan: &Plan, reply: String) -> String {
    let inputs = bind(plan, arguments(&[], "", &|_| None, Bytes::new())).unwrap();
    answer(plan, &inputs, reply.into()).unwrap_err().error.message
}

/// However deep fragments and expressions nest, what is accepted is checked and answered on the stack of a worker.
#[test]
fn stacks() {
    let nested = |open: &str, inner: &str, close: &str| format!("{}{inner}{}", open.repeat(29), close.repeat(29));
    let deepest = [
        (nested("if(true, ", "x", ", null)"), "Ok"),
        (nested("concat(", "x ?? \"\"", ")"), "Ok"),
        (format!("if({}true, x, null)", "true && ".repeat(120)), "Ok"),
        (format!("if({}len(x ?? \"\") > 1, x, null)", "len(x ?? \"\") + ".repeat(24)), "Ok"),
        (format!("if({}1.5 > number(x ?? \"\"), x, null)", "-".repeat(30)), "Ok"),
    ];
    const USED: usize = 60;
    let answered = |argument: &str| {
        const HEAD: &str = "view: v\nroute: GET /v\naccess: public\ncalls: { t: { http: h/getThing, request: { path.id: '\"1\"' } } }\nshape: { use: f0(t.note) }\n";
        let fragment =
            |i: usize, shape: String| format!("---\nfragment: f{i}\nparams: {{ x: string? }}\nshape: {shape}\n");
        let next = |i: usize| fragment(i, format!("{{ use: 'f{}(if(x == null, x, x))' }}", i + 1));
        let fragments: String = (0..USED).map(next).collect();
        let last = fragment(USED, format!("{{ a: '{argument}' }}"));
        let (plans, problems) = planned(&RICH.contracts, &format!("{HEAD}{fragments}{last}"));
        let Some(plan) = plans.first() else { return told(&problems) };
        let inputs = bind(plan, arguments(&[], "", &|_| None, Bytes::new())).unwrap();
        let reply = "{\"id\":\"\",\"leaves\":[],\"note\":\"1\"}".into();
        format!("{:?}", answer(plan, &inputs, reply).map(drop))
    };
    let _ = RICH.plan("json");
    for (argument, expected) in deepest {
        let said = std::thread::scope(|scope| {
            let worker = std::thread::Builder::new().stack_size(2 << 20);
            worker.spawn_scoped(scope, || answered(&argument)).unwrap().join().unwrap()
        });
        assert!(said.starts_with(expected), "{argument}: {said}");
    }
}
