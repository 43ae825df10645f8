//! What an author writes: a view file as data, every part with its place.

mod cache;
mod field_mask;
mod on_fail;
mod proxy;
mod read;
mod template;

use std::time::Duration;

pub use cache::{Cache, Scope};
pub use field_mask::FieldMask;
pub use on_fail::{Fallback, OnFail, Then};
pub use proxy::Proxy;
pub use read::{KEYS, read};
pub use template::{Part, Template};

use crate::expr::Expr;
use crate::problem::Place;

/// The JSON Schema of view files, for editors.
pub fn schema() -> &'static str {
    include_str!("definition/schema.json")
}

#[derive(Debug, Clone)]
pub struct Spanned<T> {
    pub value: T,
    pub place: Place,
}

/// What files define.
#[derive(Debug, Default)]
pub struct Definitions {
    pub views: Vec<View>,
    pub fragments: Vec<Fragment>,
    /// The names of fragments that could not be read: whoever uses one is not to blame.
    pub unread: Vec<String>,
}

/// A named piece of a shape, which sees its parameters and nothing else.
#[derive(Debug)]
pub struct Fragment {
    pub name: Spanned<String>,
    /// Each with its type: a scalar, `source/package.Name`, `list<...>`, with `?` where it may be null.
    pub params: Vec<(Spanned<String>, Spanned<String>)>,
    pub shape: Shape,
}

#[derive(Debug, Clone)]
pub struct View {
    pub name: Spanned<String>,
    /// Of a variant: its name. The rest is the whole view as that variant has it.
    pub variant: Option<Spanned<String>>,
    pub variants: Vec<View>,
    pub route: Route,
    /// Roles, or `public`.
    pub access: Vec<Spanned<String>>,
    pub deadline: Option<Spanned<Duration>>,
    pub params: Vec<Param>,
    pub body: Option<Body>,
    /// The `Idempotency-Key` header is required and travels on.
    pub idempotency: Option<Place>,
    pub calls: Vec<Call>,
    /// A call of many replies, each of which becomes one event; its name is what `as` says.
    pub stream: Option<Call>,
    /// Hands the request on as it is, instead of calls and a shape.
    pub proxy: Option<Proxy>,
    /// Default: 200, or 204 without a shape.
    pub status: Option<Spanned<u16>>,
    /// Of the answer, by name.
    pub headers: Vec<(Spanned<String>, Text)>,
    /// The tags whose entries are stale once the view has succeeded.
    pub invalidates: Vec<Template>,
    pub nulls: Nulls,
    pub shape: Option<Shape>,
}

impl View {
    /// A view of nothing.
    pub(crate) fn bare(name: &Spanned<String>) -> View {
        View {
            name: name.clone(),
            variant: None,
            variants: Vec::new(),
            route: Route { method: "GET".to_owned(), path: "/".to_owned(), place: name.place.clone() },
            access: Vec::new(),
            deadline: None,
            params: Vec::new(),
            body: None,
            idempotency: None,
            calls: Vec::new(),
            stream: None,
            proxy: None,
            status: None,
            headers: Vec::new(),
            invalidates: Vec::new(),
            nulls: Nulls::default(),
            shape: None,
        }
    }
}

/// What becomes of an answer's members that are null.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Nulls {
    #[default]
    Keep,
    /// They are left out; an item of a list stays null.
    Omit,
}

#[derive(Debug, Clone)]
pub struct Route {
    pub method: String,
    pub path: String,
    pub place: Place,
}

