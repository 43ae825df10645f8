//! Services whose replies are broken in every way: each is a failed call, of which the page may do without, and the
//! server lives.

use std::path::Path;

use axum::Router;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use bff::upstream;
use bytes::Bytes;

use crate::harness::{Answer, Backend, Caller, Server, grpc_reply};

const PROTO: &str = r#"
syntax = "proto3";
package hostile.v1;
import "google/protobuf/struct.proto";
import "google/protobuf/timestamp.proto";
service Things { rpc Get(Ask) returns (Thing) { option idempotency_level = NO_SIDE_EFFECTS; } }
message Ask { string id = 1; }
message Thing {
  string title = 1;
  repeated Part parts = 2;
  google.protobuf.Timestamp at = 3;
  google.protobuf.Struct free = 4;
}
message Part { int32 a = 1; int32 b = 2; int32 c = 3; }
"#;

const CONTRACT: &str = r#"
openapi: 3.1.0
info: { title: things, version: "1" }
paths:
  /things/{id}:
    get:
      operationId: getThing
      parameters: [{ name: id, in: path, required: true, schema: { type: string } }]
      responses:
        "200":
          description: One.
          content: { application/json: { schema: { $ref: '#/components/schemas/Thing' } } }
components:
  schemas:
    Thing:
      type: object
      required: [title]
      properties: { title: { type: string }, size: { type: integer, format: int32 }, free: {} }
"#;

/// A view for each service, which needs its reply, and one that does without.
fn views() -> String {
    let call = |service: &str| match service {
        "grpc" => "grpc: grpc/hostile.v1.Things.Get, request: { id: $params.id }",
        _ => "http: http/getThing, request: { path.id: $params.id }",
    };
    let shape = |service: &str| match service {
        "grpc" => "pick: [title, at, free, parts]",
        _ => "pick: [title, size, free]",
    };
    let view = |service: &str, name: &str, on_fail: &str| {
        let shape = shape(service).replace(", parts]", "]");
        let parts = if service == "grpc" { "\n  parts: { from: \"thing?.parts\", pick: [a, b, c] }" } else { "" };
        let parts = if on_fail.is_empty() { parts.replace("?.", ".") } else { parts.to_owned() };
        format!(
            "view: {service}-{name}\nroute: GET /v1/{service}/{name}/{{id}}\naccess: public\n\
             deadline: 30s\nparams: {{ id: {{ in: path, type: string }} }}\n\
             calls: {{ thing: {{ {}, timeout: 25s{on_fail} }} }}\n\
             shape:\n  thing: {{ of: thing, {shape} }}{parts}\n---\n",
            call(service)
        )
    };
    let both = |service: &str| view(service, "needed", "") + &view(service, "spared", ", on_fail: null");
    both("grpc") + &both("http")
}

fn grpc_replies() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("it ends in a field", b"\x0a\x05ab".to_vec()),
        ("two gigabytes are declared", b"\x0a\x80\x80\x80\x80\x08ab".to_vec()),
        ("2^63 bytes are declared", b"\x12\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01".to_vec()),
        ("a number does not end", [&b"\x10"[..], &[0xff; 16]].concat()),
        ("not UTF-8", b"\x0a\x02\xc3\x28".to_vec()),
        ("no such wire type", b"\x0f".to_vec()),
        ("no such field", b"\x00\x00".to_vec()),
        ("groups in groups", b"\xbb\x3e".repeat(100_000)),
        ("a time beyond the calendar", b"\x1a\x0a\x08\xff\xff\xff\xff\xff\xff\xff\xff\x7f".to_vec()),
        ("more parts than memory is for", b"\x12\x00".repeat(1_900_000)),
        ("more JSON than memory is for", b"\x22\x06\x0a\x04\x0a\x00\x12\x00".repeat(500_000)),
        ("larger than a reply may be", vec![0x0a; 5 << 20]),
    ]
}

