//! HTTP/1.1: connections that are kept, closed, and not to be trusted any more.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bff::upstream::{Config, Kind};
use http::Method;
use tokio::io::AsyncWriteExt;
use tokio::time::{Instant, sleep};
use tonic::Code;

use super::asking::{Client, LATE, LONG, plain};
use super::scripted::{Scripted, answer, answer_all, request};

fn client(service: &Scripted) -> Client {
    Client::of(Config { http: Some(service.url()), max_reply_bytes: 100_000, ..plain() })
}

/// A service that answers everything with these bytes.
async fn always(bytes: impl Into<String>) -> Scripted {
    let bytes = Arc::new(bytes.into());
    Scripted::start(move |stream, _| {
        let bytes = Arc::clone(&bytes);
        async move { answer_all(stream, &bytes).await }
    })
    .await
}

#[tokio::test]
async fn a_connection_carries_one_request_after_another() {
    let service = always(answer("{}")).await;
    let client = client(&service);
    for _ in 0..50 {
        assert_eq!(client.get("/", LONG).await.unwrap(), "{}");
        assert_eq!(client.post("/", LONG).await.unwrap(), "{}");
    }
    assert_eq!(service.connections(), 1);
    let burst = futures_util::future::join_all((0..20).map(|_| client.get("/", LONG))).await;
    assert!(burst.iter().all(Result::is_ok));
    assert!(service.connections() <= 21, "{}", service.connections());
    let before = service.connections();
    futures_util::future::join_all((0..20).map(|_| client.get("/", LONG))).await;
    assert_eq!(service.connections(), before, "the burst's connections are kept");
}

#[tokio::test]
async fn a_connection_that_was_closed_while_it_waited_costs_no_call() {
    // Each connection answers once, and is closed a little later without a word.
    let service = Scripted::start(|mut stream, _| async move {
        request(&mut stream).await;
        stream.write_all(answer("{}").as_bytes()).await.unwrap();
        sleep(Duration::from_millis(10)).await;
    })
    .await;
    let client = client(&service);
    for turn in 1..=10 {
        let method = if turn % 2 == 0 { Method::GET } else { Method::POST };
        client.http(&method, "/", b"{}", LONG).await.unwrap();
        assert_eq!(service.connections(), turn);
        sleep(Duration::from_millis(60)).await;
    }
}

#[tokio::test]
async fn what_may_be_repeated_survives_a_connection_that_closes_as_it_is_used() {
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&asked);
    // The second request of a connection is read, and the connection closed.
    let service = Scripted::start(move |mut stream, _| {
        let counted = Arc::clone(&counted);
        async move {
            request(&mut stream).await;
            counted.fetch_add(1, Ordering::SeqCst);
            stream.write_all(answer("{}").as_bytes()).await.unwrap();
            request(&mut stream).await;
            counted.fetch_add(1, Ordering::SeqCst);
        }
    })
    .await;
    let client = client(&service);
    for _ in 0..10 {
        client.get("/", LONG).await.unwrap();
    }
    let before = asked.load(Ordering::SeqCst);
    let error = client.post("/", LONG).await.unwrap_err();
    assert_eq!((error.code, error.kind), (Code::Unavailable, Kind::Interrupted), "{error}");
    assert_eq!(asked.load(Ordering::SeqCst) - before, 1, "the service may have acted");
}

#[tokio::test]
async fn a_service_that_wants_the_connection_closed_gets_a_new_one() {
    let service = always("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\n{}").await;
    let client = client(&service);
    for turn in 1..=5 {
        assert_eq!(client.post("/", LONG).await.unwrap(), "{}");
        assert_eq!(service.connections(), turn);
    }
}

