//! Reads OpenAPI documents, 3.0 and 3.1, in YAML or JSON.
//!
//! Only what a call needs is read: operations, their parameters, JSON bodies and the success answer. Paths stay relative
//! to the source's own address, so `servers` is ignored; cookies are never sent, so cookie parameters are too.

mod documents;
mod keyword;
mod reference;
mod types;
mod union;

use std::collections::BTreeMap;
use std::sync::Arc;

use self::reference::References;
use self::types::{Types, nested};
use super::{Body, Contracts, Kind, Location, Operation, Parameter, Protocol, Type};
use crate::problem::{ErrorCode, File, Place, Problem};
use crate::yaml::{Entry, Node};

const CONTENT_PARAMETER: &str = "a parameter with a media type of its own, which views cannot write";
const STYLES: [(&str, &str); 5] = [
    ("deepObject", "a parameter in the style `deepObject`: an object, which views cannot write there"),
    ("spaceDelimited", "a list with spaces between (style `spaceDelimited`), which views do not write"),
    ("pipeDelimited", "a list with `|` between (style `pipeDelimited`), which views do not write"),
    ("matrix", "a parameter in the style `matrix`, which views do not write"),
    ("label", "a parameter in the style `label`, which views do not write"),
];
const OTHER_STYLE: &str = "a parameter in a style that this place does not have";
const STRUCTURED_PARAMETER: &str = "a parameter that is not a plain value or a list of plain values";
const OTHER_BODY: &str = "a request body that is not JSON, which views cannot write";

const JSON: &str = "application/json";
/// What an error looks like, never a success.
const PROBLEM: &str = "application/problem+json";

/// Header parameters that OpenAPI itself says are none.
const IGNORED: [&str; 3] = ["accept", "content-type", "authorization"];

/// Of one operation.
const MAX_PARAMETERS: usize = 256;

struct Method {
    name: &'static str,
    idempotent: bool,
    safe: bool,
}

const METHODS: [Method; 7] = [
    Method { name: "get", idempotent: true, safe: true },
    Method { name: "head", idempotent: true, safe: true },
    Method { name: "options", idempotent: true, safe: true },
    Method { name: "put", idempotent: true, safe: false },
    Method { name: "delete", idempotent: true, safe: false },
    Method { name: "post", idempotent: false, safe: false },
    Method { name: "patch", idempotent: false, safe: false },
];

impl Contracts {
    /// Adds every operation and named schema of a document, or says what is wrong with it. `resolve` reads the files that
    /// it refers to, by names made of its own: `a/b.yaml` beside `a/c.yaml`.
    pub fn add_openapi(
        &mut self,
        source: &str,
        file: &Arc<File>,
        resolve: &dyn Fn(&str) -> Option<Arc<File>>,
    ) -> Vec<Problem> {
        let (documents, mut problems) = match documents::load(file, resolve) {
            Ok(loaded) => loaded,
            Err(problem) => return vec![problem],
        };
        let Some(root) = documents.first().map(|document| &document.root) else { return problems };
        if let Err(problem) = version(root) {
            return vec![problem];
        }
        let mut reader = Reader { types: Types::new(References::new(&documents, root), self.records.len()) };
        let types = reader.named_types();
        let operations = reader.operations();
        let (records, more) = reader.types.finish();
        problems.extend(more);
        self.records.extend(records);
        let entry = self.sources.entry(source.to_owned()).or_default();
        entry.http = true;
        entry.operations.extend(operations);
        entry.types.extend(types);
        problems
    }
}

/// Whether it is one that is read here.
fn version(root: &Node) -> Result<(), Problem> {
    let Some(version) = root.get("openapi").or_else(|| root.get("swagger")) else {
        let start = Place::start_of(&root.place.file);
        return Err(Problem::new(ErrorCode::Contract, &start, "this is not an OpenAPI document")
            .help("it starts with `openapi: 3.1.0`"));
    };
    let text = version.text().unwrap_or_default();
    if ["3.0", "3.1"].iter().any(|known| text == *known || text.starts_with(&format!("{known}."))) {
        return Ok(());
    }
    Err(Problem::new(ErrorCode::Unsupported, &version.place, format!("OpenAPI `{text}` is not read here"))
        .help("convert the document to OpenAPI 3.0 or 3.1"))
}

struct Reader<'a> {
    types: Types<'a>,
}

/// One operation, where its path says it.
struct Site<'a> {
    path: &'a Entry,
    /// What the path says for all of its methods.
    shared: &'a Node,
    method: &'static Method,
    operation: &'a Entry,
}

