//! Text to `Expr`, by precedence climbing. Loosest first: `||`, `&&`, comparison, `??`, `!`, then members and indices.

use super::{Comparison, Expr, Kind};
use crate::problem::{ErrorCode, Place, Problem};

/// Deeper nesting is refused, so that no expression exhausts the stack.
const MAX_DEPTH: usize = 32;
/// The same for chains: every operator in one takes the stack a step deeper.
const MAX_TOKENS: usize = 256;

/// Parses `text`, which starts at `place`.
pub fn parse(text: &str, place: &Place) -> Result<Expr, Problem> {
    let tokens = tokens(text).map_err(|e| e.at(place))?;
    if let Some(token) = tokens.get(MAX_TOKENS) {
        let message = format!("an expression has at most {MAX_TOKENS} words and signs");
        return Err(Mistake::new(token.at, token.width, message).help(SHORTER).at(place));
    }
    let end = text.chars().count();
    let mut parser = Parser { tokens: &tokens, next: 0, end, depth: 0 };
    let expr = parser.or().map_err(|e| e.at(place))?;
    match parser.peek() {
        None => Ok(expr),
        Some(token) => Err(unexpected(token).at(place)),
    }
}

/// A mistake before it has a file.
struct Mistake {
    at: usize,
    width: usize,
    message: String,
    help: Option<&'static str>,
}

impl Mistake {
    fn new(at: usize, width: usize, message: impl Into<String>) -> Mistake {
        Mistake { at, width, message: message.into(), help: None }
    }

    fn help(self, help: &'static str) -> Mistake {
        Mistake { help: Some(help), ..self }
    }

    fn at(self, place: &Place) -> Problem {
        let problem = Problem::new(ErrorCode::ExpressionSyntax, &place.within(self.at, self.width), self.message);
        match self.help {
            Some(help) => problem.help(help),
            None => problem,
        }
    }
}

struct Token {
    at: usize,
    width: usize,
    kind: TokenKind,
}

