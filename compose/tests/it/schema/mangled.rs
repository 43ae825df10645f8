//! Contracts come from other teams: whatever is in the file, reading it ends, and says what is wrong.

use compose::schema::Contracts;

use super::{file, repository};

const SMALL: &str = r##"{"openapi": "3.1.0", "paths": {"/a/{id}": {"parameters": [{"$ref": "#/components/parameters/Id"}],
"get": {"operationId": "getA", "parameters": [{"name": "ids", "in": "query", "explode": false,
"schema": {"type": "array", "items": {"type": "string"}}}],
"responses": {"200": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/A"}}}}}}}},
"components": {"parameters": {"Id": {"name": "id", "in": "path", "required": true, "schema": {"type": "string"}}},
"schemas": {"A": {"type": "object", "required": ["id"], "properties": {"id": {"type": "string", "format": "date"},
"self": {"$ref": "#/components/schemas/A"}, "tags": {"type": ["array", "null"], "items": {"enum": ["x", "y"]}},
"either": {"oneOf": [{"type": "null"}, {"allOf": [{"$ref": "#/components/schemas/A"}, {"required": ["tags"]}]}]}}}}}}"##;

/// A linear congruential generator: the same numbers in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 33) as usize % limit
    }

    fn change(&mut self, text: &[u8], alphabet: &[u8]) -> Vec<u8> {
        let mut changed = text.to_vec();
        for _ in 0..=self.below(4) {
            let at = self.below(changed.len());
            changed[at] = alphabet[self.below(alphabet.len())];
        }
        changed
    }
}

/// How many problems a document has.
fn read(text: &str) -> usize {
    Contracts::default().add_openapi("test", &file("test.json", text), &|_| None).len()
}

#[test]
fn a_json_document_cut_anywhere_is_a_problem() {
    assert_eq!(read(SMALL), 0);
    for end in 0..SMALL.len() {
        assert!(read(&SMALL[..end]) > 0, "cut at {end}");
    }
}

#[test]
fn a_yaml_document_cut_anywhere_is_read_or_refused() {
    let text = std::fs::read_to_string(repository("config/contracts/profiles.yaml")).unwrap();
    for end in (0..text.len()).filter(|end| text.is_char_boundary(*end)) {
        read(&text[..end]);
    }
}

#[test]
fn changed_bytes_never_panic() {
    let yaml = std::fs::read_to_string(repository("config/contracts/catalog.yaml")).unwrap();
    let mut random = Random(0x5eed);
    for (text, rounds) in [(SMALL, 4_000), (yaml.as_str(), 1_000)] {
        for _ in 0..rounds {
            let changed = random.change(text.as_bytes(), br##"{}[]:,"'#$&*!|>-?%@ \0atn~"##);
            if let Ok(text) = String::from_utf8(changed) {
                read(&text);
            }
        }
    }
}