impl<'a> Reader<'a> {
    fn named_types(&mut self) -> BTreeMap<String, Type> {
        let root = self.types.references.root;
        let schemas = root.get("components").and_then(|c| c.get("schemas")).and_then(Node::entries);
        let schemas = schemas.unwrap_or_default().iter();
        schemas.map(|e| (e.key.clone(), self.types.read(&e.value, &e.key))).collect()
    }

    fn operations(&mut self) -> BTreeMap<String, Operation> {
        let root = self.types.references.root;
        let mut operations = BTreeMap::new();
        let paths = root.get("paths").and_then(Node::entries).unwrap_or_default();
        for path in paths.iter().filter(|e| e.key.starts_with('/')) {
            let Some(shared) = self.follow(&path.value) else { continue };
            for operation in shared.entries().unwrap_or_default() {
                let Some(method) = METHODS.iter().find(|m| m.name == operation.key) else { continue };
                let read = self.operation(&Site { path, shared, method, operation });
                if operations.contains_key(&read.name) {
                    let message = format!("the operation `{}` is declared twice", read.name);
                    self.types.report(
                        Problem::new(ErrorCode::Contract, &operation.place, message)
                            .help("give each its own operationId"),
                    );
                }
                operations.insert(read.name.clone(), read);
            }
        }
        operations
    }

    fn operation(&mut self, site: &Site<'a>) -> Operation {
        let method = site.method.name.to_ascii_uppercase();
        let path = &site.path.key;
        let declared = &site.operation.value;
        let name = declared.get("operationId").and_then(Node::text).filter(|id| !id.is_empty());
        let name = name.map_or_else(|| format!("{method} {path}"), str::to_owned);
        let parameters = self.parameters(site, &name);
        for variable in variables(path) {
            if !parameters.iter().any(|p| p.location == Location::Path && p.name == variable) {
                let message = format!("`{{{variable}}}` in the path of `{name}` is not declared as a parameter");
                self.types.report(
                    Problem::new(ErrorCode::Contract, &site.path.place, message)
                        .help("add a parameter with `in: path`"),
                );
            }
        }
        Operation {
            response: self.response(declared, &name),
            idempotent: site.method.idempotent,
            safe: site.method.safe,
            protocol: Protocol::Http { body: self.body(declared, &name), method, path: path.clone(), parameters },
            name,
        }
    }

    /// The path's parameters, each unless the operation has its own of that name and place.
    fn parameters(&mut self, site: &Site<'a>, operation: &str) -> Vec<Parameter> {
        let lists =
            [site.shared, &site.operation.value].map(|n| n.get("parameters").and_then(Node::list).unwrap_or_default());
        let mut parameters: Vec<Parameter> = Vec::new();
        for node in lists.into_iter().flatten() {
            let Some(parameter) = self.follow(node).and_then(|n| self.parameter(n, operation)) else { continue };
            let same = |p: &Parameter| p.location == parameter.location && p.name == parameter.name;
            match parameters.iter().position(same) {
                Some(earlier) => parameters[earlier] = parameter,
                None if parameters.len() == MAX_PARAMETERS => {
                    let message = format!("`{operation}` has more than {MAX_PARAMETERS} parameters");
                    let problem = Problem::new(ErrorCode::TooMuch, &site.operation.place, message);
                    self.types.report(problem.help("send more in a body"));
                    break;
                }
                None => parameters.push(parameter),
            }
        }
        parameters
    }

    fn parameter(&mut self, node: &'a Node, operation: &str) -> Option<Parameter> {
        let (Some(name), Some(place)) = (text(node, "name"), text(node, "in")) else {
            self.types.report(
                Problem::new(ErrorCode::Contract, &node.place, "a parameter needs `name` and `in`")
                    .help("for example `{ name: id, in: path, schema: { type: string } }`"),
            );
            return None;
        };
        let (location, usual_style) = match place {
            "path" => (Location::Path, "simple"),
            "query" => (Location::Query, "form"),
            // These say how the body travels and who asks, which is not a call's to decide.
            "header" if IGNORED.iter().any(|ignored| name.eq_ignore_ascii_case(ignored)) => return None,
            "header" => (Location::Header, "simple"),
            "cookie" => return None,
            other => {
                let problem = Problem::new(
                    ErrorCode::Contract,
                    &node.get("in")?.place,
                    format!("parameters cannot be in `{other}`"),
                );
                self.types.report(problem.suggest(other, ["path", "query", "header", "cookie"]));
                return None;
            }
        };
        let ty = match node.get("schema") {
            Some(schema) => self.types.read(schema, &nested(operation, name)),
            None => Type::required(Kind::Opaque(CONTENT_PARAMETER)),
        };
        let style = text(node, "style").unwrap_or(usual_style);
        let schema = node.get("schema").and_then(|s| self.types.references.follow(s).ok()).map(|target| target.node);
        let has_default = schema.is_some_and(|schema| schema.get("default").is_some());
        let optional = location != Location::Path && (!keyword::flag(node, "required") || has_default);
        let explode = node.get("explode").and_then(Node::as_bool).unwrap_or(style == "form");
        Some(Parameter {
            name: name.to_owned(),
            location,
            required: !optional,
            ty: Type { kind: written(ty.kind, (style != usual_style).then_some(style)), nullable: optional },
            explode: explode && location == Location::Query,
            limits: schema.map(keyword::limits).unwrap_or_default(),
        })
    }

