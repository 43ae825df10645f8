//! An open loop: requests are due at a constant rate, whether or not earlier ones have been answered.
//!
//! Latency counts from when a request was due, so that a server that stalls pays for everyone who would have waited.
//! Prints one JSON object: `n` answers, `err` of them wrong or missing, percentiles and `max` in ms; `svc_p99` counts from
//! when the request was sent; `statuses` counts the answers by theirs, and those that were no HTTP as `broken`.

mod connection;
mod options;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::num::NonZeroU64;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::sync::Mutex;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use connection::Connection;
use options::Options;

/// How long after the last request was due its answer may still come.
const PATIENCE: Duration = Duration::from_secs(5);

/// What came of the requests.
#[derive(Default)]
struct Load {
    /// From due, and from sent, to answered, in microseconds.
    answered: RefCell<Vec<(u64, u64)>>,
    errors: RefCell<usize>,
    statuses: RefCell<BTreeMap<String, usize>>,
}

/// Says when each request is due, from a thread of its own: tokio's timer knows milliseconds alone.
fn pace(rate: f64, total: usize, due: &UnboundedSender<(usize, Instant)>) {
    // Without it the kernel may wake a thread 50 microseconds late; where it refuses, every server pays alike.
    let _ = rustix::thread::set_current_timer_slack(NonZeroU64::new(1));
    let start = Instant::now();
    for index in 0..total {
        let at = start + Duration::from_secs_f64(index as f64 / rate);
        std::thread::sleep(at.saturating_duration_since(Instant::now()));
        if due.send((index, at)).is_err() {
            return;
        }
    }
}

/// Sends what is due, one after the other, over one connection.
async fn send(load: Rc<Load>, options: Rc<Options>, queue: Rc<Mutex<UnboundedReceiver<(usize, Instant)>>>) {
    let mut connection = Connection::new(options.address.clone());
    loop {
        let next = queue.lock().await.recv().await;
        let Some((index, due)) = next else { return };
        let sent = Instant::now();
        let status = connection.exchange(options.request(index)).await;
        let now = Instant::now();
        let name = status.as_ref().map_or_else(|_| "broken".to_owned(), ToString::to_string);
        *load.statuses.borrow_mut().entry(name).or_default() += 1;
        match status {
            Ok(200..=299) => {}
            Ok(_) | Err(_) => *load.errors.borrow_mut() += 1,
        }
        let micros = |from: Instant| (now - from).as_micros() as u64;
        load.answered.borrow_mut().push((micros(due), micros(sent)));
    }
}

async fn run(options: Options) -> io::Result<()> {
    let total = (options.rate * options.secs).round().max(1.0) as usize;
    let options = Rc::new(options);
    let load = Rc::new(Load::default());
    let (due, queue) = unbounded_channel();
    let queue = Rc::new(Mutex::new(queue));
    for _ in 0..options.conns {
        tokio::task::spawn_local(send(Rc::clone(&load), Rc::clone(&options), Rc::clone(&queue)));
    }
    let rate = options.rate;
    tokio::task::spawn_blocking(move || pace(rate, total, &due)).await?;
    let end = Instant::now() + PATIENCE;
    while load.answered.borrow().len() < total && Instant::now() < end {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    report(&load, total);
    Ok(())
}

fn report(load: &Load, total: usize) {
    let answered = load.answered.borrow();
    let sorted = |mut micros: Vec<u64>| {
        micros.sort_unstable();
        micros
    };
    let from_due = sorted(answered.iter().map(|(due, _)| *due).collect());
    let from_sent = sorted(answered.iter().map(|(_, sent)| *sent).collect());
    let percentile = |of: &[u64], share: f64| {
        let rank = (of.len() as f64 * share).ceil() as usize;
        of.get(rank.clamp(1, of.len().max(1)) - 1).map(|micros| *micros as f64 / 1e3)
    };
    let json = serde_json::json!({
        "n": answered.len(),
        "err": *load.errors.borrow() + total - answered.len(),
        "p50": percentile(&from_due, 0.5),
        "p99": percentile(&from_due, 0.99),
        "p999": percentile(&from_due, 0.999),
        "max": percentile(&from_due, 1.0),
        "svc_p99": percentile(&from_sent, 0.99),
        "statuses": *load.statuses.borrow(),
    });
    println!("{json}");
}

fn main() -> io::Result<()> {
    let options = Options::parse(std::env::args().skip(1)).unwrap_or_else(|problem| {
        eprintln!("{problem}\n{}", options::USAGE);
        std::process::exit(2)
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    tokio::task::LocalSet::new().block_on(&runtime, run(options))
}
