//! HTTP/2 connections: restarts, refusals, limits, callers that leave.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bff::upstream::{Config, Kind};
use futures_util::future::join_all;
use h2::Reason;
use h2::server::Builder;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::task::TaskTracker;

use super::asking::{Client, LONG, plain, until};
use super::frames::Frames;
use super::scripted::{H2Request, Scripted, answer_h2};

fn client(service: &Scripted) -> Client {
    // The budget of tries at its least: what the service has not begun costs none.
    Client::of(Config { grpc: Some(service.url()), retries: 2, retry_percent: 0, ..plain() })
}

#[tokio::test]
async fn a_graceful_restart_costs_no_call() {
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&asked);
    // Every connection says goodbye with its tenth request, and ends once all of them are answered.
    let service = Scripted::start(move |stream, _| {
        let counted = Arc::clone(&counted);
        async move {
            let mut connection = h2::server::handshake(stream).await.unwrap();
            let (tasks, mut turn) = (TaskTracker::new(), 0);
            while let Some(Ok(call)) = connection.accept().await {
                counted.fetch_add(1, Ordering::SeqCst);
                tasks.spawn(async move {
                    sleep(Duration::from_millis(20)).await;
                    answer_h2(call, b"x").await;
                });
                turn += 1;
                if turn == 10 {
                    connection.graceful_shutdown();
                }
            }
        }
    })
    .await;
    let client = client(&service);
    for _ in 0..20 {
        for answer in join_all((0..7).map(|_| client.grpc(b"", LONG))).await {
            assert_eq!(answer.unwrap(), "x");
        }
    }
    assert!(service.connections() >= 8, "{}", service.connections());
    assert_eq!(asked.load(Ordering::SeqCst), 140, "each once");
}

/// A connection that answers one request, takes three more, says that it has seen no others, and answers those three.
async fn says_goodbye(stream: TcpStream) {
    let mut frames = Frames::open(stream).await.unwrap();
    let first = frames.request().await.unwrap();
    frames.answer(first, b"x").await;
    let mut seen = Vec::new();
    for _ in 0..3 {
        seen.push(frames.request().await.unwrap());
    }
    sleep(Duration::from_millis(50)).await;
    frames.go_away(seen[2]).await;
    sleep(Duration::from_millis(50)).await;
    for stream in seen {
        frames.answer(stream, b"x").await;
    }
    while frames.next().await.is_some() {}
}

async fn answers_all(stream: TcpStream) {
    let mut connection = h2::server::handshake(stream).await.unwrap();
    let tasks = TaskTracker::new();
    while let Some(Ok(call)) = connection.accept().await {
        tasks.spawn(answer_h2(call, b"x"));
    }
}

#[tokio::test]
async fn what_the_service_says_it_has_not_begun_goes_elsewhere() {
    let service = Scripted::start(|stream, number| async move {
        if number == 0 { says_goodbye(stream).await } else { answers_all(stream).await }
    })
    .await;
    let client = client(&service);
    client.grpc(b"", LONG).await.unwrap();
    let answers = join_all((0..60).map(|_| client.grpc(b"", LONG))).await;
    let lost = answers.iter().filter_map(|answer| answer.as_ref().err()).map(ToString::to_string);
    assert_eq!(lost.collect::<Vec<_>>(), [""; 0]);
    assert_eq!(service.connections(), 2);
}

/// Refuses every other stream.
async fn refuses_most(stream: TcpStream, turn: Arc<AtomicUsize>) {
    let mut connection = h2::server::handshake(stream).await.unwrap();
    let tasks = TaskTracker::new();
    while let Some(Ok((request, mut respond))) = connection.accept().await {
        match turn.fetch_add(1, Ordering::SeqCst) % 2 {
            0 => respond.send_reset(Reason::REFUSED_STREAM),
            _ => drop(tasks.spawn(answer_h2((request, respond), b"x"))),
        }
    }
}

#[tokio::test]
async fn a_refused_stream_is_tried_again_whatever_it_changes() {
    let turn = Arc::new(AtomicUsize::new(0));
    let service = Scripted::start(move |stream, _| refuses_most(stream, Arc::clone(&turn))).await;
    let client = client(&service);
    for _ in 0..40 {
        assert_eq!(client.grpc(b"", LONG).await.unwrap(), "x");
    }
    assert_eq!(service.connections(), 1, "the connection is as good as before");
}