    fn body(&mut self, operation: &'a Node, name: &str) -> Option<Body> {
        let body = self.follow(operation.get("requestBody")?)?;
        let required = keyword::flag(body, "required");
        let Some(content) = json_content(body) else {
            return Some(Body { ty: Type::required(Kind::Opaque(OTHER_BODY)), required, media_type: String::new() });
        };
        let ty = content.value.get("schema").map(|s| self.types.read(s, &nested(name, "request")));
        let media_type = if content.key.contains('*') { JSON } else { &content.key };
        Some(Body { ty: ty.unwrap_or(Type::optional(Kind::Json)), required, media_type: media_type.to_owned() })
    }

    /// The lowest success with JSON in it, or null where another success has no content at all; `default` counts only
    /// where no success is declared.
    fn response(&mut self, operation: &'a Node, name: &str) -> Type {
        let declared = operation.get("responses").and_then(Node::entries).unwrap_or_default();
        let mut answers: Vec<&'a Entry> = declared.iter().filter(|e| e.key.starts_with('2')).collect();
        answers.sort_by(|a, b| a.key.cmp(&b.key));
        if answers.is_empty() {
            answers.extend(declared.iter().find(|e| e.key == "default"));
        }
        let answers: Vec<&'a Node> = answers.into_iter().filter_map(|answer| self.follow(&answer.value)).collect();
        let may_be_empty = answers.iter().any(|answer| answer.get("content").is_none());
        if let Some(content) = answers.into_iter().find_map(json_content) {
            let schema = content.value.get("schema").map(|s| self.types.read(s, &nested(name, "response")));
            let ty = schema.unwrap_or(Type::optional(Kind::Json));
            return Type { nullable: ty.nullable || may_be_empty, ..ty };
        }
        self.types.nothing()
    }

    /// What a node refers to, or nothing, reported.
    fn follow(&mut self, node: &'a Node) -> Option<&'a Node> {
        match self.types.references.follow(node) {
            Ok(target) => Some(target.node),
            Err(problem) => {
                self.types.report(problem);
                None
            }
        }
    }
}

/// The kind of a parameter as far as views can write it into a URL or a header.
fn written(kind: Kind, style: Option<&str>) -> Kind {
    let structured = |kind: &Kind| matches!(kind, Kind::Record(_) | Kind::Union(_) | Kind::Map(_) | Kind::Json);
    match kind {
        opaque @ Kind::Opaque(_) => opaque,
        _ if style.is_some() => {
            let reason = STYLES.iter().find(|(name, _)| Some(*name) == style).map(|(_, reason)| *reason);
            Kind::Opaque(reason.unwrap_or(OTHER_STYLE))
        }
        Kind::List(item) if structured(&item.kind) || matches!(item.kind, Kind::List(_)) => {
            Kind::Opaque(STRUCTURED_PARAMETER)
        }
        kind if structured(&kind) => Kind::Opaque(STRUCTURED_PARAMETER),
        kind => kind,
    }
}

/// The media type to speak: JSON, or something that calls itself JSON, or anything at all.
fn json_content(node: &Node) -> Option<&Entry> {
    let content = node.get("content")?.entries()?;
    let essence = |e: &Entry| e.key.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let first = |wanted: fn(&str) -> bool| content.iter().find(|e| wanted(&essence(e)));
    first(|m| m == JSON).or_else(|| first(|m| m.ends_with("+json") && m != PROBLEM)).or_else(|| first(|m| m == "*/*"))
}

/// The names between braces.
fn variables(path: &str) -> impl Iterator<Item = &str> {
    path.split('{').skip(1).filter_map(|rest| Some(rest.split_once('}')?.0))
}

fn text<'a>(node: &'a Node, key: &str) -> Option<&'a str> {
    node.get(key)?.text()
}
