//! Follows `$ref` within one document.

use crate::problem::{ErrorCode, Problem};
use crate::yaml::{Kind, Node};

/// References that lead to references.
const MAX_HOPS: usize = 64;

#[derive(Clone, Copy)]
pub struct Document<'a> {
    pub root: &'a Node,
}

/// Where references ended.
pub struct Target<'a> {
    pub node: &'a Node,
    /// The last reference's own name for it, such as a component's.
    pub name: Option<&'a str>,
}

impl<'a> Document<'a> {
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

    fn find(self, reference: &'a Node) -> Result<Target<'a>, Problem> {
        let Some(text) = reference.text() else {
            let message = format!("a `$ref` is a text, this is {}", reference.noun());
            return Err(Problem::new(ErrorCode::Contract, &reference.place, message)
                .help("for example `#/components/schemas/Order`"));
        };
        let Some(fragment) = text.strip_prefix('#') else {
            return Err(Problem::new(
                ErrorCode::Unsupported,
                &reference.place,
                format!("`{text}` is outside this document"),
            )
            .help("bundle the contract into one file; references start with `#/`"));
        };
        let Some(pointer) = percent_decoded(fragment).filter(|p| p.is_empty() || p.starts_with('/')) else {
            return Err(Problem::new(
                ErrorCode::Contract,
                &reference.place,
                format!("`{text}` is not a path in this document"),
            )
            .help("write it like `#/components/schemas/Order`"));
        };
        let mut target = Target { node: self.root, name: None };
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