#[derive(Debug, Clone, PartialEq)]
enum TokenKind {
    Int(i64),
    Float(f64),
    Text(String),
    Name(String),
    Variable(String),
    Symbol(&'static str),
}

/// Longer symbols before their prefixes.
const SYMBOLS: [&str; 18] =
    ["??", "?.", "==", "!=", "<=", ">=", "&&", "||", "[]", "[", "]", "(", ")", ".", ",", "<", ">", "!"];

fn tokens(text: &str) -> Result<Vec<Token>, Mistake> {
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
        '-' if rest.get(1).is_some_and(char::is_ascii_digit) => number(rest, at),
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

const SHORTER: &str = "bind a part of it in the shape: `of: ... as x`";
const JOINED: &str = "texts are joined by `concat(a, b)`";
const NO_ARITHMETIC: &str = "there is no arithmetic in this version; texts are joined by `concat(a, b)`";

fn stray(c: char, at: usize) -> Mistake {
    let mistake = Mistake::new(at, 1, format!("`{c}` is not part of the expression language"));
    match c {
        '?' | ':' => mistake.help("write `if(condition, a, b)` for a choice, `a?.b` and `a ?? b` for what may be null"),
        '=' => mistake.help("equality is `==`"),
        '&' | '|' => mistake.help("write `&&` and `||`"),
        '+' | '-' | '*' | '/' => mistake.help(NO_ARITHMETIC),
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
    let sign = usize::from(rest[0] == '-');
    let digits: String =
        rest[..sign].iter().chain(rest[sign..].iter().take_while(|c| c.is_ascii_digit() || **c == '.')).collect();
    let width = digits.len();
    let kind = if digits.contains('.') {
        digits.parse().ok().filter(|_| !digits.ends_with('.')).map(TokenKind::Float)
    } else {
        digits.parse().ok().map(TokenKind::Int)
    };
    let wrong = if digits.contains('.') { "is not a number" } else { "is larger than 64 bits with a sign" };
    kind.map(|k| (k, width))
        .ok_or_else(|| Mistake::new(at, width, format!("`{digits}` {wrong}")).help("for example `50`, `-1` or `0.5`"))
}

fn unexpected(token: &Token) -> Mistake {
    let mistake = Mistake::new(token.at, token.width, "the expression should have ended here");
    match &token.kind {
        TokenKind::Int(i) if *i < 0 => mistake.help(NO_ARITHMETIC),
        TokenKind::Float(f) if *f < 0.0 => mistake.help(NO_ARITHMETIC),
        TokenKind::Symbol(")" | "]") => mistake.help("nothing before it opens what it closes"),
        TokenKind::Symbol(_) => mistake.help("compare two values at a time, and join comparisons with `&&`"),
        _ => mistake.help("is an operator missing?"),
    }
}

struct Parser<'a> {
    tokens: &'a [Token],
    next: usize,
    end: usize,
    depth: usize,
}

type Parsed = Result<Expr, Mistake>;

impl<'a> Parser<'a> {
    fn peek(&self) -> Option<&'a Token> {
        self.tokens.get(self.next)
    }

    fn take(&mut self, symbol: &str) -> bool {
        let found = matches!(self.peek(), Some(Token { kind: TokenKind::Symbol(s), .. }) if *s == symbol);
        self.next += usize::from(found);
        found
    }

    fn expect(&mut self, symbol: &'static str) -> Result<(), Mistake> {
        if self.take(symbol) {
            return Ok(());
        }
        let at = self.peek().map_or(self.end, |t| t.at);
        Err(Mistake::new(at, 1, format!("`{symbol}` is missing here")).help("close what is open"))
    }

    /// From `start` to the end of the last token taken.
    fn spanned(&self, start: usize, kind: Kind) -> Expr {
        let last = &self.tokens[self.next - 1];
        Expr { at: start, width: last.at + last.width - start, kind }
    }

    fn or(&mut self) -> Parsed {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(Mistake::new(
                self.peek().map_or(0, |t| t.at),
                1,
                format!("an expression nests at most {MAX_DEPTH} levels deep"),
            )
            .help(SHORTER));
        }
        let mut left = self.and()?;
        while self.take("||") {
            let right = self.and()?;
            left = self.spanned(left.at, Kind::Or(Box::new(left), Box::new(right)));
        }
        self.depth -= 1;
        Ok(left)
    }

    fn and(&mut self) -> Parsed {
        let mut left = self.comparison()?;
        while self.take("&&") {
            let right = self.comparison()?;
            left = self.spanned(left.at, Kind::And(Box::new(left), Box::new(right)));
        }
        Ok(left)
    }

    fn comparison(&mut self) -> Parsed {
        const OPERATORS: [(&str, Comparison); 6] = [
            ("==", Comparison::Equal),
            ("!=", Comparison::NotEqual),
            ("<=", Comparison::LessOrEqual),
            (">=", Comparison::GreaterOrEqual),
            ("<", Comparison::Less),
            (">", Comparison::Greater),
        ];
        let left = self.coalesce()?;
        let Some((_, operator)) = OPERATORS.into_iter().find(|(symbol, _)| self.take(symbol)) else { return Ok(left) };
        let right = self.coalesce()?;
        Ok(self.spanned(left.at, Kind::Compare(operator, Box::new(left), Box::new(right))))
    }

    fn coalesce(&mut self) -> Parsed {
        let mut parts = vec![self.unary()?];
        while self.take("??") {
            parts.push(self.unary()?);
        }
        // From the right, so that the last alternative decides whether the whole may be null.
        let last = parts.pop().unwrap_or(Expr { at: 0, width: 1, kind: Kind::Null });
        let whole = parts
            .into_iter()
            .rev()
            .fold(last, |right, left| self.spanned(left.at, Kind::Coalesce(Box::new(left), Box::new(right))));
        Ok(whole)
    }

