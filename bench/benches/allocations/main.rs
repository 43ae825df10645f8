//! How often the engine asks for memory, and how much it holds: `cargo bench -p bench --bench allocations`.

mod allocator;

use std::io::{self, Write};

use allocator::Use;
use bench::{View, large_orders, large_products};
use compose::decode;
use tokio::runtime::Builder;

/// Whatever is made once has been made by then.
const WARM_UP: usize = 10;

fn main() -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{:42} {:>11} {:>10} {:>10}", "", "allocations", "bytes", "peak")?;
    let (home, orders, products) = (View::home()?, large_orders()?, large_products()?);
    for (name, view) in
        [("home", &home), ("2 MB of protobuf, 1 % used", &orders), ("2 MB of JSON, 1 % used", &products)]
    {
        row(&mut out, &format!("run: {name}"), running(view)?)?;
    }
    for (name, view, call) in [
        ("orders of home, protobuf", &home, "recent"),
        ("products of home, JSON", &home, "products"),
        ("2 MB of protobuf, 1 % used", &orders, "recent"),
        ("2 MB of JSON, 1 % used", &products, "products"),
    ] {
        let (layout, reply) = view.reply(call)?;
        let (tape, used) = allocator::of(|| decode::reply(layout, reply.clone()));
        drop(tape);
        row(&mut out, &format!("decode: {name}"), used)?;
    }
    writeln!(out, "\nThe replies' own bytes are not counted: they are there before.")?;
    Ok(())
}

/// One run: from a request's arguments until its answer is dropped.
fn running(view: &View) -> anyhow::Result<Use> {
    let runtime = Builder::new_current_thread().enable_time().build()?;
    for _ in 0..WARM_UP {
        runtime.block_on(view.run())?;
    }
    let (answer, used) = allocator::of(|| runtime.block_on(view.run()));
    answer?;
    Ok(used)
}

fn row(out: &mut impl Write, name: &str, used: Use) -> io::Result<()> {
    writeln!(out, "{name:42} {:>11} {:>10} {:>10}", used.times, used.bytes, used.peak)
}
