//! Runs the workload's view so many times over services that answer at once, for tools that count instructions.

use anyhow::Context;
use bench::View;
use tokio::runtime::Builder;

/// As the server has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> anyhow::Result<()> {
    let times: usize = std::env::args().nth(1).context("how many times?")?.parse()?;
    let (view, runtime) = (View::home()?, Builder::new_current_thread().enable_time().build()?);
    for _ in 0..times {
        runtime.block_on(view.run())?;
    }
    Ok(())
}
