//! A contract's document, and the files beside it that it refers to.

use std::sync::Arc;

use crate::problem::{ErrorCode, File, Place, Problem};
use crate::yaml::{self, Kind, Node};

const MAX_FILES: usize = 256;
const MAX_BYTES: usize = 16 << 20;

pub struct Document {
    pub file: Arc<File>,
    /// Its file's name without folders and ending.
    pub stem: String,
    pub root: Node,
}

/// The document itself, and behind it all that can be read of what it refers to.
pub fn load(
    file: &Arc<File>,
    resolve: &dyn Fn(&str) -> Option<Arc<File>>,
) -> Result<(Vec<Document>, Vec<Problem>), Problem> {
    let root = only(file)?;
    let mut documents = vec![Document::new(file, root)];
    let mut problems = Vec::new();
    let mut tried: Vec<String> = vec![file.name.clone()];
    let mut bytes = file.text.len();
    let mut at = 0;
    while at < documents.len() {
        for (name, place) in references(&documents[at].root) {
            if tried.contains(&name) {
                continue;
            }
            if tried.len() == MAX_FILES || bytes > MAX_BYTES {
                let message = format!("the contract is more than {MAX_FILES} files, or {MAX_BYTES} bytes");
                let problem = Problem::new(ErrorCode::TooMuch, &place, message);
                problems.push(problem.help("cut it down to the operations that views call"));
                return Ok((documents, problems));
            }
            if let Some(file) = resolve(&name) {
                bytes += file.text.len();
                match only(&file) {
                    Ok(root) => documents.push(Document::new(&file, root)),
                    Err(problem) => problems.push(problem),
                }
            }
            tried.push(name);
        }
        at += 1;
    }
    Ok((documents, problems))
}

impl Document {
    fn new(file: &Arc<File>, root: Node) -> Document {
        let name = file.name.rsplit('/').next().unwrap_or_default();
        let stem = name.split_once('.').map_or(name, |(stem, _)| stem).to_owned();
        Document { file: file.clone(), stem, root }
    }
}

/// The name of a file that a text like `../common.yaml#/Order` in another file refers to; none of a remote one, and of
/// one that would lie above the folder in which names begin.
pub fn beside(base: &str, reference: &str) -> Option<String> {
    let path = reference.split('#').next().unwrap_or_default();
    if path.is_empty() || path.starts_with('/') || path.contains([':', '\\', '?']) {
        return None;
    }
    let folder = base.rsplit_once('/').map(|(folder, _)| folder);
    let mut steps: Vec<&str> = folder.map(|f| f.split('/').collect()).unwrap_or_default();
    for step in path.split('/') {
        match step {
            "" | "." => {}
            ".." => {
                steps.pop().filter(|step| *step != "..")?;
            }
            step => steps.push(step),
        }
    }
    Some(steps.join("/"))
}

/// The file's only YAML or JSON document.
fn only(file: &Arc<File>) -> Result<Node, Problem> {
    let mut documents = yaml::parse(file)?;
    match (documents.pop(), documents.is_empty()) {
        (Some(root), true) => Ok(root),
        _ => {
            let start = Place::start_of(file);
            Err(Problem::new(ErrorCode::Contract, &start, "a contract is one YAML or JSON document")
                .help("remove the others, and every `---`"))
        }
    }
}

/// The other files that a document refers to, and where.
fn references(root: &Node) -> Vec<(String, Place)> {
    let mut found = Vec::new();
    let mut open = vec![root];
    while let Some(node) = open.pop() {
        match &node.kind {
            Kind::Map(entries) => {
                let mapping = node.get("discriminator").and_then(|d| d.get("mapping")).and_then(Node::entries);
                let references = mapping.unwrap_or_default().iter().map(|e| &e.value).chain(node.get("$ref"));
                for (reference, text) in references.filter_map(|node| Some((node, node.text()?))) {
                    let is_file = text.contains('.') && !text.starts_with('#');
                    let name = beside(&reference.place.file.name, text).filter(|_| is_file);
                    found.extend(name.map(|name| (name, reference.place.clone())));
                }
                open.extend(entries.iter().rev().map(|e| &e.value));
            }
            Kind::List(items) => open.extend(items.iter().rev()),
            Kind::Scalar { .. } => {}
        }
    }
    found
}
