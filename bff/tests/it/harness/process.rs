//! The program itself: its own process, with the log that it writes.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;

use serde_json::Value;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::task::spawn_blocking;

/// `bff serve` or `bff dev` with JSON logs, on free ports; dropping it kills it.
pub struct Process {
    pub url: String,
    pub admin_url: String,
    child: Option<Child>,
    lines: UnboundedReceiver<String>,
    /// What it prints for people.
    pub printed: UnboundedReceiver<String>,
    log: Vec<String>,
}

impl Process {
    /// Returns once it is ready. Its files are in the folder.
    pub async fn start(folder: &Path, settings: &str, variables: &[(&str, &str)]) -> Self {
        Self::start_as("serve", folder, settings, variables).await
    }

    pub async fn start_as(command: &str, folder: &Path, settings: &str, variables: &[(&str, &str)]) -> Self {
        let file = folder.join("process.toml");
        std::fs::write(&file, settings).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_bff"))
            .args([command, "--config"])
            .arg(&file)
            .current_dir(folder)
            .env_clear()
            .envs([("BFF__HTTP__LISTEN", "127.0.0.1:0"), ("BFF__ADMIN__LISTEN", "127.0.0.1:0")])
            .envs([("BFF__TELEMETRY__FORMAT", "json"), ("BFF__IDENTITY__KEY_ALGORITHMS", "ES256")])
            .envs(variables.iter().copied())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (lines, printed) = (lines(child.stderr.take().unwrap()), lines(child.stdout.take().unwrap()));
        let (url, admin_url) = (String::new(), String::new());
        let mut process = Self { url, admin_url, child: Some(child), lines, printed, log: Vec::new() };
        let starting = process.line("starting").await;
        process.url = starting["public"].as_str().unwrap().to_owned();
        process.admin_url = format!("http://{}", starting["admin"].as_str().unwrap());
        process.line("ready").await;
        process
    }

    /// Waits for the next line with this message.
    pub async fn line(&mut self, message: &str) -> Value {
        while let Some(line) = self.lines.recv().await {
            self.log.push(line);
            let line = self.log.last().unwrap();
            // What ends it before it is ready is written for people.
            let json: Value = serde_json::from_str(line).unwrap_or_default();
            if json["message"] == message {
                return json;
            }
        }
        panic!("it ended without `{message}`:\n{}", self.log.join("\n"));
    }

    /// Sends it `HUP` and the like.
    pub fn signal(&self, name: &str) {
        let id = self.child.as_ref().unwrap().id().to_string();
        assert!(Command::new("sh").args(["-c", "kill -s \"$1\" \"$0\"", &id, name]).status().unwrap().success());
    }

    /// Stops it as an operator does, and returns everything that it logged.
    pub async fn stop(mut self) -> String {
        let mut child = self.child.take().unwrap();
        let id = child.id().to_string();
        assert!(Command::new("sh").args(["-c", "kill \"$0\"", &id]).status().unwrap().success());
        let status = spawn_blocking(move || child.wait()).await.unwrap().unwrap();
        assert!(status.success(), "{status}");
        while let Some(line) = self.lines.recv().await {
            self.log.push(line);
        }
        std::mem::take(&mut self.log).join("\n")
    }
}

fn lines(output: impl Read + Send + 'static) -> UnboundedReceiver<String> {
    let (sender, lines) = unbounded_channel();
    thread::spawn(move || BufReader::new(output).lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
    lines
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
        // Why something went wrong, for whoever looks for it.
        if thread::panicking() {
            let lines =
                std::mem::take(&mut self.log).into_iter().chain(std::iter::from_fn(|| self.lines.try_recv().ok()));
            let complaints = lines.filter(|line| ["WARN", "ERROR"].iter().any(|level| line.contains(level)));
            eprintln!("{}", complaints.collect::<Vec<_>>().join("\n"));
        }
    }
}
