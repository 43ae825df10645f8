//! Text to tokens: names, numbers, texts in quotes, and signs.

use crate::problem::{ErrorCode, Place, Problem};

/// A mistake before it has a file.
pub(super) struct Mistake {
    at: usize,
    width: usize,
    message: String,
    help: Option<&'static str>,
}

impl Mistake {
    pub fn new(at: usize, width: usize, message: impl Into<String>) -> Mistake {
        Mistake { at, width, message: message.into(), help: None }
    }

    pub fn help(self, help: &'static str) -> Mistake {
        Mistake { help: Some(help), ..self }
    }

    pub fn at(self, place: &Place) -> Problem {
        let problem = Problem::new(ErrorCode::ExpressionSyntax, &place.within(self.at, self.width), self.message);
        match self.help {
            Some(help) => problem.help(help),
            None => problem,
        }
    }
}

pub(super) struct Token {
    pub at: usize,
    pub width: usize,
    pub kind: TokenKind,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum TokenKind {
    /// Without its sign.
    Int(u64),
    Float(f64),
    Text(String),
    Name(String),
    Variable(String),
    Symbol(&'static str),
}

/// Longer symbols before their prefixes.
const SYMBOLS: [&str; 22] = [
    "??", "?.", "==", "!=", "<=", ">=", "&&", "||", "[]", "[", "]", "(", ")", ".", ",", "<", ">", "!", "+", "-", "*",
    "/",
];

pub(super) fn tokens(text: &str) -> Result<Vec<Token>, Mistake> {
    let chars: Vec<char> = text.chars().collect();
    let mut tokens = Vec::new();
    let mut at = 0;
    while at < chars.len() {
        if chars[at].is_whitespace() {
            at += 1;
            continue;
        }
        let (kind, width) = token(&chars[at..], at)?;
        tokens.push(Token { at, width, kind });
        at += width;
    }
    Ok(tokens)
}

fn token(rest: &[char], at: usize) -> Result<(TokenKind, usize), Mistake> {
    let first = rest[0];
    let is_word = |c: &char| c.is_ascii_alphanumeric() || *c == '_';
    let word_from = |start: usize| -> String { rest[start..].iter().copied().take_while(|c| is_word(c)).collect() };
    match first {
        '"' | '\'' => quoted(rest, at),
        '0'..='9' => number(rest, at),
        '$' => match word_from(1) {
            _ if rest.get(1) == Some(&'{') => {
                Err(Mistake::new(at, 2, "an expression stands without `${ }`").help(JOINED))
            }
            name if name.is_empty() => {
                Err(Mistake::new(at, 1, "a name must follow `$`").help("for example `$auth.sub` or `$params.id`"))
            }
            name => Ok((TokenKind::Variable(name.clone()), name.len() + 1)),
        },
        c if c.is_ascii_alphabetic() || c == '_' => {
            let name = word_from(0);
            let width = name.len();
            Ok((TokenKind::Name(name), width))
        }
        _ => {
            let symbol = SYMBOLS.iter().find(|s| s.chars().eq(rest.iter().copied().take(s.len())));
            symbol.map(|s| (TokenKind::Symbol(s), s.len())).ok_or_else(|| stray(first, at))
        }
    }
}

pub(super) const SHORTER: &str = "bind a part of it in the shape: `of: ... as x`";
const JOINED: &str = "texts are joined by `concat(a, b)`";

fn stray(c: char, at: usize) -> Mistake {
    let mistake = Mistake::new(at, 1, format!("`{c}` is not part of the expression language"));
    match c {
        '?' | ':' => mistake.help("write `if(condition, a, b)` for a choice, `a?.b` and `a ?? b` for what may be null"),
        '=' => mistake.help("equality is `==`"),
        '&' | '|' => mistake.help("write `&&` and `||`"),
        '%' => mistake.help("arithmetic is `+`, `-`, `*` and `/`"),
        _ => mistake.help("a text stands in quotes; names are ASCII letters, digits and `_`"),
    }
}

fn quoted(rest: &[char], at: usize) -> Result<(TokenKind, usize), Mistake> {
    let mut text = String::new();
    let mut i = 1;
    while i < rest.len() {
        match (rest[i], rest.get(i + 1)) {
            (c, _) if c == rest[0] => return Ok((TokenKind::Text(text), i + 1)),
            ('\\', Some(c @ ('\\' | '"' | '\''))) => {
                text.push(*c);
                i += 2;
            }
            ('\\', Some('n')) => {
                text.push('\n');
                i += 2;
            }
            ('\\', _) => return Err(Mistake::new(at + i, 2, "unknown escape").help(r#"known: \\ \" \' \n"#)),
            (c, _) => {
                text.push(c);
                i += 1;
            }
        }
    }
    Err(Mistake::new(at, rest.len(), "this text has no closing quote").help("close it with the quote that opens it"))
}

fn number(rest: &[char], at: usize) -> Result<(TokenKind, usize), Mistake> {
    let digits: String = rest.iter().take_while(|c| c.is_ascii_digit() || **c == '.').collect();
    let width = digits.len();
    let (kind, wrong) = if digits.contains('.') {
        let float = digits.parse().ok().filter(|f: &f64| f.is_finite() && !digits.ends_with('.'));
        (float.map(TokenKind::Float), "is not a number")
    } else {
        (digits.parse().ok().map(TokenKind::Int), TOO_LARGE)
    };
    kind.map(|k| (k, width)).ok_or_else(|| Mistake::new(at, width, format!("`{digits}` {wrong}")).help(NUMBERS))
}

pub(super) const TOO_LARGE: &str = "is larger than 64 bits with a sign";
pub(super) const NUMBERS: &str = "for example `50`, `-1` or `0.5`";
