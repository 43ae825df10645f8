//! Literals of whole replies: YAML against a type, to JSON text.

use std::sync::Arc;

use super::Checker;
use crate::plan::{Projection, ProjectionId, json_layout};
use crate::problem::{ErrorCode, Problem};
use crate::schema::{Kind, Map, RecordId, Type, Union};
use crate::tape::Layout;
use crate::write;
use crate::yaml::{self, Entry, Node};

impl Checker<'_> {
    /// The text of what is used of the literal. What is not used is checked all the same.
    pub(super) fn literal(&mut self, node: &Node, ty: &Type, used: Option<ProjectionId>) -> Option<String> {
        if node.is_null() && ty.nullable {
            return Some("null".to_owned());
        }
        match &ty.kind {
            Kind::Record(id) => self.record_literal(node, *id, None, used),
            Kind::List(item) => self.list_literal(node, item, used),
            Kind::Map(map) => self.map_literal(node, map, used),
            Kind::Union(union) => self.union_literal(node, union, used),
            kind => self.plain_literal(node, kind),
        }
    }

    /// `tag` names the case that the record is of.
    fn record_literal(
        &mut self,
        node: &Node,
        id: RecordId,
        tag: Option<&str>,
        used: Option<ProjectionId>,
    ) -> Option<String> {
        let record = self.contracts.record(id);
        let Some(entries) = node.entries() else {
            let message = format!("a {} is a map of its fields, not {}", record.name, node.noun());
            let field = record.fields.first().map(|field| format!(" {}: ... ", field.name)).unwrap_or_default();
            self.problem(ErrorCode::WrongType, &node.place, message, format!("for example `{{{field}}}`"));
            return None;
        };
        let used: &[(usize, Option<ProjectionId>)] = &used.map(|p| self.fields_of(p)).unwrap_or_default();
        let mut members = Vec::new();
        let before = self.problems.len();
        for entry in entries {
            if tag == Some(entry.key.as_str()) {
                members.push(format!("{}:{}", quoted(&entry.key), json(&entry.value, false)));
                continue;
            }
            let Some(i) = record.fields.iter().position(|f| f.name == entry.key) else {
                self.unknown_field(record, &entry.place, &entry.key);
                continue;
            };
            let slot = used.iter().find(|(field, _)| *field == i);
            let text = self.literal(&entry.value, &record.fields[i].ty, slot.and_then(|(_, inner)| *inner));
            if let (Some(text), Some(_)) = (text, slot) {
                members.push(format!("{}:{text}", quoted(&entry.key)));
            }
        }
        for (i, _) in used {
            let field = &record.fields[*i];
            if field.promised && !entries.iter().any(|entry| entry.key == field.name) {
                let message = format!("`{}` is missing, which every {} has", field.name, record.name);
                self.problem(ErrorCode::Required, &node.place, message, format!("add `{}: ...`", field.name));
            }
        }
        (self.problems.len() == before).then(|| format!("{{{}}}", members.join(",")))
    }

    fn fields_of(&self, projection: ProjectionId) -> Vec<(usize, Option<ProjectionId>)> {
        let Projection { fields, .. } = &self.projections[projection.0];
        fields.clone()
    }

    fn list_literal(&mut self, node: &Node, item: &Type, used: Option<ProjectionId>) -> Option<String> {
        let Some(items) = node.list() else {
            let wants = self.contracts.describe(item);
            self.problem(
                ErrorCode::WrongType,
                &node.place,
                format!("this is a list<{wants}>, not {}", node.noun()),
                "for example `[]`",
            );
            return None;
        };
        let items: Vec<Option<String>> = items.iter().map(|node| self.literal(node, item, used)).collect();
        Some(format!("[{}]", items.into_iter().collect::<Option<Vec<_>>>()?.join(",")))
    }

    fn map_literal(&mut self, node: &Node, map: &Arc<Map>, used: Option<ProjectionId>) -> Option<String> {
        let Some(entries) = node.entries() else {
            let wants = self.contracts.describe(&Type::required(Kind::Map(map.clone())));
            let message = format!("this is a {wants}, not {}", node.noun());
            self.problem(ErrorCode::WrongType, &node.place, message, "for example `{}`");
            return None;
        };
        let used = used.and_then(|entry| self.fields_of(entry).get(1)?.1);
        let value = self.contracts.map_value(map);
        let member = |entry: &Entry| {
            let key = self.is_key(entry, map);
            let text = self.literal(&entry.value, &value, used)?;
            key.then(|| format!("{}:{text}", quoted(&entry.key)))
        };
        let members: Vec<Option<String>> = entries.iter().map(member).collect();
        Some(format!("{{{}}}", members.into_iter().collect::<Option<Vec<_>>>()?.join(",")))
    }

    fn is_key(&mut self, entry: &Entry, map: &Map) -> bool {
        let key = Type::required(map.key.clone());
        let alone = Map { entry: map.entry, key: map.key.clone(), value: Type::optional(Kind::Json) };
        let layout = json_layout(&Type::required(Kind::Map(Arc::new(alone))), None, &[], self.contracts);
        match crate::decode::reply(&layout, format!("{{{}:null}}", quoted(&entry.key)).into()) {
            Ok(_) => true,
            Err(violation) => {
                let help = format!("write a key of type {}", self.contracts.describe(&key));
                self.problem(ErrorCode::WrongType, &entry.place, format!("the key {}", violation.message), help);
                false
            }
        }
    }

    /// An object with the member that names its case.
    fn union_literal(&mut self, node: &Node, union: &Union, used: Option<ProjectionId>) -> Option<String> {
        let tag = union.tag.as_deref().unwrap_or_default();
        let Some(named) = node.get(tag) else {
            let message = format!("`{}` is one of several objects: `{tag}` must say which", union.name);
            let names: Vec<String> = union.cases.iter().map(|(name, _)| format!("`{name}`")).collect();
            let help = format!("`{tag}: ` and one of {}", names.join(", "));
            self.problem(ErrorCode::Required, &node.place, message, help);
            return None;
        };
        let name = named.text().unwrap_or_default();
        let Some((_, field)) = union.cases.iter().find(|(case, _)| case == name) else {
            let message = format!("`{}` has no case `{name}`", union.name);
            let cases = union.cases.iter().map(|(name, _)| name.as_str());
            self.problems.push(Problem::new(ErrorCode::UnknownValue, &named.place, message).suggest(name, cases));
            return None;
        };
        let used = used.and_then(|used| self.fields_of(used).iter().find(|(case, _)| case == field)?.1);
        match self.contracts.record(union.within).fields[*field].ty.kind {
            Kind::Record(record) => self.record_literal(node, record, Some(tag), used),
            _ => None,
        }
    }

    fn plain_literal(&mut self, node: &Node, kind: &Kind) -> Option<String> {
        let text = match kind {
            Kind::Json => json(node, true),
            Kind::Bool | Kind::Int32 | Kind::Int64 | Kind::Uint32 | Kind::Uint64 | Kind::Float | Kind::Double => {
                json(node, true)
            }
            _ => json(node, false),
        };
        let ty = Type::required(kind.clone());
        let Layout::Json(layout) = json_layout(&ty, None, &[], self.contracts) else { return None };
        match crate::decode::body(&layout, text.clone().into()) {
            Ok(_) => Some(text),
            Err(violations) => {
                let wants = self.contracts.describe(&ty);
                let why = violations.first().map(ToString::to_string).unwrap_or_default();
                self.problem(
                    ErrorCode::WrongType,
                    &node.place,
                    format!("the default {why}"),
                    format!("write a value of type {wants}"),
                );
                None
            }
        }
    }
}

/// The node as JSON; plain scalars are numbers and such where `typed`, else texts.
fn json(node: &Node, typed: bool) -> String {
    match &node.kind {
        yaml::Kind::Scalar { text, plain: true } if typed => {
            let literal = matches!(text.as_str(), "true" | "false" | "null");
            if literal || crate::decode::is_number(text.as_bytes()) { text.clone() } else { quoted(text) }
        }
        yaml::Kind::Scalar { text, .. } => quoted(text),
        yaml::Kind::List(items) => {
            format!("[{}]", items.iter().map(|item| json(item, typed)).collect::<Vec<_>>().join(","))
        }
        yaml::Kind::Map(entries) => {
            let members = entries.iter().map(|entry| format!("{}:{}", quoted(&entry.key), json(&entry.value, typed)));
            format!("{{{}}}", members.collect::<Vec<_>>().join(","))
        }
    }
}

fn quoted(text: &str) -> String {
    let mut out = Vec::new();
    write::string(&mut out, text);
    String::from_utf8_lossy(&out).into_owned()
}
