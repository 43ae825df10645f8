//! A mail server in a process of its own, which tells what it is sent.

use std::io::{BufRead, BufReader, Write, stderr};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::timeout;

pub struct MailServer {
    pub port: u16,
    child: Child,
    events: UnboundedReceiver<Value>,
    passed_over: Vec<Value>,
}

const PROGRAM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/harness/mail_server.py");
const PYTHONS: [&str; 2] = ["python3", "/usr/bin/python3"];

impl MailServer {
    /// None, with a word about it, where it cannot run; that is a failure where tests must not be skipped.
    pub fn start(arguments: &[&str]) -> Option<Self> {
        let Some(python) = PYTHONS.into_iter().find(|python| has_aiosmtpd(python)) else {
            #[expect(clippy::disallowed_methods, reason = "the test run's own setting")]
            let required = std::env::var("CI").is_ok_and(|value| value == "true");
            assert!(!required, "no mail server: install the package `python3-aiosmtpd`");
            stderr().write_all(b"SKIPPED: no mail server: install the package `python3-aiosmtpd`\n").unwrap();
            return None;
        };
        let mut child = Command::new(python)
            .arg(PROGRAM)
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let first = lines.next().unwrap();
        let port = first.strip_prefix("listening ").unwrap().parse().unwrap();
        let (sender, events) = unbounded_channel();
        thread::spawn(move || lines.try_for_each(|line| sender.send(serde_json::from_str(&line).unwrap())));
        Some(Self { port, child, events, passed_over: Vec::new() })
    }

    /// With STARTTLS under a certificate for `localhost` in this folder, and a login.
    pub fn start_guarded(folder: &Path, login: &str) -> Option<Self> {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let [certificate, key] = ["mail.crt", "mail.key"].map(|name| folder.join(name).display().to_string());
        std::fs::write(&certificate, made.cert.pem()).unwrap();
        std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
        Self::start(&["--certificate", &certificate, "--key", &key, "--login", login])
    }

    /// What has happened and was not asked for yet.
    pub fn so_far(&mut self) -> Vec<Value> {
        self.passed_over.extend(std::iter::from_fn(|| self.events.try_recv().ok()));
        std::mem::take(&mut self.passed_over)
    }

    /// The next thing of this kind.
    pub async fn next(&mut self, event: &str) -> Value {
        let next = async {
            loop {
                let next = self.events.recv().await.expect("the mail server lives");
                if next["event"] == event {
                    return next;
                }
                self.passed_over.push(next);
            }
        };
        timeout(Duration::from_secs(60), next).await.expect(event)
    }
}

impl Drop for MailServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn has_aiosmtpd(python: &str) -> bool {
    let import = Command::new(python).args(["-c", "import aiosmtpd"]).stderr(Stdio::null()).status();
    import.is_ok_and(|status| status.success())
}
