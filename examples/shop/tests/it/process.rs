//! The shop's binary, on free ports and with its data in a folder of its own.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use reqwest::StatusCode;
use serde_json::Value;

const PARTS: [&str; 7] =
    ["BFF__HTTP", "BFF__ADMIN", "SHOP__CONTROL", "SHOP__PROFILES", "SHOP__CATALOG", "SHOP__LOYALTY", "SHOP__ORDERS"];

pub struct Demo {
    process: Child,
    greeting: Vec<String>,
}

impl Demo {
    /// Returns once the demo says that it is ready.
    pub fn start(data: &Path) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_shop"))
            .envs(PARTS.map(|part| (format!("{part}__LISTEN"), "127.0.0.1:0")))
            .env("BFF__STORE__DATABASE_URL", format!("sqlite:{}", data.join("bff.db").display()))
            .env("ORDERS__DATABASE_URL", format!("sqlite:{}", data.join("orders.db").display()))
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines().map(Result::unwrap);
        let greeting = lines.take_while(|line| !line.starts_with("Ctrl-C")).collect();
        Self { process, greeting }
    }

    /// What stands beside a name in the greeting.
    pub fn beside(&self, name: &str) -> &str {
        let beside = |line: &String| line.trim_start().starts_with(name);
        let line = self.greeting.iter().find(|line| beside(line)).unwrap();
        line.split_whitespace().nth(1).unwrap()
    }

    pub async fn post(&self, path: &str, body: &Value) -> (StatusCode, Value) {
        let url = format!("{}{path}", self.beside("bff"));
        let response = reqwest::Client::new().post(url).json(body).send().await.unwrap();
        (response.status(), response.json().await.unwrap())
    }

    /// What the terminal's end sends; returns once the views were read again.
    pub async fn hang_up(&self) {
        Command::new("kill").args(["-HUP", &self.process.id().to_string()]).status().unwrap();
        let measures = self.beside("admin").replace("/readyz", "/metrics");
        loop {
            let page = reqwest::get(&measures).await.unwrap().text().await.unwrap();
            if page.contains("bff_reloads_total{result=\"swapped\"} 1") {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    }

    /// Ctrl-C: whether it ended well, and its log.
    pub fn interrupt(mut self) -> (bool, String) {
        Command::new("kill").args(["-INT", &self.process.id().to_string()]).status().unwrap();
        let mut log = String::new();
        self.process.stderr.take().unwrap().read_to_string(&mut log).unwrap();
        (self.process.wait().unwrap().success(), log)
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
