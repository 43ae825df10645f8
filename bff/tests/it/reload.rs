//! Views that change while the server runs: what is asked for now is answered by the new ones, what is open by the old.

use std::path::Path;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use bff::upstream;
use bff::views::Watch;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::Notify;

use crate::harness::{Anonymous, Answer, Backend, Caller, Process, Server};

const CONTRACT: &str = r#"
openapi: 3.1.0
info: { title: catalog, version: "1" }
paths:
  /title:
    get:
      operationId: getTitle
      responses:
        "200":
          description: One.
          content:
            application/json:
              schema:
                type: object
                required: [title]
                properties: { title: { type: string } }
"#;

/// A view at this path whose answer's one member has this name.
fn view(path: &str, member: &str) -> String {
    format!(
        "view: title\nroute: GET {path}\naccess: public\ncalls:\n  one: {{ http: catalog/getTitle }}\n\
         shape:\n  {member}: one.title\n"
    )
}

fn write(folder: &Path, text: &str) {
    std::fs::write(folder.join("views/title.yaml"), text).unwrap();
}

async fn server(backend: &Backend, watch: Watch) -> Server {
    Server::start_with(|mut config| {
        let folder = Path::new(&config.views.dir).parent().unwrap();
        write(folder, &view("/v1/title", "old"));
        std::fs::write(folder.join("catalog.yaml"), CONTRACT).unwrap();
        let openapi = Some(folder.join("catalog.yaml").display().to_string());
        let catalog =
            upstream::Config { http: Some(backend.url()), openapi, timeout_ms: 60_000, ..upstream::Config::default() };
        config.sources.insert("catalog".to_owned(), catalog);
        config.views.deadline_ms = 60_000;
        config.views.watch = watch;
        config
    })
    .await
}

async fn title() -> axum::Json<Value> {
    axum::Json(json!({ "title": "Tea" }))
}

async fn backend() -> Backend {
    Backend::start(Router::new().route("/title", get(title))).await
}

async fn reload(server: &Server) -> Answer {
    Answer::of(server.client.post(format!("{}/reload", server.admin_url))).await
}

async fn metrics(server: &Server) -> String {
    let answer = Answer::of(server.client.get(format!("{}/metrics", server.admin_url))).await;
    String::from_utf8(answer.body.to_vec()).unwrap()
}

