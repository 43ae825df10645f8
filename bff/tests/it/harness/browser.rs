//! A real browser, driven over its debugging pipe (the Chrome DevTools Protocol).

use std::io::{BufRead, BufReader, Write, stderr};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::{Value, json};

/// One page of a headless Chromium that can reach this machine alone.
pub struct Browser {
    child: Child,
    to: Option<ChildStdin>,
    from: BufReader<ChildStdout>,
    session: Option<String>,
    last_id: u64,
    visited: Visited,
}

/// What happened on the page.
#[derive(Debug, Default)]
pub struct Visited {
    /// The addresses that it asked for.
    pub requests: Vec<String>,
    /// Errors of its scripts, and what its policy kept it from.
    pub complaints: Vec<String>,
}

const NAMES: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];
/// Protocol messages go over descriptors 3 and 4, which only a shell can hand over; `timeout` ends what hangs.
const START: &str = r#"exec timeout -k 5 120 "$0" "$@" 3<&0 4>&1 </dev/null >/dev/null 2>"$BROWSER_LOG""#;
const FLAGS: [&str; 11] = [
    "--headless",
    "--remote-debugging-pipe",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
];

impl Browser {
    /// None, with a word about it, where there is none; that is a failure where tests must not be skipped.
    pub fn start(folder: &Path) -> Option<Self> {
        let Some(program) = NAMES.into_iter().find(|name| is_installed(name)) else {
            #[expect(clippy::disallowed_methods, reason = "the test run's own setting")]
            let required = std::env::var("CI").is_ok_and(|value| value == "true");
            let missing = format!("no browser: install the package `chromium` (looked for {})", NAMES.join(", "));
            assert!(!required, "{missing}");
            // Not captured, as what `eprintln` says would be.
            stderr().write_all(format!("SKIPPED: {missing}\n").as_bytes()).unwrap();
            return None;
        };
        std::fs::create_dir_all(folder).unwrap();
        let mut child = Command::new("sh")
            .args(["-c", START, program])
            .args(FLAGS)
            .arg(format!("--user-data-dir={}", folder.display()))
            .env("BROWSER_LOG", folder.join("log"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (to, from) = (child.stdin.take(), BufReader::new(child.stdout.take().unwrap()));
        Some(Self { child, to, from, session: None, last_id: 0, visited: Visited::default() })
    }

    pub fn open(&mut self, url: &str) {
        let target = self.call("Target.createTarget", json!({ "url": "about:blank" }))["targetId"].take();
        let attached = self.call("Target.attachToTarget", json!({ "targetId": target, "flatten": true }));
        self.session = attached["sessionId"].as_str().map(str::to_owned);
        for domain in ["Network", "Log", "Runtime", "Page"] {
            self.call(&format!("{domain}.enable"), json!({}));
        }
        self.call("Page.navigate", json!({ "url": url }));
    }

    /// The value that the script's promise comes to.
    pub fn evaluate(&mut self, script: &str) -> Value {
        let how = json!({ "expression": script, "awaitPromise": true, "returnByValue": true });
        let mut result = self.call("Runtime.evaluate", how);
        assert!(result["exceptionDetails"].is_null(), "{:#}", result["exceptionDetails"]);
        result["result"]["value"].take()
    }

    pub fn close(mut self) -> Visited {
        self.session = None;
        self.call("Browser.close", json!({}));
        std::mem::take(&mut self.visited)
    }

    fn call(&mut self, method: &str, params: Value) -> Value {
        self.last_id += 1;
        let id = self.last_id;
        let mut message = json!({ "id": id, "method": method, "params": params });
        if let Some(session) = &self.session {
            message["sessionId"] = json!(session);
        }
        let to = self.to.as_mut().unwrap();
        to.write_all(format!("{message}\0").as_bytes()).unwrap();
        loop {
            let mut answer = self.read(method);
            if answer["id"] == id {
                assert!(answer["error"].is_null(), "{method}: {}", answer["error"]);
                return answer["result"].take();
            }
            self.note(&answer);
        }
    }

    fn read(&mut self, method: &str) -> Value {
        let mut message = Vec::new();
        self.from.read_until(0, &mut message).unwrap();
        assert_eq!(message.pop(), Some(0), "{method}: the browser ended, or was ended after two minutes");
        serde_json::from_slice(&message).unwrap()
    }

    fn note(&mut self, event: &Value) {
        let params = &event["params"];
        match event["method"].as_str() {
            Some("Network.requestWillBeSent") => {
                self.visited.requests.push(params["request"]["url"].as_str().unwrap().to_owned());
            }
            Some("Log.entryAdded") => self.visited.complaints.push(params["entry"]["text"].to_string()),
            Some("Runtime.exceptionThrown") => self.visited.complaints.push(params["exceptionDetails"].to_string()),
            _ => {}
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Without its pipe the browser ends by itself.
        self.to = None;
        let _ = self.child.wait();
    }
}

fn is_installed(name: &str) -> bool {
    let found = Command::new("sh").args(["-c", "command -v \"$0\"", name]).stdout(Stdio::null()).status();
    found.is_ok_and(|status| status.success())
}