    fn unary(&mut self) -> Parsed {
        let Some(token) = self.peek() else { return self.postfix() };
        let is_not = matches!(&token.kind, TokenKind::Name(n) if n == "not") || token.kind == TokenKind::Symbol("!");
        if !is_not {
            return self.postfix();
        }
        self.next += 1;
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(
                Mistake::new(token.at, 1, format!("an expression nests at most {MAX_DEPTH} levels deep")).help(SHORTER)
            );
        }
        let of = self.unary()?;
        self.depth -= 1;
        Ok(self.spanned(token.at, Kind::Not(Box::new(of))))
    }

    fn postfix(&mut self) -> Parsed {
        let mut expr = self.primary()?;
        let mut links = 0;
        loop {
            links += 1;
            if links > MAX_DEPTH {
                return Err(Mistake::new(expr.at, expr.width, format!("a path has at most {MAX_DEPTH} steps"))
                    .help("bind a part of it: `of: ... as x`"));
            }
            let of = Box::new(expr.clone());
            let kind = if self.take("?.") {
                Kind::Member { of, name: self.name()?, safe: true }
            } else if self.take(".") {
                Kind::Member { of, name: self.name()?, safe: false }
            } else if self.take("[]") {
                Kind::Each(of)
            } else if self.take("[") {
                let index = Box::new(self.or()?);
                self.expect("]")?;
                Kind::Index { of, index }
            } else {
                return Ok(expr);
            };
            expr = self.spanned(expr.at, kind);
        }
    }

    fn name(&mut self) -> Result<String, Mistake> {
        match self.peek() {
            Some(Token { kind: TokenKind::Name(name), .. }) => {
                self.next += 1;
                Ok(name.clone())
            }
            other => Err(Mistake::new(other.map_or(self.end, |t| t.at), 1, "a field name must follow the dot")
                .help("for example `order.id`")),
        }
    }

    fn primary(&mut self) -> Parsed {
        let Some(token) = self.peek() else {
            return Err(Mistake::new(self.end, 1, "an expression is missing here")
                .help("for example `order.id`, `$params.id` or `\"text\"`"));
        };
        self.next += 1;
        let kind = match &token.kind {
            TokenKind::Int(i) => Kind::Int(*i),
            TokenKind::Float(f) => Kind::Float(*f),
            TokenKind::Text(t) => Kind::Text(t.clone()),
            TokenKind::Variable(v) => Kind::Variable(v.clone()),
            TokenKind::Name(n) if n == "null" => Kind::Null,
            TokenKind::Name(n) if n == "true" || n == "false" => Kind::Bool(n == "true"),
            TokenKind::Name(n) if self.take("(") => Kind::Call { function: n.clone(), arguments: self.arguments()? },
            TokenKind::Name(n) => Kind::Name(n.clone()),
            TokenKind::Symbol("(") => {
                let inner = self.or()?;
                self.expect(")")?;
                return Ok(inner);
            }
            TokenKind::Symbol(s) => {
                return Err(Mistake::new(token.at, token.width, format!("an expression cannot start with `{s}`"))
                    .help("a value comes first: a name, a text, a number or `(`"));
            }
        };
        Ok(self.spanned(token.at, kind))
    }

    fn arguments(&mut self) -> Result<Vec<Expr>, Mistake> {
        let mut arguments = Vec::new();
        if self.take(")") {
            return Ok(arguments);
        }
        loop {
            arguments.push(self.or()?);
            if self.take(")") {
                return Ok(arguments);
            }
            if !self.take(",") {
                let at = self.peek().map_or(self.end, |t| t.at);
                let mistake = Mistake::new(at, 1, "`,` or `)` is missing here");
                return Err(match self.peek() {
                    None => mistake.help("within `{ }` and `[ ]` YAML ends a value at a comma: put it in quotes"),
                    Some(_) => mistake.help("separate arguments with commas, and close with `)`"),
                });
            }
        }
    }
}
