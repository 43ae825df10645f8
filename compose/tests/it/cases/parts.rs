//! A case's answer in parts, and what a client makes of them.

use std::sync::Arc;

use bytes::Bytes;
use compose::plan::Plan;
use compose::run::{Part, progress};
use serde_json::Value;

use super::world::World;
use super::{bound, deadline, shown};

pub struct Parts {
    /// A line for each, with the time it came at.
    pub text: String,
    /// As `answer` shows it, but of what the parts make.
    pub in_the_end: String,
}

pub async fn told(plan: &Arc<Plan>, request: &str, world: &World<'_>) -> Parts {
    let (plan, inputs) = bound(plan, request).unwrap();
    let (mut lines, mut document): (Vec<String>, Option<Value>) = (Vec::new(), None);
    let mut missing = 0;
    let mut tell = |part: Part| {
        let line = match &part {
            Part::Whole(json) => format!("whole {}", text(json)),
            Part::Patch(json) => format!("patch {}", text(json)),
            Part::Missing(notes) => {
                missing += notes.len();
                let note = |n: &compose::run::Note| format!("{:?};call={};reason={}", n.path, n.call, n.reason);
                format!("missing {}", notes.iter().map(note).collect::<Vec<_>>().join(", "))
            }
        };
        lines.push(format!("{} ms: {line}", world.elapsed().as_millis()));
        match part {
            Part::Whole(json) => {
                assert!(document.is_none(), "the whole comes once");
                document = Some(serde_json::from_slice(&json).unwrap());
            }
            Part::Patch(json) => apply(document.as_mut().expect("a patch of something"), &json),
            Part::Missing(_) => assert!(document.is_some(), "what is missing is missing of something"),
        }
    };
    let mut result = progress(plan, &inputs, world, deadline(plan), &mut tell).await;
    if let Ok(answer) = &mut result {
        let whole = answer.body.as_ref().map(|json| serde_json::from_slice::<Value>(json).unwrap());
        if whole != document {
            answer.body = document.map(|made| made.to_string().into());
        }
        assert_eq!(missing, answer.notes.len(), "what is missing is told");
    }
    Parts { text: lines.join("\n"), in_the_end: shown(plan, result) }
}

fn text(json: &Bytes) -> &str {
    std::str::from_utf8(json).unwrap()
}

/// RFC 6902, as far as it is written here.
fn apply(document: &mut Value, patch: &[u8]) {
    let operations: Vec<Value> = serde_json::from_slice(patch).unwrap();
    for operation in operations {
        let path = operation["path"].as_str().unwrap();
        let value = operation.get("value").cloned();
        if operation["op"] == "replace" {
            *document.pointer_mut(path).expect("something to replace") = value.unwrap();
            continue;
        }
        let (parent, key) = path.rsplit_once('/').unwrap();
        let members = document.pointer_mut(parent).and_then(Value::as_object_mut).expect("an object");
        let key = key.replace("~1", "/").replace("~0", "~");
        match value {
            Some(value) => assert!(members.insert(key, value).is_none(), "add adds"),
            None => assert!(members.remove(&key).is_some(), "remove removes"),
        }
    }
}