#[tokio::test]
async fn a_service_that_refuses_everything_is_not_asked_without_end() {
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&asked);
    let service = Scripted::start(move |stream, _| {
        let counted = Arc::clone(&counted);
        async move {
            let mut connection = h2::server::handshake(stream).await.unwrap();
            while let Some(Ok((_, mut respond))) = connection.accept().await {
                counted.fetch_add(1, Ordering::SeqCst);
                respond.send_reset(Reason::REFUSED_STREAM);
            }
        }
    })
    .await;
    let client = client(&service);
    for _ in 0..100 {
        assert_eq!(client.grpc(b"", LONG).await.unwrap_err().kind, Kind::Unreached);
    }
    // Each call twice at the most, and what was saved up.
    assert!(asked.load(Ordering::SeqCst) <= 220, "{asked:?}");
}

#[tokio::test]
async fn an_abrupt_end_is_no_reason_to_do_it_twice() {
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&asked);
    // It has seen the request, and breaks down.
    let service = Scripted::start(move |stream, _| {
        let counted = Arc::clone(&counted);
        async move {
            let mut connection = h2::server::handshake(stream).await.unwrap();
            let _call = connection.accept().await;
            counted.fetch_add(1, Ordering::SeqCst);
            connection.abrupt_shutdown(Reason::INTERNAL_ERROR);
            while let Some(Ok(_)) = connection.accept().await {}
        }
    })
    .await;
    let error = client(&service).grpc(b"", LONG).await.unwrap_err();
    assert_eq!(error.kind, Kind::Interrupted, "{error}");
    assert_eq!(asked.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn one_stream_at_a_time_is_enough_for_a_burst() {
    let service = Scripted::start(|stream, _| async move {
        let builder = Builder::new().max_concurrent_streams(1).handshake::<_, bytes::Bytes>(stream);
        let mut connection = builder.await.unwrap();
        let tasks = TaskTracker::new();
        while let Some(Ok(call)) = connection.accept().await {
            tasks.spawn(async move {
                sleep(Duration::from_millis(5)).await;
                answer_h2(call, b"x").await;
            });
        }
    })
    .await;
    let client = client(&service);
    for _ in 0..3 {
        let answers = join_all((0..20).map(|_| client.grpc(b"", LONG))).await;
        let lost = answers.iter().filter_map(|answer| answer.as_ref().err()).map(ToString::to_string);
        assert_eq!(lost.collect::<Vec<_>>(), [""; 0]);
    }
    assert!(service.connections() <= 16, "{}", service.connections());
}

/// A service whose calls wait for the gate; it counts those that were reset before they were answered.
struct Watched {
    service: Scripted,
    gate: Arc<Semaphore>,
    asked: Arc<AtomicUsize>,
    reset: Arc<AtomicUsize>,
}

impl Watched {
    async fn start() -> Self {
        let gate = Arc::new(Semaphore::new(0));
        let [asked, reset] = [(); 2].map(|()| Arc::new(AtomicUsize::new(0)));
        let shared = (Arc::clone(&gate), Arc::clone(&asked), Arc::clone(&reset));
        let service = Scripted::start(move |stream, _| {
            let (gate, asked, reset) = shared.clone();
            async move {
                let mut connection = h2::server::handshake(stream).await.unwrap();
                let tasks = TaskTracker::new();
                while let Some(Ok(call)) = connection.accept().await {
                    asked.fetch_add(1, Ordering::SeqCst);
                    tasks.spawn(Self::hold(call, Arc::clone(&gate), Arc::clone(&reset)));
                }
            }
        })
        .await;
        Self { service, gate, asked, reset }
    }

    async fn hold((request, mut respond): H2Request, gate: Arc<Semaphore>, reset: Arc<AtomicUsize>) {
        tokio::select! {
            _ = poll_fn(|context| respond.poll_reset(context)) => {
                reset.fetch_add(1, Ordering::SeqCst);
                return;
            }
            pass = gate.acquire() => pass.unwrap().forget(),
        }
        answer_h2((request, respond), b"x").await;
    }
}

#[tokio::test]
async fn a_caller_that_leaves_resets_nothing_before_the_deadline() {
    let watched = Watched::start().await;
    let client = client(&watched.service);
    let left = timeout(Duration::from_millis(100), client.grpc(b"", Duration::from_millis(1_000))).await;
    assert!(left.is_err());
    assert_eq!(watched.asked.load(Ordering::SeqCst), 1);
    sleep(Duration::from_millis(400)).await;
    assert_eq!(watched.reset.load(Ordering::SeqCst), 0, "it runs on");
    until("it is given up at its deadline", || watched.reset.load(Ordering::SeqCst) == 1).await;
    watched.gate.add_permits(1);
    assert_eq!(client.grpc(b"", LONG).await.unwrap(), "x");
    assert_eq!(watched.service.connections(), 1);
}

#[tokio::test]
async fn two_hundred_callers_that_leave_at_once_kill_no_connection() {
    let watched = Watched::start().await;
    let client = client(&watched.service);
    watched.gate.add_permits(1);
    client.grpc(b"", LONG).await.unwrap();
    let leaving = (0..200).map(|_| timeout(Duration::from_millis(300), client.grpc(b"", LONG)));
    assert!(join_all(leaving).await.iter().all(Result::is_err));
    until("all have arrived", || watched.asked.load(Ordering::SeqCst) == 201).await;
    sleep(Duration::from_millis(200)).await;
    assert_eq!(watched.reset.load(Ordering::SeqCst), 0);
    watched.gate.add_permits(1_000);
    until("all are answered", || watched.gate.available_permits() == 800).await;
    sleep(Duration::from_millis(200)).await;
    let before = watched.service.connections();
    for _ in 0..20 {
        assert_eq!(client.grpc(b"", LONG).await.unwrap(), "x");
    }
    assert_eq!(watched.service.connections(), before);
}

#[tokio::test]
async fn a_connection_that_has_died_without_a_word_is_noticed_soon() {
    // The first connection is read no more once it has carried a call, as if the machine behind it were gone.
    let service = Scripted::start(|stream, number| async move {
        let mut connection = h2::server::handshake(stream).await.unwrap();
        let tasks = TaskTracker::new();
        while let Some(Ok(call)) = connection.accept().await {
            tasks.spawn(answer_h2(call, b"x"));
            if number == 0 {
                let _ = timeout(Duration::from_millis(100), connection.accept()).await;
                std::future::pending::<()>().await;
            }
        }
    })
    .await;
    let client = client(&service);
    client.grpc(b"", LONG).await.unwrap();
    sleep(Duration::from_millis(200)).await;
    let began = Instant::now();
    while client.grpc(b"", Duration::from_millis(200)).await.is_err() {
        assert!(began.elapsed() < Duration::from_secs(15), "it is still asked");
    }
    assert_eq!(service.connections(), 2);
}

#[tokio::test]
async fn garbage_is_no_answer_and_the_next_connection_is_a_new_one() {
    let service = Scripted::start(|mut stream, number| async move {
        if number < 3 {
            // Not even the head of a frame that HTTP/2 knows.
            let _ = stream.write_all(&[0xff; 500]).await;
            sleep(Duration::from_millis(100)).await;
        } else {
            answers_all(stream).await;
        }
    })
    .await;
    let client = Client::of(Config { grpc: Some(service.url()), ..plain() });
    for _ in 0..3 {
        let error = client.grpc(b"", LONG).await.unwrap_err();
        assert!(matches!(error.kind, Kind::Interrupted | Kind::Unreached), "{error}");
    }
    assert_eq!(client.grpc(b"", LONG).await.unwrap(), "x");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_may_come_before_the_body_of_the_request() {
    // It answers with the head of the request, and wants no more of it.
    let service = Scripted::start(|stream, _| async move {
        let mut connection = h2::server::handshake(stream).await.unwrap();
        while let Some(Ok((request, mut respond))) = connection.accept().await {
            drop(request);
            let head = http::Response::new(());
            let mut stream = respond.send_response(head, false).unwrap();
            let _ = stream.send_data(crate::harness::grpc_frame(b"x"), false);
            let _ = stream.send_trailers(super::scripted::status("0"));
        }
    })
    .await;
    let client = client(&service);
    for _ in 0..200 {
        for answer in join_all((0..20).map(|_| client.grpc(b"", LONG))).await {
            assert_eq!(answer.unwrap(), "x");
        }
    }
}
