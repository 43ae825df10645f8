//! `oneOf` and `anyOf` with a `discriminator`: a member that names which of the alternatives an object is.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::keyword;
use super::types::{Types, nested};
use crate::problem::{ErrorCode, Problem};
use crate::schema::{Direction, Field, Kind, Record, Type, Union, Wire};
use crate::yaml::Node;

impl<'a> Types<'a> {
    /// A union of these alternatives, each an object; JSON of any kind where one is not, or has no name.
    pub(super) fn union(&mut self, node: &'a Node, several: &[&'a Node], name: &str) -> Result<Type, Problem> {
        let nullable = several.iter().any(|s| keyword::allows_null(s));
        if let Some(union) = self.known_unions.get(&std::ptr::from_ref(node)) {
            return Ok(Type { kind: Kind::Union(union.clone()), nullable });
        }
        let tag = node.get("discriminator").and_then(|d| d.get("propertyName")).and_then(Node::text);
        let Some(tag) = tag.filter(|tag| !tag.is_empty()) else {
            let place = node.get("discriminator").map_or(&node.place, |d| &d.place);
            return Err(Problem::new(ErrorCode::Contract, place, "a discriminator needs a `propertyName`")
                .help("name the member that says which of the alternatives an object is"));
        };
        let mapping = self.mapping(node)?;
        let mut cases: Vec<(String, Type)> = Vec::new();
        let mut taken: HashSet<String> = HashSet::new();
        for alternative in several {
            let ty = self.try_read(alternative, &nested(name, "case"))?;
            let names = self.names_of(&mapping, alternative, tag)?;
            if names.is_empty() || !matches!(ty.kind, Kind::Record(_)) || keyword::has_any(node, &["properties"]) {
                return Ok(Type { kind: Kind::Json, nullable });
            }
            for name in names {
                if !taken.insert(name.clone()) {
                    let message = format!("two alternatives are named `{name}`");
                    return Err(Problem::new(ErrorCode::Contract, &alternative.place, message)
                        .help("give each its own name in the discriminator's `mapping`"));
                }
                cases.push((name, Type::optional(ty.kind.clone())));
            }
        }
        let field = |(name, ty): &(String, Type)| Field {
            name: name.clone(),
            ty: ty.clone(),
            required: false,
            promised: false,
            direction: Direction::Both,
            int64: None,
            wire: Wire::Json,
        };
        let record = Record { name: name.to_owned(), fields: cases.iter().map(field).collect(), unions: Vec::new() };
        let within = self.add(record)?;
        let cases = cases.into_iter().enumerate().map(|(i, (name, _))| (name, i)).collect();
        let union = Arc::new(Union { name: name.to_owned(), within, cases, tag: Some(tag.to_owned()) });
        self.known_unions.insert(node, union.clone());
        Ok(Type { kind: Kind::Union(union), nullable })
    }

    /// The names that the discriminator gives, by the schema that each stands for.
    fn mapping(&mut self, node: &'a Node) -> Result<HashMap<*const Node, Vec<String>>, Problem> {
        let declared = node.get("discriminator").and_then(|d| d.get("mapping")).and_then(Node::entries);
        let mut names: HashMap<*const Node, Vec<String>> = HashMap::new();
        for entry in declared.unwrap_or_default() {
            let text = entry.value.text().unwrap_or_default();
            let named = if text.contains(['#', '/', '.']) {
                self.references.find(&entry.value)?.node
            } else {
                self.references.component(&entry.value)?
            };
            let target = std::ptr::from_ref(self.references.follow(named)?.node);
            names.entry(target).or_default().push(entry.key.clone());
        }
        Ok(names)
    }

    /// What the discriminator calls an alternative: by its mapping, by its only value, or by the component's name.
    fn names_of(
        &mut self,
        mapping: &HashMap<*const Node, Vec<String>>,
        alternative: &'a Node,
        tag: &str,
    ) -> Result<Vec<String>, Problem> {
        let target = self.references.follow(alternative)?.node;
        if let Some(names) = mapping.get(&std::ptr::from_ref(target)) {
            return Ok(names.clone());
        }
        let property = target.get("properties").and_then(|p| p.get(tag));
        if let [only] = property.map(keyword::enum_names).unwrap_or_default().as_slice() {
            return Ok(vec![only.clone()]);
        }
        let component = alternative.get("$ref").and_then(Node::text).and_then(|r| r.rsplit('/').next());
        Ok(component.map(str::to_owned).into_iter().collect())
    }
}
