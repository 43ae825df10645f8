//! What has changed between two JSON texts, as a JSON Patch (RFC 6902). The texts are those that a plan has written.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde_json::value::RawValue;

use crate::write;

/// What would take more operations replaces everything.
const MAX_OPERATIONS: usize = 1_000;
/// Below this depth a value that has changed is replaced as it is.
const MAX_DEPTH: usize = 32;

/// The operations that make `after` of `before`; none where they are the same.
pub(crate) fn patch(before: &[u8], after: &[u8]) -> Option<Bytes> {
    if before == after {
        return None;
    }
    let mut patch = Patch::default();
    let parsed = serde_json::from_slice(before).ok().zip(serde_json::from_slice(after).ok());
    let compared = parsed.is_some_and(|(before, after)| patch.compare(before, after, 0));
    if !compared {
        patch = Patch::default();
        patch.operation("replace", Some(after));
    }
    patch.out.push(b']');
    Some(patch.out.into())
}

#[derive(Default)]
struct Patch {
    /// Open at its end.
    out: Vec<u8>,
    count: usize,
    path: String,
}

impl Patch {
    /// False where it would take too many operations.
    fn compare(&mut self, before: &RawValue, after: &RawValue, depth: usize) -> bool {
        let (old, new) = (before.get(), after.get());
        if old == new {
            return true;
        }
        let both = |open: char| depth < MAX_DEPTH && old.starts_with(open) && new.starts_with(open);
        if both('{')
            && let Some((old, new)) = members(old).zip(members(new))
        {
            return self.objects(&old, &new, depth);
        }
        if both('[')
            && let Some((old, new)) = items(old).zip(items(new)).filter(|(old, new)| old.len() == new.len())
        {
            let mut pairs = old.into_iter().zip(new).enumerate();
            return pairs.all(|(i, (old, new))| self.within(&i.to_string(), |it| it.compare(old, new, depth + 1)));
        }
        self.operation("replace", Some(new.as_bytes()))
    }

    fn objects(
        &mut self,
        before: &BTreeMap<String, &RawValue>,
        after: &BTreeMap<String, &RawValue>,
        depth: usize,
    ) -> bool {
        let gone = before.keys().filter(|key| !after.contains_key(*key));
        gone.into_iter().all(|key| self.within(key, |it| it.operation("remove", None)))
            && after.iter().all(|(key, new)| {
                self.within(key, |it| match before.get(key) {
                    Some(old) => it.compare(old, new, depth + 1),
                    None => it.operation("add", Some(new.get().as_bytes())),
                })
            })
    }

    fn within(&mut self, step: &str, work: impl FnOnce(&mut Self) -> bool) -> bool {
        let length = self.path.len();
        self.path.push('/');
        self.path.push_str(&step.replace('~', "~0").replace('/', "~1"));
        let done = work(self);
        self.path.truncate(length);
        done
    }

    fn operation(&mut self, op: &str, value: Option<&[u8]>) -> bool {
        self.out.push(if self.count == 0 { b'[' } else { b',' });
        self.out.extend_from_slice(format!(r#"{{"op":"{op}","path":"#).as_bytes());
        write::string(&mut self.out, &self.path);
        if let Some(value) = value {
            self.out.extend_from_slice(br#","value":"#);
            self.out.extend_from_slice(value);
        }
        self.out.push(b'}');
        self.count += 1;
        self.count <= MAX_OPERATIONS
    }
}

fn members(text: &str) -> Option<BTreeMap<String, &RawValue>> {
    serde_json::from_str(text).ok()
}

fn items(text: &str) -> Option<Vec<&RawValue>> {
    serde_json::from_str(text).ok()
}

#[cfg(test)]
mod tests {
    use super::patch;

    fn between(before: &str, after: &str) -> String {
        patch(before.as_bytes(), after.as_bytes()).map_or_else(String::new, |it| String::from_utf8(it.into()).unwrap())
    }

    #[test]
    fn only_what_has_changed_is_said() {
        assert_eq!(between(r#"{"a":1.10}"#, r#"{"a":1.10}"#), "");
        assert_eq!(
            between(r#"{"a":null,"b":[1,{"c/d":2}],"e":3}"#, r#"{"a":{"x":1.10},"b":[1,{"c/d":4}],"f~":5}"#),
            r#"[{"op":"remove","path":"/e"},{"op":"replace","path":"/a","value":{"x":1.10}},{"op":"replace","path":"/b/1/c~1d","value":4},{"op":"add","path":"/f~0","value":5}]"#
        );
        assert_eq!(between("[1]", "[1,2]"), r#"[{"op":"replace","path":"","value":[1,2]}]"#);
        assert_eq!(between("null", "{}"), r#"[{"op":"replace","path":"","value":{}}]"#);
    }

    #[test]
    fn what_would_take_too_much_replaces_everything() {
        let list = |n: usize| format!("[{}]", vec![n.to_string(); 2_000].join(","));
        assert_eq!(between(&list(1), &list(2)), format!(r#"[{{"op":"replace","path":"","value":{}}}]"#, list(2)));
        let deep = |inner: &str| format!("{}{inner}{}", "[".repeat(100_000), "]".repeat(100_000));
        assert!(between(&deep("1"), &deep("2")).starts_with(r#"[{"op":"replace","path":"/0/0/0"#));
    }
}