/// Asks until the answer is the one.
async fn until(caller: &Anonymous<'_>, path: &str, body: Value) {
    loop {
        let answer = caller.get(path).await;
        if answer.status == 200 && answer.json() == body {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_reload_swaps_routes_answers_and_the_document_together() {
    let backend = backend().await;
    let server = server(&backend, Watch::Off).await;
    let caller = server.anonymous();
    assert_eq!(caller.get("/v1/title").await.json(), json!({ "old": "Tea" }));

    write(server.folder.path(), &view("/v2/title", "new"));
    assert_eq!(caller.get("/v1/title").await.json(), json!({ "old": "Tea" }), "nothing changes unasked");
    let summary = reload(&server).await;
    assert_eq!((summary.status, summary.json()), (200, json!({ "views": 1, "changed": ["title"] })));

    assert_eq!(caller.get("/v2/title").await.json(), json!({ "new": "Tea" }));
    assert_eq!(caller.get("/v1/title").await.status, 404);
    let document = caller.get("/openapi.json").await.json();
    let paths = &document["paths"];
    assert!(paths.get("/v2/title").is_some() && paths.get("/v1/title").is_none());
    assert_eq!(reload(&server).await.json(), json!({ "views": 1, "changed": [] }));
}

#[tokio::test]
async fn a_bad_file_changes_nothing_and_says_why() {
    let backend = backend().await;
    let server = server(&backend, Watch::Off).await;
    let text = view("/v2/title", "new").replace("one.title", "one.titl");
    write(server.folder.path(), &text);

    let refused = reload(&server).await;
    assert_eq!((refused.status, refused.header("content-type")), (422, "application/problem+json"));
    let problem = refused.json();
    assert_eq!(problem["code"], "invalid-views");
    let file = &problem["files"][0];
    assert!(file["place"].as_str().unwrap().ends_with("title.yaml:7:12"), "{file}");
    assert_eq!(file["code"], "unknown-field");
    assert!(file["message"].as_str().unwrap().contains("did you mean `title`?"), "{file}");
    assert_eq!(server.anonymous().get("/v1/title").await.json(), json!({ "old": "Tea" }));

    std::fs::remove_dir_all(server.folder.path().join("views")).unwrap();
    assert_eq!(reload(&server).await.status, 422);
    assert_eq!(server.anonymous().get("/v1/title").await.json(), json!({ "old": "Tea" }));
    assert!(metrics(&server).await.contains("bff_reloads_total{result=\"refused\"} 2"));
}

#[tokio::test]
async fn a_changed_contract_is_read_again() {
    let backend = backend().await;
    let server = server(&backend, Watch::Off).await;
    let contract = CONTRACT.replace("required: [title]\n", "required: []\n").replace("type: string", "type: integer");
    std::fs::write(server.folder.path().join("catalog.yaml"), contract).unwrap();
    assert_eq!(reload(&server).await.json()["changed"], json!(["title"]));
    // What the service sends no longer is what its contract promises.
    assert_eq!(server.anonymous().get("/v1/title").await.status, 502);
}

#[tokio::test]
async fn an_open_request_is_answered_by_the_view_that_took_it() {
    static ENTERED: Notify = Notify::const_new();
    static FINISH: Notify = Notify::const_new();
    let slow = || async {
        ENTERED.notify_one();
        FINISH.notified().await;
        title().await
    };
    let backend = Backend::start(Router::new().route("/title", get(slow))).await;
    let server = server(&backend, Watch::Off).await;
    let caller = server.anonymous();
    let swap = async {
        ENTERED.notified().await;
        write(server.folder.path(), &view("/v1/title", "new"));
        assert_eq!(reload(&server).await.status, 200);
        FINISH.notify_one();
    };
    let (answer, ()) = tokio::join!(caller.get("/v1/title"), swap);
    assert_eq!((answer.status, answer.json()), (200, json!({ "old": "Tea" })));

    FINISH.notify_one();
    assert_eq!(caller.get("/v1/title").await.json(), json!({ "new": "Tea" }));
}

#[tokio::test]
async fn reloads_asked_for_at_once_end_with_what_was_saved_last() {
    let backend = backend().await;
    let server = server(&backend, Watch::Off).await;
    let first = async { for_all(&server, 10).await };
    let later = async {
        write(server.folder.path(), &view("/v1/title", "new"));
        for_all(&server, 10).await;
    };
    tokio::join!(first, later);
    assert_eq!(server.anonymous().get("/v1/title").await.json(), json!({ "new": "Tea" }));
}

async fn for_all(server: &Server, count: usize) {
    for answer in futures_util::future::join_all((0..count).map(|_| reload(server))).await {
        assert_eq!(answer.status, 200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_saved_is_served() {
    let backend = backend().await;
    let server = server(&backend, Watch::On).await;
    let caller = server.anonymous();
    // The watch may begin a moment after the server: a save before that is seen by nobody.
    let save = async {
        loop {
            write(server.folder.path(), &view("/v1/title", "new"));
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    };
    tokio::select! {
        () = save => {}
        () = until(&caller, "/v1/title", json!({ "new": "Tea" })) => {}
    }
    // Editors write a new file and rename it over the old one.
    let (new, old) = (server.folder.path().join("views/.title.swp"), server.folder.path().join("views/title.yaml"));
    std::fs::write(&new, view("/v1/title", "renamed")).unwrap();
    std::fs::rename(new, old).unwrap();
    until(&caller, "/v1/title", json!({ "renamed": "Tea" })).await;
}

/// A folder with a view and a contract, and the settings of a process in it.
fn installation(backend: &Backend) -> (TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("views")).unwrap();
    write(folder.path(), &view("/v1/title", "old"));
    std::fs::write(folder.path().join("catalog.yaml"), CONTRACT).unwrap();
    let url = backend.url();
    let settings = format!(
        "[views]\ndir = \"views\"\nwatch = \"off\"\n[store]\ndatabase_url = \"sqlite:bff.db\"\n\
         [sources.catalog]\nhttp = \"{url}\"\nopenapi = \"catalog.yaml\"\n"
    );
    (folder, settings)
}

#[tokio::test]
async fn an_author_sees_the_check_s_result_after_every_save() {
    let backend = backend().await;
    let (folder, settings) = installation(&backend);
    let wrong = view("/v1/title", "old").replace("one.title", "one.titl");
    write(folder.path(), &wrong);
    let mut process = Process::start_as("dev", folder.path(), &settings, &[]).await;
    let mut seen = Vec::new();
    // It starts all the same; the watch begins a moment later, and a save before that would go unseen.
    while let Some(line) = process.printed.recv().await {
        let last = line.ends_with("there are no views until they are mended");
        seen.push(line);
        if last {
            break;
        }
    }
    assert!(seen[0].starts_with("public  http://127.0.0.1:") && seen[1].starts_with("admin   http://"), "{seen:?}");
    let seen = seen.join("\n");
    assert!(seen.contains("--> views/title.yaml:7:12") && seen.contains("did you mean `title`?"), "{seen}");

    let save = async {
        loop {
            write(folder.path(), &view("/v1/title", "new"));
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    };
    tokio::select! {
        () = save => {}
        line = process.printed.recv() => assert_eq!(line.unwrap(), "title.yaml: 1 view, no problems"),
    }
    let answer = Answer::of(crate::harness::client().get(format!("{}/v1/title", process.url))).await;
    assert_eq!(answer.json(), json!({ "new": "Tea" }));
    process.stop().await;
}

#[tokio::test]
async fn a_hangup_signal_reloads_and_the_log_says_what_came_of_it() {
    let backend = backend().await;
    let (folder, settings) = installation(&backend);
    let mut process = Process::start(folder.path(), &settings, &[]).await;

    write(folder.path(), &view("/v1/title", "new"));
    process.signal("HUP");
    let line = process.line("reloaded").await;
    assert_eq!((&line["reason"], &line["views"], &line["changed"]), (&json!("SIGHUP"), &json!(1), &json!("title")));

    write(folder.path(), "view: title\n");
    process.signal("HUP");
    let line = process.line("not reloaded").await;
    assert!(line["place"].as_str().unwrap().starts_with("views/title.yaml:1:1"), "{line}");
    let answer = Answer::of(crate::harness::client().get(format!("{}/v1/title", process.url))).await;
    assert_eq!(answer.json(), json!({ "new": "Tea" }));
    process.stop().await;
}
