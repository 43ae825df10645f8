//! YAML as its readers see it: anchors resolved, merge keys merged, every scalar a text.

use std::collections::BTreeMap;

use saphyr::{LoadableYamlNode, Scalar, Yaml};

#[derive(Clone, Debug)]
pub enum Node {
    Text(String),
    Items(Vec<Self>),
    Entries(Vec<(String, Self)>),
}

impl Node {
    pub fn parse(text: &str) -> Self {
        let documents = Yaml::load_from_str(text).unwrap();
        assert_eq!(documents.len(), 1);
        Self::of(&documents[0])
    }

    fn of(yaml: &Yaml<'_>) -> Self {
        match yaml {
            Yaml::Sequence(items) => Self::Items(items.iter().map(Self::of).collect()),
            Yaml::Mapping(entries) => {
                let entries = entries.iter().map(|(key, value)| (key.as_str().unwrap().to_owned(), Self::of(value)));
                let (merged, own): (Vec<_>, Vec<_>) = entries.partition(|(key, _)| key == "<<");
                // What is written beside a merge key wins over what it merges.
                let under = merged.iter().flat_map(|(_, node)| node.entries());
                let under = under.filter(|(key, _)| own.iter().all(|(name, _)| name != key)).collect::<Vec<_>>();
                Self::Entries(own.into_iter().chain(under).collect())
            }
            Yaml::Value(Scalar::String(text)) => Self::Text(text.to_string()),
            Yaml::Value(Scalar::Boolean(flag)) => Self::Text(flag.to_string()),
            Yaml::Value(Scalar::Integer(number)) => Self::Text(number.to_string()),
            Yaml::Value(Scalar::FloatingPoint(number)) => Self::Text(number.to_string()),
            Yaml::Value(Scalar::Null) => Self::Text(String::new()),
            other => panic!("not a value: {other:?}"),
        }
    }

    pub fn get(&self, key: &str) -> Option<&Self> {
        match self {
            Self::Entries(entries) => entries.iter().find(|(name, _)| name == key).map(|(_, node)| node),
            Self::Text(_) | Self::Items(_) => None,
        }
    }

    /// What must be there, below these keys.
    pub fn at(&self, path: &[&str]) -> &Self {
        path.iter().fold(self, |node, key| node.get(key).unwrap_or_else(|| panic!("no `{key}` of {path:?}")))
    }

    pub fn text(&self) -> &str {
        match self {
            Self::Text(text) => text,
            other => panic!("not a text: {other:?}"),
        }
    }

    pub fn items(&self) -> &[Self] {
        match self {
            Self::Items(items) => items,
            other => panic!("not a list: {other:?}"),
        }
    }

    pub fn entries(&self) -> Vec<(String, Self)> {
        match self {
            Self::Entries(entries) => entries.clone(),
            Self::Text(text) if text.is_empty() => Vec::new(),
            other => panic!("not a mapping: {other:?}"),
        }
    }

    /// A mapping of texts.
    pub fn texts(&self) -> BTreeMap<String, String> {
        self.entries().into_iter().map(|(name, node)| (name, node.text().to_owned())).collect()
    }
}
