//! Whatever comes from outside ends in an answer or a typed refusal, without a panic, in memory that its size bounds.
//!
//! `HOSTILE_ROUNDS` says how many inputs each target gets (default 1500), `HOSTILE_SEED` which come first. A failure
//! prints the seed of its input, and the input. `fuzz/` goes on where this ends.

pub mod allocations;
mod corpus;
mod mutate;
mod targets;
mod worst;

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::cases::{Case, cases, contracts};
use super::decode::Random;
use targets::TARGETS;

fn setting(name: &str, default: u64) -> u64 {
    std::env::var_os(name).and_then(|value| value.to_str()?.parse().ok()).unwrap_or(default)
}

/// Every seed as it is, then changed ones.
fn survives(target: &str, run: impl Fn(&[u8]), seeds: &[Vec<u8>], rounds: u64) {
    for input in seeds {
        attempt(target, "a seed", input, &run);
    }
    let first = setting("HOSTILE_SEED", 1);
    for seed in first..first + rounds {
        let mut random = Random(seed);
        let (input, other) = (random.pick(seeds).clone(), random.pick(seeds).clone());
        let input = mutate::mutate(&mut random, &input, &other);
        attempt(target, &format!("HOSTILE_SEED={seed}"), &input, &run);
    }
}

fn attempt(target: &str, name: &str, input: &[u8], run: &impl Fn(&[u8])) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| run(input))) {
        eprintln!("{target} does not survive {name}: {}", input.escape_ascii());
        std::panic::resume_unwind(panic);
    }
}

fn target(name: &str) {
    let (_, run) = TARGETS.iter().find(|(target, _)| *target == name).unwrap();
    survives(name, run, &corpus::of(name), setting("HOSTILE_ROUNDS", 1500));
}

#[test]
fn views() {
    target("view");
}

#[test]
fn expressions() {
    target("expression");
}

#[test]
fn protobuf_replies() {
    target("protobuf");
}

#[test]
fn json_replies() {
    target("json");
}

#[test]
fn requests() {
    target("request");
}

#[test]
fn openapi_documents() {
    target("openapi");
}

#[test]
fn descriptor_sets() {
    target("descriptors");
}

/// With the contracts of their own case, most of the views are planned.
#[test]
fn views_of_every_case() {
    for path in cases() {
        let case = Case::read(&path);
        let (contracts, _, _) = contracts::contracts(&case);
        let views: Vec<Vec<u8>> = case.all("view").map(|block| block.text.clone().into_bytes()).collect();
        let name = path.file_name().unwrap().to_string_lossy();
        let rounds = setting("HOSTILE_ROUNDS", 1500) / 50;
        survives(&name, |data| targets::views(&contracts, &String::from_utf8_lossy(data)), &views, rounds);
    }
}
