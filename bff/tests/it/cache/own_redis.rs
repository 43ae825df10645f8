//! A Redis of a test's own, that it can stop, pause and start again, with nothing in it or with what it had once.

use std::io::{Write, stderr};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};

use redis::aio::MultiplexedConnection;
use tempfile::TempDir;

use crate::conformance::eventually;

pub struct OwnRedis {
    pub url: String,
    port: u16,
    child: Option<Child>,
    /// Where it puts a snapshot, and finds it when it starts.
    folder: TempDir,
}

impl OwnRedis {
    /// None, with a word about it, where it cannot run; that is a failure where tests must not be skipped.
    pub async fn start() -> Option<Self> {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let folder = tempfile::tempdir().unwrap();
        let mut redis = Self { url: format!("redis://127.0.0.1:{port}"), port, child: None, folder };
        if redis.again().await.is_err() {
            #[expect(clippy::disallowed_methods, reason = "the test run's own setting")]
            let required = std::env::var("CI").is_ok_and(|value| value == "true");
            assert!(!required, "no Redis: install the package `redis-server`");
            stderr().write_all(b"SKIPPED: no Redis: install the package `redis-server`\n").unwrap();
            return None;
        }
        Some(redis)
    }

    /// Returns once it answers; it has what is in the last snapshot.
    pub async fn again(&mut self) -> std::io::Result<()> {
        let child = Command::new("redis-server")
            .args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--port"])
            .arg(self.port.to_string())
            .arg("--dir")
            .arg(self.folder.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        self.child = Some(child);
        eventually(async || self.connection().await.ok()).await;
        Ok(())
    }

    /// Keeps all that is in it now.
    pub async fn save(&self) {
        self.tell(&["SAVE"]).await;
    }

    pub async fn tell(&self, command: &[&str]) {
        let mut command = command.iter();
        let mut told = redis::cmd(command.next().unwrap());
        told.arg(command.as_slice()).exec_async(&mut self.connection().await.unwrap()).await.unwrap();
    }

    async fn connection(&self) -> redis::RedisResult<MultiplexedConnection> {
        redis::Client::open(self.url.as_str())?.get_multiplexed_async_connection().await
    }

    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// It keeps its connections, and answers nothing.
    pub fn pause(&self) {
        self.signal("STOP");
    }

    pub fn go_on(&self) {
        self.signal("CONT");
    }

    fn signal(&self, name: &str) {
        let id = self.child.as_ref().unwrap().id().to_string();
        assert!(Command::new("sh").args(["-c", "kill -s \"$1\" \"$0\"", &id, name]).status().unwrap().success());
    }
}

impl Drop for OwnRedis {
    fn drop(&mut self) {
        self.kill();
    }
}