#[tokio::test]
async fn bodies_of_every_form_are_read_and_the_connection_kept() {
    for (what, bytes, body) in [
        ("chunked", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\n{\r\n1;x=y\r\n}\r\n0\r\n\r\n", "{}"),
        ("trailers", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nx: y\r\n\r\n", "{}"),
        ("204", "HTTP/1.1 204 No Content\r\n\r\n", ""),
        ("empty", "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", ""),
        (
            "early hints",
            "HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}",
            "{}",
        ),
    ] {
        let service = always(bytes).await;
        let client = client(&service);
        for _ in 0..3 {
            assert_eq!(client.get("/", LONG).await.unwrap(), body, "{what}");
        }
        assert_eq!(service.connections(), 1, "{what}");
    }
    let unchanged = always("HTTP/1.1 304 Not Modified\r\ncontent-length: 7\r\n\r\n").await;
    let client_of_unchanged = client(&unchanged);
    for _ in 0..3 {
        assert_eq!(client_of_unchanged.get("/", LONG).await.unwrap_err().kind, Kind::Answered);
    }
    assert_eq!(unchanged.connections(), 1, "a 304 has no body, whatever its length says");
    let head = always("HTTP/1.1 200 OK\r\ncontent-length: 12345\r\n\r\n").await;
    let client = client(&head);
    for _ in 0..3 {
        assert_eq!(client.http(&Method::HEAD, "/", b"", LONG).await.unwrap().body, "");
    }
    assert_eq!(head.connections(), 1, "an answer to HEAD has no body either");
}

#[tokio::test]
async fn a_body_up_to_the_end_of_the_connection_is_whole() {
    let service = Scripted::start(|mut stream, _| async move {
        request(&mut stream).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n[1,").await.unwrap();
        sleep(Duration::from_millis(10)).await;
        stream.write_all(b"2]").await.unwrap();
    })
    .await;
    assert_eq!(client(&service).get("/", LONG).await.unwrap(), "[1,2]");
}

#[tokio::test]
async fn a_reply_over_the_limit_is_not_read_to_its_end() {
    let written = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&written);
    let service = Scripted::start(move |mut stream, _| {
        let counted = Arc::clone(&counted);
        async move {
            request(&mut stream).await;
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000000\r\n\r\n").await.unwrap();
            while stream.write_all(&[b'x'; 10_000]).await.is_ok() {
                counted.fetch_add(10_000, Ordering::SeqCst);
            }
        }
    })
    .await;
    let error = client(&service).get("/", LONG).await.unwrap_err();
    assert_eq!((error.code, error.kind), (Code::Internal, Kind::Malformed), "{error}");
    sleep(Duration::from_millis(100)).await;
    // What the sockets hold, and no more.
    assert!(written.load(Ordering::SeqCst) < 20_000_000, "{written:?}");
}

#[tokio::test]
async fn a_body_that_ends_early_is_no_answer() {
    for cut in [
        "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n{}",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\n{}",
        "HTTP/1.1 200 OK\r\ncontent-le",
    ] {
        let service = Scripted::start(move |mut stream, _| async move {
            request(&mut stream).await;
            stream.write_all(cut.as_bytes()).await.unwrap();
        })
        .await;
        let error = client(&service).get("/", LONG).await.unwrap_err();
        assert_eq!((error.code, error.kind), (Code::Unavailable, Kind::Interrupted), "{cut:?}: {error}");
    }
}

#[tokio::test]
async fn what_is_not_http_is_no_answer() {
    let long_head = format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "y".repeat(200_000));
    for garbage in [
        "\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\r\n\r\n",
        "SSH-2.0-OpenSSH_9.6\r\n\r\n",
        "HTTP/1.1 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n{}",
        "HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nbad header\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        &long_head,
    ] {
        let service = always(garbage).await;
        let client = client(&service);
        let began = Instant::now();
        let error = client.get("/", LONG).await.unwrap_err();
        assert!(matches!(error.code, Code::Unavailable | Code::Internal), "{garbage:?}: {error}");
        assert!(began.elapsed() < LATE, "{garbage:?}");
        client.get("/", LONG).await.unwrap_err();
        assert_eq!(service.connections(), 2, "{garbage:?}: it is not used again");
    }
}

/// Answers the first request of a connection with `first` and all others with what `request` was.
async fn answers_twice(first: &'static [&'static str]) -> Scripted {
    Scripted::start(move |mut stream, number| async move {
        let mut turn = 0;
        while let Some(asked) = request(&mut stream).await {
            let path = asked.split(' ').nth(1).unwrap().to_owned();
            stream.write_all(answer(&path).as_bytes()).await.unwrap();
            if turn == 0 && number == 0 {
                for more in first {
                    stream.write_all(more.as_bytes()).await.unwrap();
                    sleep(Duration::from_millis(20)).await;
                }
            }
            turn += 1;
        }
    })
    .await
}

#[tokio::test]
async fn two_replies_to_one_request_reach_nobody_else() {
    const POISON: &str = "HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\npoison";
    for more in [&[POISON][..], &["", POISON], &["x"], &["\r\n"], &["HTTP/1.1 408 Request Timeout\r\n\r\n"]] {
        let service = answers_twice(more).await;
        let client = client(&service);
        assert_eq!(client.get("/first", LONG).await.unwrap(), "/first");
        sleep(Duration::from_millis(100)).await;
        for turn in 0..5 {
            let path = format!("/{turn}");
            assert_eq!(client.get(&path, LONG).await.unwrap(), path.as_str(), "{more:?}");
            assert_eq!(client.post(&path, LONG).await.unwrap(), path.as_str(), "{more:?}");
        }
        assert_eq!(service.connections(), 2, "{more:?}: the connection that said too much is not used again");
    }
}

#[tokio::test]
async fn more_than_the_length_says_is_cut_off_and_the_connection_with_it() {
    let service = always("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}, and more").await;
    let client = client(&service);
    for turn in 1..=3 {
        assert_eq!(client.get("/", LONG).await.unwrap(), "{}");
        assert_eq!(service.connections(), turn);
    }
}

#[tokio::test]
async fn what_a_caller_has_given_up_reaches_nobody_else() {
    let service = Scripted::start(|mut stream, _| async move {
        while let Some(asked) = request(&mut stream).await {
            let path = asked.split(' ').nth(1).unwrap().to_owned();
            sleep(Duration::from_millis(if path == "/slow" { 50 } else { 0 })).await;
            if stream.write_all(answer(&path).as_bytes()).await.is_err() {
                return;
            }
        }
    })
    .await;
    let client = client(&service);
    for turn in 0..20 {
        let left = tokio::time::timeout(Duration::from_millis(10), client.get("/slow", LONG)).await;
        assert!(left.is_err());
        let path = format!("/{turn}");
        assert_eq!(client.get(&path, LONG).await.unwrap(), path.as_str());
    }
}
