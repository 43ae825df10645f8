//! What the parts of the engine cost: `cargo bench -p bench --bench engine`.

use std::hint::black_box;
use std::time::Duration;

use bench::{View, check_and_plan, contracts, files, large_orders, large_products};
use compose::{decode, write};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use tokio::runtime::{Builder, Runtime};

const VIEWS: usize = 1_000;

fn decoding(criterion: &mut Criterion) {
    let home = View::home().expect("the workload");
    let (orders, products) = (large_orders().expect("orders"), large_products().expect("products"));
    let mut group = criterion.benchmark_group("decode");
    for (name, view, call) in [
        ("orders, protobuf", &home, "recent"),
        ("products, JSON", &home, "products"),
        ("2 MB of protobuf, 1 % used", &orders, "recent"),
        ("2 MB of JSON, 1 % used", &products, "products"),
    ] {
        let (layout, reply) = view.reply(call).expect("a reply that fits");
        group.throughput(Throughput::Bytes(reply.len() as u64));
        group.bench_function(name, |bencher| bencher.iter(|| decode::reply(layout, black_box(reply).clone()).is_ok()));
    }
    group.finish();
}

/// The parts that an answer is written of; `home` below has all of it.
fn rendering(criterion: &mut Criterion) {
    type Write = fn(&mut Vec<u8>) -> Option<()>;
    let parts: [(&str, Write); 4] = [
        ("timestamp", |out| write::timestamp(out, black_box(1_795_248_000), black_box(250_000_000))),
        ("amount of money", |out| write::amount(out, "EUR", black_box(1234), black_box(500_000_000))),
        ("float", |out| write::float(out, black_box(12.34))),
        ("string of 36 bytes, int", |out| {
            write::string(out, black_box("01939a52-9c07-7d3e-b1f4-6a1c3b2d4e5f"));
            write::int(out, black_box(123_456));
            Some(())
        }),
    ];
    let mut group = criterion.benchmark_group("render");
    let mut out = Vec::with_capacity(100);
    for (name, write) in parts {
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                out.clear();
                write(&mut out).is_some_and(|()| black_box(out.len()) > 0)
            });
        });
    }
    group.finish();
}

fn planning(criterion: &mut Criterion) {
    let (contracts, files) = (contracts().expect("contracts"), files(VIEWS));
    let mut group = criterion.benchmark_group("plan");
    group.sample_size(10);
    group.throughput(Throughput::Elements(VIEWS as u64));
    group.bench_function("read, check and plan 1000 views", |bencher| {
        bencher.iter(|| check_and_plan(&files, &contracts).is_ok_and(|plans| plans.len() == VIEWS));
    });
    group.finish();
}

/// From a request's arguments to the answer's bytes.
fn running(criterion: &mut Criterion) {
    let runtime = runtime();
    let mut group = criterion.benchmark_group("run");
    for (name, view) in [
        ("home", View::home()),
        ("2 MB of protobuf, 1 % used", large_orders()),
        ("2 MB of JSON, 1 % used", large_products()),
    ] {
        let view = view.expect("a view that fits");
        group.bench_function(name, |bencher| bencher.iter(|| runtime.block_on(view.run()).is_ok()));
    }
    group.finish();
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_time().build().expect("a runtime")
}

criterion_group! {
    name = engine;
    config = Criterion::default().sample_size(30).warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(2));
    targets = decoding, rendering, planning, running
}
criterion_main!(engine);
