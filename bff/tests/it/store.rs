//! Stores as a whole: opened with wrong addresses, cut off and back again, shared by two replicas.

pub mod outage;
pub mod replicas;
mod sessions;

use bff::clock::Clock;
use bff::store::{Config, OpenError, Stores};

use crate::conformance::Backend;

/// The message and its causes.
fn explained(error: &OpenError) -> String {
    let causes = std::iter::successors(std::error::Error::source(error), |error| error.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

#[test]
fn every_wrong_address_is_named_with_what_to_write() {
    for url in ["", "bff.db", "sqlite:", "sqlite::memory:", "mysql://localhost/bff", "postgres://host:port/bff"] {
        let problems = Config { database_url: url.into(), ..Config::default() }.problems();
        let expected = "store.database_url: expected `sqlite:PATH` or `postgres://USER:PASSWORD@HOST:PORT/DATABASE`";
        assert_eq!(problems, [expected], "{url}");
    }
    let config = Config {
        redis_url: Some("redis+sentinel://one,two".into()),
        nats_url: Some("nats://one,http://two".into()),
        namespace: "Shop!".to_owned(),
        timeout_ms: 0,
        ..Config::default()
    };
    assert_eq!(
        config.problems(),
        [
            "store.redis_url: expected `redis://USER:PASSWORD@HOST:PORT/DATABASE`, `rediss://...` for TLS, \
             `redis+cluster://HOST:PORT,HOST:PORT` or `redis+sentinel://HOST:PORT,HOST:PORT/MASTER`",
            "store.nats_url: expected `nats://USER:PASSWORD@HOST:PORT`, `tls://...` for TLS, \
             or several separated by commas",
            "store.namespace: expected 1 to 32 characters of a-z, 0-9, _ and -",
            "store.timeout_ms: must be at least 1",
        ]
    );
}

#[test]
fn every_right_address_is_understood() {
    for url in [
        "redis://localhost",
        "rediss://user:secret@redis:6380/3",
        "redis+cluster://user:secret@one:6379,two:6379,[::1]:6379",
        "rediss+cluster://one/",
        "redis+sentinel://one:26379,two:26379/shop",
        "rediss+sentinel://:secret@one/shop/2",
    ] {
        let config = Config { redis_url: Some(url.into()), ..Config::default() };
        assert_eq!(config.problems(), [""; 0], "{url}");
    }
    for url in ["nats://localhost", "tls://user:secret@one:4222,tls://two:4222"] {
        let config = Config { nats_url: Some(url.into()), ..Config::default() };
        assert_eq!(config.problems(), [""; 0], "{url}");
    }
}

#[tokio::test]
async fn a_database_that_is_not_there_stops_the_start_and_says_so() {
    bff::app::install_crypto();
    let config = Config { database_url: "postgres://bff:secret@127.0.0.1:1/shop".into(), ..Config::default() };
    let error = Stores::open(&config, Clock::system()).await.unwrap_err();
    let text = explained(&error);
    let expected = "store.database_url: cannot connect to PostgreSQL at 127.0.0.1:1 as `bff`, database `shop`: ";
    assert!(text.starts_with(expected) && text.contains("refused") && !text.contains("secret"), "{text}");
}

#[tokio::test]
async fn a_folder_that_cannot_be_made_is_named() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let url = format!("sqlite:{}/bff.db", file.path().display());
    let error = Stores::open(&Config { database_url: url.into(), ..Config::default() }, Clock::system()).await;
    let text = explained(&error.unwrap_err());
    assert!(text.starts_with("store.database_url: cannot create the folder "), "{text}");
}

#[cfg(unix)]
#[tokio::test]
async fn the_database_file_is_private() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bff.db");
    let config = Config { database_url: format!("sqlite:{}", path.display()).into(), ..Config::default() };
    Stores::open(&config, Clock::system()).await.unwrap().close().await;
    assert_eq!(std::fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600);
}

/// HOST:PORT of the server that tests use.
pub fn host_of(backend: Backend) -> Option<String> {
    let url = backend.url()?;
    let (_, rest) = url.split_once("://")?;
    let rest = rest.rsplit_once('@').map_or(rest, |(_, rest)| rest);
    Some(rest.split('/').next()?.to_owned())
}
