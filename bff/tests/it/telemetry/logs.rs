//! The log of the program: one JSON object a line, tied to its request, without secrets.

use serde_json::{Value, json};

use super::screen::Services;
use crate::harness::{Process, client};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";

fn names(line: &Value) -> Vec<&str> {
    line.as_object().unwrap().keys().map(String::as_str).collect()
}

#[tokio::test]
async fn each_line_of_a_request_names_it() {
    let services = Services::start().await;
    let folder = tempfile::tempdir().unwrap();
    let mut process = Process::start(folder.path(), &services.settings(folder.path()), &[]).await;
    let request = client()
        .get(format!("{}/v1/screens/one", process.url))
        .header("x-request-id", "request-1")
        .header("traceparent", format!("00-{TRACE}-b7ad6b7169203331-01"))
        .header("cookie", "other=cookie-secret");
    assert_eq!(request.send().await.unwrap().status(), 200);

    let partial = process.line("partial answer").await;
    let answered = process.line("answered").await;
    for line in [&partial, &answered] {
        assert_eq!((&line["request_id"], &line["trace_id"]), (&json!("request-1"), &json!(TRACE)));
        assert_eq!((&line["method"], &line["route"]), (&json!("GET"), &json!("/v1/screens/{id}")));
    }
    assert_eq!((&partial["level"], &partial["call"]), (&json!("WARN"), &json!("extra")));
    assert_eq!((&answered["status"], &answered["code"]), (&json!(200), &json!("-")));
    assert_eq!(
        names(&answered),
        [
            "timestamp",
            "level",
            "target",
            "message",
            "status",
            "code",
            "duration_ms",
            "request_id",
            "method",
            "route",
            "client",
            "trace_id"
        ]
    );

    let login = json!({ "identifier": "user@shop.test", "password": "password-secret" });
    for (query, status, code) in [("", 401, "invalid-credentials"), ("?token=query-secret", 400, "invalid-query")] {
        let url = format!("{}/v1/auth/login{query}", process.url);
        let login = client().post(url).bearer_auth("bearer-secret").json(&login);
        assert_eq!(login.send().await.unwrap().status(), status);
        assert_eq!(process.line("answered").await["code"], code);
    }
    let log = process.stop().await;
    assert!(!log.contains("secret") && !log.contains("user@shop"), "{log}");
    assert_eq!(log.matches("\"answered\"").count(), 3, "one line a request:\n{log}");
    assert!(log.ends_with('}') && log.contains("\"stopped\""), "{log}");
}

#[tokio::test]
async fn a_wrong_setting_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("wrong.toml");
    let text = "[telemetry]\nlevel = 'bff=loud'\notlp_endpoint = 'collector:4317'\ntrace_ratio = 2.0";
    std::fs::write(&file, text).unwrap();
    let problems = bff::config::load(&[file], &Default::default()).unwrap_err().to_string();
    assert_eq!(
        problems,
        "telemetry.level: `bff=loud` is not a log filter (error parsing level filter: expected one of \"off\", \"error\", \
         \"warn\", \"info\", \"debug\", \"trace\", or a number 0-5); write `info` or `info,bff=debug`\n\
         telemetry.otlp_endpoint: `collector:4317` is not an address like http://127.0.0.1:4317\n\
         telemetry.trace_ratio: 2 is not between 0.0 and 1.0"
    );
}
