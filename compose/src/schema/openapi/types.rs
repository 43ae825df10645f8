//! Reads JSON schemas, as OpenAPI 3.0 and 3.1 write them, into types.
//!
//! A record gets its id when it is met and its fields later, from a queue: recursion between records costs no stack, and
//! a cycle without a record in it is an error. What has no single shape (tuples, `oneOf` without a discriminator, free
//! objects) is passed through.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::keyword;
use super::reference::References;
use crate::problem::{ErrorCode, Problem};
use crate::schema::{Direction, Enum, Field, Kind, Map, Record, RecordId, Type, Union, Wire};
use crate::yaml::{Entry, Node};

const MAX_DEPTH: usize = 64;
const MAX_RECORDS: usize = 20_000;
/// Readings of a schema: one for each place that refers to it.
const MAX_READINGS: usize = 400_000;
const MAX_PROBLEMS: usize = 100;
/// Characters of one step in a name that is made of a path.
const MAX_STEP: usize = 64;

pub struct Types<'a> {
    pub references: References<'a>,
    /// The id of the first record: those of other sources come before it.
    first: usize,
    records: Vec<Record>,
    /// Records without fields so far, and the object schemas that they merge.
    pending: Vec<(RecordId, Vec<&'a Node>)>,
    known_records: HashMap<*const Node, RecordId>,
    known_enums: HashMap<*const Node, Arc<Enum>>,
    known_maps: HashMap<*const Node, Arc<Map>>,
    pub(super) known_unions: HashMap<*const Node, Arc<Union>>,
    /// The schemas around the one being read.
    open: Vec<*const Node>,
    readings: usize,
    problems: Vec<Problem>,
}

