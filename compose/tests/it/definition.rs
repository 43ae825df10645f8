//! Views come from people who are in the middle of writing them: whatever is in the file, checking it ends and never panics.

use std::path::Path;
use std::sync::Arc;

use compose::check::{Rules, check};
use compose::definition;
use compose::problem::File;
use compose::schema::Contracts;

use crate::cases::contracts::pool;

/// A linear congruential generator: the same numbers in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 33) as usize % limit.max(1)
    }

    /// Deletes, doubles, swaps or replaces some of the parts.
    fn change<T: Clone>(&mut self, mut parts: Vec<T>, alphabet: &[T]) -> Vec<T> {
        for _ in 0..=self.below(4) {
            let (at, other) = (self.below(parts.len()), self.below(parts.len()));
            if parts.is_empty() {
                return parts;
            }
            match self.below(5) {
                0 => drop(parts.remove(at)),
                1 => parts.insert(at, parts[other].clone()),
                2 => parts.swap(at, other),
                3 => parts.insert(at, alphabet[self.below(alphabet.len())].clone()),
                _ => parts[at] = alphabet[self.below(alphabet.len())].clone(),
            }
        }
        parts
    }
}

fn repository(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)).unwrap()
}

fn contracts() -> Contracts {
    let mut contracts = Contracts::default();
    for source in ["orders", "loyalty"] {
        let import = format!("syntax = \"proto3\"; import \"{source}/v1/{source}.proto\";");
        contracts.add_proto(source, &pool(&import));
    }
    for source in ["profiles", "catalog"] {
        let text = repository(&format!("config/contracts/{source}.yaml"));
        let problems = contracts.add_openapi(source, &Arc::new(File { name: source.into(), text }), &|_| None);
        assert!(problems.is_empty());
    }
    contracts
}

/// How many plans, and the text of every problem.
fn checked(text: String, contracts: &Contracts) -> (usize, Vec<String>) {
    let fragment = repository("config/views/fragments/product-card.yaml");
    let file = |text| Arc::new(File { name: "view.yaml".into(), text });
    let (definitions, mut problems) = definition::read(&[file(text), file(fragment)]);
    let (plans, more) = check(&definitions, contracts, Rules::default());
    problems.extend(more);
    (plans.len(), problems.iter().map(ToString::to_string).collect())
}

const FILES: [&str; 6] = ["home", "orders", "addresses", "products", "profile", "spending"];

#[test]
fn the_example_views_have_no_problems() {
    let contracts = contracts();
    for name in FILES {
        assert_eq!(checked(repository(&format!("config/views/{name}.yaml")), &contracts).1, [""; 0], "{name}");
    }
}

#[test]
fn changed_characters_never_panic() {
    let contracts = contracts();
    let alphabet: Vec<char> = "?.[](){}:,'\"\\|>-#&*!$ \n\t0z€".chars().collect();
    let mut random = Random(0x5eed);
    for name in FILES {
        let text = repository(&format!("config/views/{name}.yaml"));
        for _ in 0..500 {
            let changed = random.change(text.chars().collect(), &alphabet);
            checked(changed.into_iter().collect(), &contracts);
        }
    }
}

#[test]
fn changed_lines_and_words_never_panic() {
    let contracts = contracts();
    let mut random = Random(0xbff);
    for name in FILES {
        let text = repository(&format!("config/views/{name}.yaml"));
        let lines: Vec<&str> = text.split_inclusive('\n').collect();
        let words: Vec<&str> = text.split_inclusive(['.', ' ', ':', '(', '$']).collect();
        for parts in [&lines, &words] {
            for _ in 0..300 {
                checked(random.change(parts.clone(), parts).concat(), &contracts);
            }
        }
    }
}

/// The longest chains and the deepest nesting that are let through, on a thread with as little stack as servers give one.
#[test]
fn the_deepest_expressions_fit_the_stack() {
    let contracts = contracts();
    let chains = [
        ["true"; 128].join(" || "),
        ["$auth.email"; 63].join(" ?? ") + " ?? \"\" == \"\"",
        format!("{}true{}", "(".repeat(31), ")".repeat(31)),
        format!("{}true", "!".repeat(31)),
        format!("{}\"a\"{}", "concat(".repeat(31), ")".repeat(31)),
        format!("{}1{}", "if(true, 1, ".repeat(31), ")".repeat(31)),
    ];
    for chain in chains {
        let text = format!("view: a\nroute: GET /a\naccess: user\nshape:\n  a: >-\n    {chain}\n");
        assert_eq!(checked(text, &contracts), (1, Vec::new()), "{chain}");
    }
}