fn http_replies() -> Vec<(&'static str, Vec<u8>)> {
    let deep = |open: &str| format!("{{\"title\":\"\",\"free\":{}", open.repeat(100_000)).into_bytes();
    vec![
        ("nothing", Vec::new()),
        ("it ends early", b"{\"title\":\"a\"".to_vec()),
        ("not UTF-8", b"{\"title\":\"\xc3\x28\"}".to_vec()),
        ("half a pair", b"{\"title\":\"\\ud800\"}".to_vec()),
        ("another type", b"{\"title\":5}".to_vec()),
        ("a number beyond its type", b"{\"title\":\"\",\"size\":1e400}".to_vec()),
        ("another kind", b"[]".to_vec()),
        ("what is promised is missing", b"{}".to_vec()),
        ("not JSON", b"{\"title\":NaN}".to_vec()),
        ("two values", b"{\"title\":\"\"}{}".to_vec()),
        ("arrays in arrays", deep("[")),
        ("objects in objects", deep("{\"a\":")),
        ("larger than a reply may be", vec![b' '; 5 << 20]),
    ]
}

/// The number in the request says which reply comes; any other, a good one.
async fn backend() -> Backend {
    fn reply(all: &[(&str, Vec<u8>)], number: &[u8], good: &'static [u8]) -> Vec<u8> {
        let number = std::str::from_utf8(number).ok().and_then(|number| number.parse::<usize>().ok());
        number.and_then(|number| all.get(number)).map_or(good.to_vec(), |(_, reply)| reply.clone())
    }
    let grpc = |frame: Bytes| async move {
        // A frame's head, then the tag and the length of the id.
        let message = reply(&grpc_replies(), frame.get(7..).unwrap_or_default(), b"\x0a\x02ok");
        match message.is_empty() {
            true => Response::new(Body::empty()),
            false => grpc_reply(&message),
        }
    };
    let http = |axum::extract::Path(id): axum::extract::Path<String>| async move {
        let body = reply(&http_replies(), id.as_bytes(), b"{\"title\":\"ok\"}");
        ([("content-type", "application/json")], body).into_response()
    };
    Backend::start(Router::new().route("/hostile.v1.Things/Get", post(grpc)).route("/things/{id}", get(http))).await
}

async fn server(backend: &Backend) -> Server {
    Server::start_with(|mut config| {
        let folder = Path::new(&config.views.dir).parent().unwrap();
        std::fs::write(folder.join("views/hostile.yaml"), views()).unwrap();
        std::fs::create_dir(folder.join("proto")).unwrap();
        std::fs::write(folder.join("proto/hostile.proto"), PROTO).unwrap();
        std::fs::write(folder.join("things.yaml"), CONTRACT).unwrap();
        let path = |name: &str| Some(folder.join(name).display().to_string());
        let (protos, openapi) = (path("proto"), path("things.yaml"));
        let grpc = upstream::Config { grpc: Some(backend.url()), protos, ..upstream::Config::default() };
        let http = upstream::Config { http: Some(backend.url()), openapi, ..upstream::Config::default() };
        config.sources.extend([("grpc".to_owned(), grpc), ("http".to_owned(), http)]);
        config
    })
    .await
}

fn refused(answer: &Answer, what: &str) {
    assert_eq!((answer.status, answer.header("content-type")), (502, "application/problem+json"), "{what}");
    assert_eq!(answer.json()["status"], 502, "{what}");
}

#[tokio::test]
async fn a_broken_reply_is_a_failed_call() {
    let backend = backend().await;
    let server = server(&backend).await;
    let caller = server.anonymous();
    for (service, replies) in [("grpc", grpc_replies()), ("http", http_replies())] {
        for (number, (name, _)) in replies.iter().enumerate() {
            let what = format!("{service}: {name}");
            refused(&caller.get(&format!("/v1/{service}/needed/{number}")).await, &what);
            let spared = caller.get(&format!("/v1/{service}/spared/{number}")).await;
            assert_eq!((spared.status, &spared.json()["thing"]), (200, &serde_json::Value::Null), "{what}");
            assert!(spared.header("bff-partial").contains("call=thing;reason=malformed"), "{what}: {spared:?}");
        }
        let good = caller.get(&format!("/v1/{service}/needed/good")).await;
        assert_eq!((good.status, &good.json()["thing"]["title"]), (200, &"ok".into()), "{service}");
    }
}
