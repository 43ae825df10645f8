//! `shop upstreams` and `shop healthz`, as containers run them.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Output, Stdio};

const PARTS: [&str; 4] = ["CONTROL", "PROFILES", "CATALOG", "LOYALTY"];

struct Upstreams {
    process: Child,
    /// The address that each part logged.
    addresses: Vec<(String, String)>,
}

impl Upstreams {
    /// Returns once all of them listen.
    fn start() -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_shop"))
            .arg("upstreams")
            .envs(PARTS.map(|part| (format!("SHOP__{part}__LISTEN"), "127.0.0.1:0")))
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut log = BufReader::new(process.stderr.take().unwrap());
        let addresses = PARTS.map(|_| {
            let mut line = String::new();
            log.read_line(&mut line).unwrap();
            let value = |key: &str| line.split_once(key).unwrap().1.split_whitespace().next().unwrap().to_owned();
            (value("name=").trim_matches('"').to_owned(), value("address="))
        });
        process.stderr = Some(log.into_inner());
        Self { process, addresses: addresses.to_vec() }
    }

    fn address(&self, name: &str) -> &str {
        &self.addresses.iter().find(|(known, _)| known == name).unwrap().1
    }
}

impl Drop for Upstreams {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn healthz(control: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_shop")).arg("healthz").env("SHOP__CONTROL__LISTEN", control).output().unwrap()
}

#[tokio::test]
async fn the_upstreams_run_alone_until_they_are_stopped() {
    let mut upstreams = Upstreams::start();
    let control = upstreams.address("control").to_owned();
    let list = reqwest::get(format!("http://{control}/upstreams")).await.unwrap().text().await.unwrap();
    let list: serde_json::Value = serde_json::from_str(&list).unwrap();
    let names: Vec<_> = list.as_array().unwrap().iter().map(|upstream| upstream["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["profiles", "catalog", "loyalty"]);
    assert!(healthz(&control).status.success());

    Command::new("kill").args(["-TERM", &upstreams.process.id().to_string()]).status().unwrap();
    let mut log = String::new();
    upstreams.process.stderr.take().unwrap().read_to_string(&mut log).unwrap();
    assert!(upstreams.process.wait().unwrap().success(), "{log}");
    let complaint = String::from_utf8(healthz(&control).stderr).unwrap();
    assert!(complaint.starts_with(&format!("shop: http://{control}/upstreams: no answer: ")), "{complaint}");
}
