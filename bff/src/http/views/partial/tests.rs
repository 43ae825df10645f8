use sfv::{BareItem, List, ListEntry, Parser, StringRef};

use super::header;
use crate::views::Note;

fn note(path: &str, call: &str) -> Note {
    Note { path: path.to_owned(), call: call.to_owned(), reason: "timeout", message: "not for the outside".to_owned() }
}

/// Each entry as another implementation of RFC 9651 reads it: the item, then its parameters by name.
fn read(notes: &[Note]) -> Vec<(BareItem, Vec<(String, BareItem)>)> {
    let field = header(notes).expect("something is missing");
    let list: List = Parser::new(field.as_bytes()).parse().expect("a structured field");
    let entries = list.into_iter().map(|entry| match entry {
        ListEntry::Item(item) => {
            let named = item.params.into_iter().map(|(name, value)| (name.to_string(), value)).collect();
            (item.bare_item, named)
        }
        ListEntry::InnerList(_) => panic!("no list within the list"),
    });
    entries.collect()
}

#[test]
fn nothing_missing_is_no_header() {
    assert_eq!(header(&[]), None);
}

#[test]
fn an_entry_names_the_call_and_the_reason_as_tokens() {
    let field = header(&[note("/recentOrders/*/lines", "products"), note("/rewards", "balance")]).unwrap();
    let expected = r#""/recentOrders/*/lines";call=products;reason=timeout, "/rewards";call=balance;reason=timeout"#;
    assert_eq!(field, expected);
    let entries = read(&[note("/rewards", "balance")]);
    let [(BareItem::String(path), parameters)] = &entries[..] else { panic!("{entries:?}") };
    assert_eq!(path.as_str(), "/rewards");
    assert!(parameters.iter().all(|(_, value)| matches!(value, BareItem::Token(_))), "{parameters:?}");
}

#[test]
fn a_call_that_is_no_token_is_a_string() {
    let entries = read(&[note("/x", "_hidden")]);
    assert_eq!(entries[0].1[0].1, BareItem::String(StringRef::constant("_hidden").to_owned()));
}

#[test]
fn quotes_and_other_alphabets_survive() {
    let names = [r#"/a"b\c"#, "/größe", "/100 % größe", "/\u{1}"];
    let notes = names.map(|name| note(name, "a"));
    for ((item, _), name) in read(&notes).into_iter().zip(names) {
        match item {
            BareItem::String(text) => assert_eq!(text.as_str(), name),
            BareItem::DisplayString(text) => assert_eq!(text, name),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn entries_beyond_the_bound_are_counted() {
    let notes: Vec<Note> = (0..35).map(|n| note(&format!("/{n}"), "a")).collect();
    let entries = read(&notes);
    assert_eq!(entries.len(), 32);
    let (name, more) = entries[31].1.last().unwrap();
    assert_eq!((name.as_str(), more), ("more", &BareItem::Integer(3.into())));
}
