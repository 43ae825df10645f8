//! Text to `Expr`, by precedence climbing. Loosest first: `||`, `&&`, comparison, `??`, `+ -`, `* /`,
//! `! -`, then members and indices.

use super::token::{Mistake, NUMBERS, SHORTER, TOO_LARGE, Token, TokenKind, tokens};
use super::{Comparison, Expr, Kind, Operator};
use crate::problem::{Place, Problem};

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
        let mut parts = vec![self.sum()?];
        while self.take("??") {
            parts.push(self.sum()?);
        }
        // From the right, so that the last alternative decides whether the whole may be null.
        let last = parts.pop().unwrap_or(Expr { at: 0, width: 1, kind: Kind::Null });
        let whole = parts
            .into_iter()
            .rev()
            .fold(last, |right, left| self.spanned(left.at, Kind::Coalesce(Box::new(left), Box::new(right))));
        Ok(whole)
    }

    fn sum(&mut self) -> Parsed {
        const OPERATORS: [(&str, Operator); 2] = [("+", Operator::Add), ("-", Operator::Subtract)];
        self.operators(&OPERATORS, Self::product)
    }

    fn product(&mut self) -> Parsed {
        const OPERATORS: [(&str, Operator); 2] = [("*", Operator::Multiply), ("/", Operator::Divide)];
        self.operators(&OPERATORS, Self::unary)
    }

    /// Operators of one precedence, from the left.
    fn operators(&mut self, known: &[(&str, Operator)], operand: fn(&mut Self) -> Parsed) -> Parsed {
        let mut left = operand(self)?;
        while let Some((_, operator)) = known.iter().find(|(symbol, _)| self.take(symbol)) {
            let right = operand(self)?;
            left = self.spanned(left.at, Kind::Arithmetic(*operator, Box::new(left), Box::new(right)));
        }
        Ok(left)
    }

    fn unary(&mut self) -> Parsed {
        let Some(token) = self.peek() else { return self.postfix() };
        let followed_by_number = matches!(self.tokens.get(self.next + 1), Some(t) if matches!(t.kind, TokenKind::Int(_) | TokenKind::Float(_)));
        let kind: fn(Box<Expr>) -> Kind = match &token.kind {
            TokenKind::Name(name) if name == "not" => Kind::Not,
            TokenKind::Symbol("!") => Kind::Not,
            TokenKind::Symbol("-") if !followed_by_number => Kind::Negate,
            _ => return self.postfix(),
        };
        self.next += 1;
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(
                Mistake::new(token.at, 1, format!("an expression nests at most {MAX_DEPTH} levels deep")).help(SHORTER)
            );
        }
        let of = self.unary()?;
        self.depth -= 1;
        Ok(self.spanned(token.at, kind(Box::new(of))))
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
            TokenKind::Int(i) => Kind::Int(i64::try_from(*i).map_err(|_| too_large(token, *i))?),
            TokenKind::Float(f) => Kind::Float(*f),
            TokenKind::Symbol("-") => self.negative_number(token)?,
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

    /// The number behind a minus, which is one literal with it.
    fn negative_number(&mut self, minus: &Token) -> Result<Kind, Mistake> {
        let number = self.peek();
        self.next += 1;
        match number {
            Some(token @ Token { kind: TokenKind::Int(i), .. }) => {
                0i64.checked_sub_unsigned(*i).map(Kind::Int).ok_or_else(|| too_large(token, *i))
            }
            Some(Token { kind: TokenKind::Float(f), .. }) => Ok(Kind::Float(-f)),
            _ => Err(Mistake::new(minus.at, minus.width, "a number is missing behind `-`").help(NUMBERS)),
        }
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
                    None => mistake.help("close it with `)`; within `{ }` and `[ ]` YAML ends a value at a comma: put it in quotes there"),
                    Some(_) => mistake.help("separate arguments with commas, and close with `)`"),
                });
            }
        }
    }
}

fn too_large(token: &Token, number: u64) -> Mistake {
    Mistake::new(token.at, token.width, format!("`{number}` {TOO_LARGE}")).help(NUMBERS)
}

fn unexpected(token: &Token) -> Mistake {
    let mistake = Mistake::new(token.at, token.width, "the expression should have ended here");
    match &token.kind {
        TokenKind::Symbol(")" | "]") => mistake.help("nothing before it opens what it closes"),
        TokenKind::Symbol(_) => mistake.help("compare two values at a time, and join comparisons with `&&`"),
        TokenKind::Name(name) if name == "and" => mistake.help("write `&&`"),
        TokenKind::Name(name) if name == "or" => mistake.help("write `||`, or `??` for what may be null"),
        _ => mistake.help("is an operator missing?"),
    }
}
