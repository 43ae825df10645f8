//! With the system's allocator.

fn main() {
    hand::main();
}
