//! What is fuzzed is what the engine's own tests run: `compose/tests/it/hostile/targets.rs`.

#[path = "../../compose/tests/it/hostile/targets.rs"]
pub mod targets;
