//! Random expressions from a seed, the same in every run.

use compose::expr::{Comparison, Expr, Kind, Operator};

/// Xorshift of 64 bits.
pub struct Random(pub u64);

const COMPARISONS: [Comparison; 6] = [
    Comparison::Equal,
    Comparison::NotEqual,
    Comparison::Less,
    Comparison::LessOrEqual,
    Comparison::Greater,
    Comparison::GreaterOrEqual,
];
const OPERATORS: [Operator; 4] = [Operator::Add, Operator::Subtract, Operator::Multiply, Operator::Divide];

/// By type: the leaves of it, and what makes it of others, where `{T}` stands for one of type T.
const GRAMMAR: [(char, &[&str], &[&str]); 12] = [
    (
        'i',
        &["t.i", "t.z", "t.m", "t.u", "1", "-3", "$params.n", "t.ints[1] ?? 4", "t.kids[0]?.i ?? 2"],
        &[
            "({i} + {i})",
            "({i} - {i})",
            "({i} * {i})",
            "{i} / {i}",
            "-({i})",
            "len({s})",
            "sum({I})",
            "min({i}, {i})",
            "max({I}) ?? {i}",
            "len({S})",
            "first({I}) ?? 0",
            "if({b}, {i}, {i})",
        ],
    ),
    (
        'l',
        &["t.l", "t.w", "9007199254740993"],
        &["{l} + {i}", "{l} * {l}", "minor({p}) ?? 0", "{l} - {l}", "if({b}, {l}, {i})", "-({l})"],
    ),
    (
        'd',
        &["t.d", "t.f", "0.5", "100.25"],
        &[
            "{d} + {d}",
            "{d} / {i}",
            "round({d}, 2)",
            "round({d})",
            "number({l})",
            "number(\"1.5e3\")",
            "max({d}, {d})",
            "-({d})",
            "{i} * {d}",
            "number({s})",
        ],
    ),
    (
        's',
        &["t.s", "\"a\"", "t.o ?? \"x\"", "$auth.sub", "t.e", "\"é, b\"", "t.texts[0] ?? \"\""],
        &[
            "concat({s}, {i}, {d})",
            "upper({s})",
            "lower({s})",
            "trim({s})",
            "substr({s}, 1)",
            "substr({s}, {i}, {i})",
            "replace({s}, \"a\", {s})",
            "join({S}, {s})",
            "string({t} ?? $now)",
            "string({c})",
            "string({l})",
            "format_date({t}, \"yyyy-MM\") ?? \"\"",
            "format_date({y}, \"d.M.\")",
            "if({b}, {s}, {s})",
            "first({S}) ?? {s}",
            "max({S}) ?? \"z\"",
            "coalesce(t.o, {s})",
            "t.p?.currency ?? {s}",
            "concat({b}, {t} ?? $now)",
            "join({I}, \",\")",
        ],
    ),
    (
        'b',
        &["t.b", "true", "$auth.authenticated", "t.o == null"],
        &[
            "{i} < {i}",
            "{d} >= {l}",
            "{s} == {s}",
            "{b} && {b}",
            "{b} || {b}",
            "!({b})",
            "{t} > $now",
            "{c} <= {c}",
            "{p} == {p}",
            "{p} > {p}",
            "{n} < duration(\"1s\")",
            "contains({S}, {s})",
            "contains({s}, {s})",
            "contains({I}, {i})",
            "starts_with({s}, {s})",
            "ends_with({s}, {s})",
            "t.e != \"RED\"",
            "{y} == date(\"2026-02-28\")",
            "{c} > 0",
        ],
    ),
    (
        'c',
        &["t.c", "decimal(\"0.10\")"],
        &[
            "{c} + {c}",
            "{c} * {c}",
            "{c} - {i}",
            "decimal({i})",
            "round({c}, 1)",
            "-({c})",
            "min({c}, {c})",
            "decimal({s})",
        ],
    ),
    (
        'p',
        &["t.p", "t.none", "t.kids[1]?.p"],
        &["{p} + {p}", "{p} - {p}", "{p} * {i}", "-({p})", "money({p})", "max({p}, {p})", "sum(t.kids[].p)"],
    ),
    (
        't',
        &["t.at", "$now", "timestamp(\"2026-01-01T00:00:00Z\")"],
        &["{t} + {n}", "{t} - {n}", "{n} + {t}", "max({t}, {t})"],
    ),
    ('n', &["t.took", "duration(\"90s\")"], &["{n} + {n}", "{t} - {t}", "{n} * {i}", "-({n})"]),
    ('y', &["t.day", "date(\"2024-02-29\")"], &["date({t})", "date({t}, \"-03:30\")", "min({y}, {y})"]),
    ('I', &["t.ints", "t.kids[].i", "t.kids[].ints[]"], &["t.kids[].ints"]),
    ('S', &["t.texts", "t.kids[].o", "$auth.scopes"], &["split({s}, \", \")", "split({s}, {s})", "t.kids[].s"]),
];

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 16
    }

    fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.next() as usize % of.len()]
    }

    /// Any tree, whether it makes sense or not.
    pub fn tree(&mut self, depth: usize) -> Expr {
        let leaf = depth == 0 || self.next().is_multiple_of(5);
        let kind = if leaf { self.leaf() } else { self.node(depth - 1) };
        Expr { at: 0, width: 0, kind }
    }

    fn leaf(&mut self) -> Kind {
        match self.next() % 7 {
            0 => Kind::Null,
            1 => Kind::Bool(self.next().is_multiple_of(2)),
            2 => Kind::Int(*self.pick(&[0, 1, -1, 42, i64::MAX, i64::MIN])),
            3 => Kind::Float(*self.pick(&[0.5, -2.25, 100.0, 1e21, -0.001])),
            4 => Kind::Text((*self.pick(&["", "a \"b\"", "\\n\n", "é'"])).to_owned()),
            5 => Kind::Name((*self.pick(&["a", "order", "_x1", "nothing"])).to_owned()),
            _ => Kind::Variable((*self.pick(&["auth", "params", "now"])).to_owned()),
        }
    }

    fn node(&mut self, depth: usize) -> Kind {
        let mut one = || Box::new(self.tree(depth));
        let (a, b) = (one(), one());
        match self.next() % 11 {
            0 => Kind::Member { of: a, name: "id".into(), safe: self.next().is_multiple_of(2) },
            1 => Kind::Index { of: a, index: b },
            2 => Kind::Each(a),
            3 => Kind::Call { function: "concat".into(), arguments: vec![*a, *b] },
            4 => Kind::Not(a),
            5 => Kind::Negate(a),
            6 => Kind::And(a, b),
            7 => Kind::Or(a, b),
            8 => Kind::Compare(*self.pick(&COMPARISONS), a, b),
            9 => Kind::Coalesce(a, b),
            _ => Kind::Arithmetic(*self.pick(&OPERATORS), a, b),
        }
    }

    /// An expression that mostly is one of the language.
    pub fn expression(&mut self, depth: usize) -> String {
        let (ty, ..) = *self.pick(&GRAMMAR);
        self.of(ty, depth)
    }

    fn of(&mut self, ty: char, depth: usize) -> String {
        // Now and then another type than the place takes.
        let ty = if self.next().is_multiple_of(40) { self.pick(&GRAMMAR).0 } else { ty };
        let (_, leaves, nodes) = GRAMMAR.iter().find(|(known, ..)| *known == ty).unwrap();
        if depth == 0 || self.next().is_multiple_of(6) {
            return format!("({})", self.pick(leaves));
        }
        let mut text = String::new();
        let mut rest = *self.pick(nodes);
        while let Some((before, after)) = rest.split_once('{') {
            let (inner, behind) = after.split_once('}').unwrap();
            text += before;
            text += &self.of(inner.chars().next().unwrap(), depth - 1);
            rest = behind;
        }
        text + rest
    }

    /// Words of the language in any order.
    pub fn soup(&mut self) -> String {
        const WORDS: [&str; 34] = [
            "t",
            ".",
            "?.",
            "i",
            "kids",
            "[]",
            "[",
            "]",
            "(",
            ")",
            ",",
            "??",
            "+",
            "-",
            "*",
            "/",
            "!",
            "not",
            "&&",
            "||",
            "==",
            "<",
            "1",
            "0.5",
            "\"a\"",
            "$auth",
            "$params",
            "concat",
            "sum",
            "if",
            "date",
            "null",
            "é",
            "99999999999",
        ];
        let length = self.next() % 12 + 1;
        (0..length).map(|_| *self.pick(&WORDS)).collect::<Vec<_>>().join(if length.is_multiple_of(2) {
            " "
        } else {
            ""
        })
    }

    /// An expression of int32s, and its value where every step of it fits.
    pub fn integer(&mut self, depth: usize) -> (String, Option<i32>) {
        if depth == 0 || self.next().is_multiple_of(6) {
            let leaf = *self.pick(&[
                ("t.i", 7),
                ("t.z", 0),
                ("t.m", i32::MAX),
                ("$params.n", 5),
                ("3", 3),
                ("-2", -2),
                ("65536", 65536),
            ]);
            return (leaf.0.to_owned(), Some(leaf.1));
        }
        let (a, x) = self.integer(depth - 1);
        if self.next().is_multiple_of(5) {
            return (format!("-({a})"), x.and_then(i32::checked_neg));
        }
        let (b, y) = self.integer(depth - 1);
        let (symbol, compute): (_, fn(i32, i32) -> Option<i32>) = *self.pick(&[
            ("+", i32::checked_add as fn(i32, i32) -> Option<i32>),
            ("-", i32::checked_sub),
            ("*", i32::checked_mul),
            ("/", i32::checked_div),
        ]);
        (format!("({a}) {symbol} ({b})"), x.zip(y).and_then(|(x, y)| compute(x, y)))
    }
}