#[derive(Debug, Clone)]
pub struct Param {
    pub name: Spanned<String>,
    pub location: ParamLocation,
    /// A scalar's name, or `source/package.Enum`.
    pub ty: Spanned<String>,
    pub default: Option<Spanned<String>>,
    pub optional: bool,
    pub min: Option<i64>,
    pub max: Option<i64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParamLocation {
    Path,
    Query,
    Header,
}

/// A JSON body like a message of a contract.
#[derive(Debug, Clone)]
pub struct Body {
    /// `source/package.Message`.
    pub like: Spanned<String>,
    pub omit: Vec<Spanned<String>>,
    pub pick: Option<Vec<Spanned<String>>>,
    /// Fields that must be given beyond what the contract requires.
    pub required: Vec<Spanned<String>>,
}

#[derive(Debug, Clone)]
pub struct Call {
    pub name: Spanned<String>,
    pub protocol: Protocol,
    /// `source/operation`, or the `source/package.Message` of a subject.
    pub operation: Spanned<String>,
    /// Of a stream: `source/subject`.
    pub subject: Option<Template>,
    /// Of a stream: the id of an event.
    pub event_id: Option<Text>,
    pub request: Vec<(Spanned<String>, Argument)>,
    pub each: Option<Each>,
    pub when: Option<Text>,
    /// Calls that must have ended before it starts, though it reads nothing of them.
    pub after: Vec<Spanned<String>>,
    pub timeout: Option<Spanned<Duration>>,
    /// A second try starts when the first has not answered after this long.
    pub hedge: Option<Spanned<Duration>>,
    pub on_fail: OnFail,
    /// The author's word that it changes nothing, and that repeating it does no harm.
    pub safe: Option<Place>,
    pub idempotent: bool,
    pub cache: Option<Cache>,
    pub field_mask: Option<FieldMask>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    Grpc,
    Http,
    /// Messages of a subject; streams alone.
    Nats,
}

/// The call is made for every key of a list.
#[derive(Debug, Clone)]
pub struct Each {
    pub keys: Text,
    pub bound: Option<Spanned<u32>>,
    pub missing: Missing,
    /// Without one, every key has a request of its own.
    pub batch: Option<Batch>,
}

/// One request takes many keys.
#[derive(Debug, Clone)]
pub struct Batch {
    /// The field that takes the keys: `query.ids`, or a repeated message field.
    pub into: Spanned<String>,
    pub max: Spanned<u32>,
    /// The field of the reply that lists the results; none where the reply is the list.
    pub items: Option<Spanned<String>>,
    pub key: Spanned<String>,
}

/// What comes of a key that has no result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    Null,
    /// The item of a list that looks it up is left out.
    Drop,
    Fail,
}

/// A value of a request.
#[derive(Debug, Clone)]
pub enum Argument {
    Expr(Text),
    Object(Vec<(Spanned<String>, Argument)>, Place),
    List(Vec<Argument>, Place),
}

impl Call {
    /// Every expression that has to be evaluated before it is made.
    pub(crate) fn texts(&self) -> Vec<&Text> {
        let mut texts: Vec<&Text> = self.each.iter().map(|each| &each.keys).chain(&self.when).collect();
        self.request.iter().for_each(|(_, argument)| argument.texts(&mut texts));
        let tags = self.cache.iter().flat_map(|cache| &cache.tags).flat_map(|tag| &tag.parts);
        texts.extend(tags.filter_map(|part| match part {
            Part::Value(text) => Some(text),
            Part::Text(_) => None,
        }));
        texts
    }
}

impl Argument {
    pub(crate) fn texts<'t>(&'t self, texts: &mut Vec<&'t Text>) {
        match self {
            Argument::Expr(text) => texts.push(text),
            Argument::Object(fields, _) => fields.iter().for_each(|(_, a)| a.texts(texts)),
            Argument::List(items, _) => items.iter().for_each(|a| a.texts(texts)),
        }
    }
}

/// A parsed expression and where it stands.
#[derive(Debug, Clone)]
pub struct Text {
    pub expr: Expr,
    pub place: Place,
}

#[derive(Debug, Clone)]
pub enum Shape {
    Expr(Text),
    Object(Vec<(Spanned<String>, Shape)>),
    List(Box<List>),
    /// `of: value as name`, with `item`, `pick` or `omit`.
    Of {
        of: Binding,
        item: Item,
    },
    /// `of: oneof as name` with `cases`, by name; one without an item is null, and `_` stands for all that are not named.
    Union {
        of: Binding,
        cases: Vec<(Spanned<String>, Option<Item>)>,
    },
    Use(Use),
}

/// `use: order-line(l)`.
#[derive(Debug, Clone)]
pub struct Use {
    pub fragment: Spanned<String>,
    pub arguments: Vec<Expr>,
    /// Where the arguments' positions count from.
    pub place: Place,
}

/// `from: list as name`, with `where`, `sort`, `take`, and `item`, `pick` or `omit`.
#[derive(Debug, Clone)]
pub struct List {
    pub from: Binding,
    pub keep: Option<Text>,
    pub sort: Vec<Sort>,
    pub take: Option<Text>,
    pub item: Option<Item>,
}

/// One key of an order: `o.created_at desc`.
#[derive(Debug, Clone)]
pub struct Sort {
    pub by: Text,
    pub descending: bool,
}

#[derive(Debug, Clone)]
pub enum Item {
    Shape(Box<Shape>),
    Pick(Vec<Spanned<String>>),
    /// Every field but these; records within are written whole.
    Omit(Vec<Spanned<String>>),
}

#[derive(Debug, Clone)]
pub struct Binding {
    pub text: Text,
    pub name: Option<Spanned<String>>,
}