impl<'a> Types<'a> {
    /// The first record is the empty one.
    pub fn new(references: References<'a>, first: usize) -> Types<'a> {
        Types {
            references,
            first,
            records: vec![Record { name: "nothing".into(), fields: Vec::new(), unions: Vec::new() }],
            pending: Vec::new(),
            known_records: HashMap::new(),
            known_enums: HashMap::new(),
            known_maps: HashMap::new(),
            known_unions: HashMap::new(),
            open: Vec::new(),
            readings: 0,
            problems: Vec::new(),
        }
    }

    /// The type of a schema; a faulty one is reported and passed through. `name` is for what has no name of its own.
    pub fn read(&mut self, schema: &'a Node, name: &str) -> Type {
        self.try_read(schema, name).unwrap_or_else(|problem| {
            self.report(problem);
            Type::optional(Kind::Json)
        })
    }

    /// The type of an answer without content.
    pub fn nothing(&self) -> Type {
        Type::required(Kind::Record(RecordId(self.first)))
    }

    pub fn report(&mut self, problem: Problem) {
        let same = |p: &Problem| order(p) == order(&problem) && p.message == problem.message;
        if self.problems.len() < MAX_PROBLEMS && !self.problems.iter().any(same) {
            self.problems.push(problem);
        }
    }

    /// Reads the fields of all records met so far; problems come in the order of the file.
    pub fn finish(mut self) -> (Vec<Record>, Vec<Problem>) {
        while let Some((id, parts)) = self.pending.pop() {
            let at = id.0 - self.first;
            let name = self.records[at].name.clone();
            self.records[at].fields = self.fields(&parts, &name);
        }
        self.problems.sort_by(|a, b| order(a).cmp(&order(b)));
        (self.records, self.problems)
    }

    pub(super) fn try_read(&mut self, schema: &'a Node, name: &str) -> Result<Type, Problem> {
        let target = self.references.follow(schema)?;
        let node = target.node;
        let ty = self.within(node, |types| types.shape(node, target.name.unwrap_or(name)))?;
        let nullable = ty.nullable || keyword::allows_null(node) || keyword::allows_null(schema);
        Ok(Type { nullable, ..ty })
    }

    /// Bounds what is read inside a schema.
    fn within<T>(
        &mut self,
        schema: &'a Node,
        read: impl FnOnce(&mut Self) -> Result<T, Problem>,
    ) -> Result<T, Problem> {
        self.readings += 1;
        if self.readings > MAX_READINGS {
            return Err(self.too_much("values", MAX_READINGS));
        }
        if self.open.contains(&std::ptr::from_ref(schema)) {
            return Err(Problem::new(ErrorCode::Contract, &schema.place, "this schema contains itself")
                .help("only a property of an object may lead back to the object"));
        }
        if self.open.len() >= MAX_DEPTH {
            return Err(Problem::new(
                ErrorCode::TooMuch,
                &schema.place,
                format!("schemas nested deeper than {MAX_DEPTH} levels"),
            )
            .help("give inner schemas names under `components`, or write them flatter"));
        }
        self.open.push(schema);
        let result = read(self);
        self.open.pop();
        result
    }

    fn too_much(&self, what: &str, limit: usize) -> Problem {
        Problem::new(
            ErrorCode::TooMuch,
            &self.references.root.place,
            format!("the document describes more than {limit} {what}"),
        )
        .help("cut it down to the operations that views call")
    }

    /// The type, apart from the node's own word on null.
    fn shape(&mut self, node: &'a Node, name: &str) -> Result<Type, Problem> {
        if let Some(id) = self.known_records.get(&std::ptr::from_ref(node)) {
            return Ok(Type::required(Kind::Record(*id)));
        }
        if node.entries().is_none() && node.as_bool() != Some(true) {
            return Err(Problem::new(
                ErrorCode::Contract,
                &node.place,
                format!("a schema is a map, this is {}", node.noun()),
            )
            .help("for example `{ type: string }`"));
        }
        if !keyword::all_of(node).is_empty() {
            return self.all_of(node, name);
        }
        if !keyword::alternatives(node).is_empty() {
            return self.one_of(node, name);
        }
        let names = keyword::enum_names(node);
        let kind = match keyword::type_names(node).as_slice() {
            _ if node.get("not").is_some() => Kind::Json,
            [] | ["string"] if !names.is_empty() => Kind::Enum(self.enumeration(node, names, name)),
            [] if node.get("properties").is_some() => self.object(node, vec![node], name)?,
            [] if node.get("items").is_some() => self.array(node, name)?,
            [] => return Ok(Type::optional(Kind::Json)),
            ["object"] => self.object(node, vec![node], name)?,
            ["array"] => self.array(node, name)?,
            ["string"] => keyword::string(node),
            ["integer"] => keyword::integer(node),
            ["number"] => keyword::number(node),
            ["boolean"] => Kind::Bool,
            [other] => return Err(keyword::unknown_type(node, other)),
            _ => Kind::Json,
        };
        Ok(Type::required(kind))
    }

    fn array(&mut self, node: &'a Node, name: &str) -> Result<Kind, Problem> {
        Ok(match node.get("items") {
            Some(items) if node.get("prefixItems").is_none() => Kind::List(Box::new(self.try_read(items, name)?)),
            Some(_) => Kind::Json,
            None => Kind::List(Box::new(Type::optional(Kind::Json))),
        })
    }

    /// One alternative beside null is a nullable type.
    fn one_of(&mut self, node: &'a Node, name: &str) -> Result<Type, Problem> {
        let (null, others): (Vec<_>, Vec<_>) =
            keyword::alternatives(node).into_iter().partition(|s| keyword::is_only_null(s));
        let ty = match others.as_slice() {
            [one] if !keyword::has_any(node, &["properties", "items", "enum", "const"]) => self.try_read(one, name)?,
            several if node.get("discriminator").is_some() => self.union(node, several, name)?,
            several => {
                let nullable = several.iter().any(|s| keyword::allows_null(s));
                Type { kind: Kind::Json, nullable }
            }
        };
        Ok(Type { nullable: ty.nullable || !null.is_empty(), ..ty })
    }

    /// A remark on one schema is that schema; objects are merged.
    fn all_of(&mut self, node: &'a Node, name: &str) -> Result<Type, Problem> {
        let members = keyword::all_of(node);
        let own = ["properties", "required", "items", "enum", "const", "oneOf", "anyOf"];
        if let ([one], false) = (members.as_slice(), keyword::has_any(node, &own)) {
            return self.try_read(one, name);
        }
        let kind = match self.object_parts(node)? {
            Some(parts) => self.object(node, parts, name)?,
            None => Kind::Json,
        };
        Ok(Type::required(kind))
    }

    /// The object schemas that an `allOf` merges, innermost first; none where a member is no object.
    fn object_parts(&mut self, node: &'a Node) -> Result<Option<Vec<&'a Node>>, Problem> {
        let plain = !keyword::has_any(node, &["items", "enum", "const", "not"])
            && keyword::alternatives(node).is_empty()
            && matches!(keyword::type_names(node).as_slice(), [] | ["object"]);
        if !plain {
            return Ok(None);
        }
        let mut parts = Vec::new();
        for member in keyword::all_of(node) {
            let member = self.references.follow(member)?.node;
            match self.within(member, |types| types.object_parts(member))? {
                Some(inner) => parts.extend(inner),
                None => return Ok(None),
            }
        }
        parts.push(node);
        Ok(Some(parts))
    }

    /// A record, or anything where no property is declared.
    fn object(&mut self, node: &'a Node, parts: Vec<&'a Node>, name: &str) -> Result<Kind, Problem> {
        let declares = |p: &&Node| p.get("properties").and_then(Node::entries).is_some_and(|e| !e.is_empty());
        if !parts.iter().any(declares) {
            return self.map(node, &parts, name);
        }
        let id = self.add(Record { name: name.to_owned(), fields: Vec::new(), unions: Vec::new() })?;
        self.known_records.insert(node, id);
        self.pending.push((id, parts));
        Ok(Kind::Record(id))
    }

    /// What has members of any name: a map where all of them are of one type.
    fn map(&mut self, node: &'a Node, parts: &[&'a Node], name: &str) -> Result<Kind, Problem> {
        if let Some(map) = self.known_maps.get(&std::ptr::from_ref(node)) {
            return Ok(Kind::Map(map.clone()));
        }
        let values = parts.iter().filter_map(|p| p.get("additionalProperties")).find(|v| v.entries().is_some());
        let Some(values) = values.filter(|_| !parts.iter().any(|p| p.get("patternProperties").is_some())) else {
            return Ok(Kind::Json);
        };
        let value = self.try_read(values, &nested(name, "value"))?;
        let entry = Map::entry(nested(name, "entry"), Kind::String, value.clone(), [Wire::Json, Wire::Json]);
        let map = Arc::new(Map { entry: self.add(entry)?, key: Kind::String, value });
        self.known_maps.insert(node, map.clone());
        Ok(Kind::Map(map))
    }

    pub(super) fn add(&mut self, record: Record) -> Result<RecordId, Problem> {
        if self.records.len() >= MAX_RECORDS {
            return Err(self.too_much("objects", MAX_RECORDS));
        }
        self.records.push(record);
        Ok(RecordId(self.first + self.records.len() - 1))
    }

    fn fields(&mut self, parts: &[&'a Node], record: &str) -> Vec<Field> {
        let required: HashSet<&str> =
            parts.iter().filter_map(|p| p.get("required")?.list()).flatten().filter_map(Node::text).collect();
        let mut properties: Vec<&'a Entry> = Vec::new();
        let mut known: HashMap<&'a str, usize> = HashMap::new();
        for entry in parts.iter().filter_map(|p| p.get("properties")?.entries()).flatten() {
            match known.get(entry.key.as_str()) {
                Some(earlier) => properties[*earlier] = entry,
                None => {
                    known.insert(&entry.key, properties.len());
                    properties.push(entry);
                }
            }
        }
        properties.into_iter().map(|p| self.field(p, required.contains(p.key.as_str()), record)).collect()
    }

    fn field(&mut self, property: &'a Entry, required: bool, record: &str) -> Field {
        let ty = self.read(&property.value, &nested(record, &property.key));
        let direction = match &property.value {
            schema if keyword::flag(schema, "readOnly") => Direction::Answered,
            schema if keyword::flag(schema, "writeOnly") => Direction::Sent,
            _ => Direction::Both,
        };
        Field {
            name: property.key.clone(),
            ty: Type { nullable: ty.nullable || !required, ..ty },
            required: required && direction != Direction::Answered,
            promised: required && direction != Direction::Sent,
            direction,
            int64: None,
            wire: Wire::Json,
        }
    }

    fn enumeration(&mut self, node: &'a Node, names: Vec<String>, name: &str) -> Arc<Enum> {
        let read = || Arc::new(Enum { name: name.to_owned(), values: (0..).zip(names).collect(), text: true });
        self.known_enums.entry(node).or_insert_with(read).clone()
    }
}

/// By file and place.
fn order(problem: &Problem) -> (&str, usize, usize) {
    (&problem.place.file.name, problem.place.line, problem.place.column)
}

/// The name of something nameless inside something named.
pub fn nested(outer: &str, step: &str) -> String {
    let step: String = step.chars().take(MAX_STEP).collect();
    format!("{outer}.{step}")
}
