//! Follows `$ref`, within a document and into the files beside it.

use std::sync::Arc;

use super::documents::{Document, beside};
use crate::problem::{ErrorCode, Problem};
use crate::yaml::{Kind, Node};

/// References that lead to references.
const MAX_HOPS: usize = 64;

/// As a reference to a component would begin.
const SCHEMAS: &str = "#/components/schemas/";

#[derive(Clone, Copy)]
pub struct References<'a> {
    documents: &'a [Document],
    /// The document whose operations are read.
    pub root: &'a Node,
}

/// Where references ended.
pub struct Target<'a> {
    pub node: &'a Node,
    /// The last reference's own name for it, such as a component's.
    pub name: Option<&'a str>,
}

impl<'a> References<'a> {
    pub fn new(documents: &'a [Document], root: &'a Node) -> References<'a> {
        References { documents, root }
    }

    /// The node itself, unless it is a reference.
    pub fn follow(self, node: &'a Node) -> Result<Target<'a>, Problem> {
        let mut target = Target { node, name: None };
        for _ in 0..MAX_HOPS {
            let Some(reference) = target.node.get("$ref") else { return Ok(target) };
            target = self.find(reference)?;
        }
        Err(Problem::new(ErrorCode::Contract, &node.place, "this reference leads back to itself")
            .help("let it end at a definition"))
    }

    /// What a `$ref`, or a text like it, refers to.
    pub fn find(self, reference: &'a Node) -> Result<Target<'a>, Problem> {
        let Some(text) = reference.text() else {
            let message = format!("a reference is a text, this is {}", reference.noun());
            return Err(Problem::new(ErrorCode::Contract, &reference.place, message)
                .help("for example `#/components/schemas/Order`"));
        };
        self.lookup(text, reference)
    }

    /// The schema that the name of a component refers to.
    pub fn component(self, name: &'a Node) -> Result<&'a Node, Problem> {
        Ok(self.lookup(&format!("{SCHEMAS}{}", name.text().unwrap_or_default()), name)?.node)
    }

    fn lookup(self, text: &str, reference: &'a Node) -> Result<Target<'a>, Problem> {
        let document = self.document(text, reference)?;
        let Some((_, fragment)) = text.split_once('#') else {
            return Ok(Target { node: &document.root, name: Some(&document.stem) });
        };
        let Some(pointer) = percent_decoded(fragment).filter(|p| p.is_empty() || p.starts_with('/')) else {
            return Err(Problem::new(
                ErrorCode::Contract,
                &reference.place,
                format!("`{text}` is not a path in this document"),
            )
            .help("write it like `#/components/schemas/Order`"));
        };
        let mut target = Target { node: &document.root, name: None };
        for step in pointer.split('/').skip(1).map(|s| s.replace("~1", "/").replace("~0", "~")) {
            target = child(target.node, &step).ok_or_else(|| {
                let known = target.node.entries().unwrap_or_default().iter().map(|e| e.key.as_str());
                Problem::new(
                    ErrorCode::Contract,
                    &reference.place,
                    format!("`{text}` leads nowhere: there is no `{step}`"),
                )
                .suggest(&step, known)
            })?;
        }
        Ok(target)
    }

    /// The document that a reference leads into.
    fn document(self, text: &str, reference: &'a Node) -> Result<&'a Document, Problem> {
        let place = &reference.place;
        let here = self.documents.iter().find(|d| Arc::ptr_eq(&d.file, &place.file));
        if let (Some(here), true) = (here, text.starts_with('#')) {
            return Ok(here);
        }
        if text.contains("://") {
            return Err(Problem::new(ErrorCode::Unsupported, place, format!("`{text}` is not a file of this machine"))
                .help("save it beside this file, and refer to that"));
        }
        let Some(name) = beside(&place.file.name, text) else {
            return Err(Problem::new(ErrorCode::Contract, place, format!("`{text}` is no file beside this one"))
                .help("write a relative path such as `schemas/order.yaml#/Order`"));
        };
        self.documents.iter().find(|d| d.file.name == name).ok_or_else(|| {
            Problem::new(ErrorCode::Contract, place, format!("the file `{name}` cannot be read"))
                .help("references lead to files in the folder of the contract, or in folders of it")
        })
    }
}

fn child<'a>(node: &'a Node, step: &str) -> Option<Target<'a>> {
    match &node.kind {
        Kind::Map(entries) => {
            let entry = entries.iter().find(|e| e.key == step)?;
            Some(Target { node: &entry.value, name: Some(&entry.key) })
        }
        Kind::List(items) => Some(Target { node: items.get(step.parse::<usize>().ok()?)?, name: None }),
        Kind::Scalar { .. } => None,
    }
}

fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let (digits, tail) = rest.split_at_checked(2)?;
        bytes.push(u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?);
        rest = tail;
    }
    String::from_utf8(bytes).ok()
}
