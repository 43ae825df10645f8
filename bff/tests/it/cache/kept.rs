//! What Redis holds for the replicas, past the server.

use redis::aio::MultiplexedConnection;
use redis::{Cmd, FromRedisValue, cmd};

use crate::conformance::eventually;

pub struct Kept {
    connection: MultiplexedConnection,
    namespace: String,
}

impl Kept {
    pub async fn open(store: &bff::store::Config) -> Self {
        let url = secrecy::ExposeSecret::expose_secret(store.redis_url.as_ref().unwrap());
        let client = redis::Client::open(url).unwrap();
        let connection = client.get_multiplexed_async_connection().await.unwrap();
        Self { connection, namespace: store.namespace.clone() }
    }

    pub async fn entries(&self) -> Vec<String> {
        self.names("cache").await
    }

    pub async fn tokens(&self) -> Vec<String> {
        self.names("cache-tag2").await
    }

    async fn names(&self, kind: &str) -> Vec<String> {
        self.ask(cmd("KEYS").arg(format!("{}:value:{{{kind}:*", self.namespace))).await
    }

    /// Until there are so many entries.
    pub async fn until(&self, count: usize) -> Vec<String> {
        eventually(async || Some(self.entries().await).filter(|entries| entries.len() == count)).await
    }

    /// What is there, as Redis itself writes it down; none where nothing is.
    pub async fn dump(&self, name: &str) -> Option<Vec<u8>> {
        self.ask(cmd("DUMP").arg(name)).await
    }

    pub async fn get(&self, name: &str) -> Vec<u8> {
        self.ask(cmd("GET").arg(name)).await
    }

    pub async fn set(&self, name: &str, bytes: &[u8]) {
        self.ask(cmd("SET").arg(name).arg(bytes)).await
    }

    /// Something that is no text at all.
    pub async fn set_list(&self, name: &str) {
        self.ask::<()>(cmd("DEL").arg(name)).await;
        self.ask(cmd("RPUSH").arg(name).arg("x")).await
    }

    async fn ask<T: FromRedisValue>(&self, command: &Cmd) -> T {
        command.query_async(&mut self.connection.clone()).await.unwrap()
    }
}
