//! Keys that turn and keys that are revoked, while servers use them.

use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use bff::app;
use bff::config::Config;
use bff::identity::{DEMO_PASSWORD, SigningAlgorithm};
use bff::store::{Config as StoreConfig, Stores};
use jsonwebtoken::jwk::JwkSet;
use serde_json::Value;

use super::{USER, jwks, master_key, start_error};
use crate::conformance::{Backend, Place, eventually};
use crate::harness::{Answer, Caller, Server, TokenUser, bare_config};

const HOUR: Duration = Duration::from_secs(3600);

fn kid(user: &TokenUser<'_>) -> String {
    jsonwebtoken::decode_header(&user.access_token).unwrap().kid.unwrap()
}

fn kids(keys: &JwkSet) -> Vec<String> {
    keys.keys.iter().map(|key| key.common.key_id.clone().unwrap()).collect()
}

/// What an operator's command on the server's machine would use.
fn config_of(server: &Server, algorithm: SigningAlgorithm) -> Config {
    let mut config = bare_config(&server.folder);
    config.identity.algorithm = algorithm;
    config.identity.key_algorithms = vec![algorithm];
    config
}

/// Waits until the server's own keys are these many; it looks at the store every few seconds.
async fn published(server: &Server, count: usize) -> Vec<String> {
    eventually(async || Some(kids(&jwks(server).await)).filter(|kids| kids.len() == count)).await
}

#[tokio::test]
async fn a_token_outlives_the_turn_of_its_key() {
    use SigningAlgorithm::{EdDsa, Es256, Ps256, Rs256};
    let each = async |algorithm: SigningAlgorithm| {
        let server = Server::start_with(|mut config| {
            config.identity.algorithm = algorithm;
            config.identity.key_algorithms = vec![algorithm];
            config
        })
        .await;
        let config = config_of(&server, algorithm);
        let rotate = async || app::rotate_keys(&config, server.clock.clone(), None).await.unwrap()[0].to_string();
        let before = jwks(&server).await;
        assert_eq!(before.keys.len(), 2, "one signs, one waits");
        let expected = format!(
            "{}: the next key may sign from 2026-01-01 13:00, when everybody who verifies has had time to read it\n",
            algorithm.as_str()
        );
        assert_eq!(rotate().await, expected);

        server.clock.advance(HOUR);
        let early = TokenUser::login(&server, USER, DEMO_PASSWORD).await;
        let waiting = kids(&before).into_iter().find(|it| *it != kid(&early)).unwrap();
        let known = server.anonymous().get("/.well-known/jwks.json").await;
        assert_eq!(rotate().await, format!("{}: {waiting} signs from now on\n", algorithm.as_str()));
        let after = published(&server, 3).await;
        assert!(kids(&before).iter().all(|kid| after.contains(kid)), "{after:?}");
        let request = server.anonymous().request(reqwest::Method::GET, "/.well-known/jwks.json");
        let changed = Answer::of(request.header("if-none-match", known.header("etag"))).await;
        assert_eq!((changed.status, changed.header("cache-control")), (200, "public, max-age=300"));

        let late = TokenUser::login(&server, USER, DEMO_PASSWORD).await;
        assert_eq!(kid(&late), waiting);
        assert_eq!(early.get("/v1/auth/me").await.status, 200);
        server.clock.advance(Duration::from_secs(629));
        assert_eq!(early.get("/v1/auth/me").await.status, 200);
        server.clock.advance(Duration::from_secs(1));
        assert_eq!(early.get("/v1/auth/me").await.status, 401);

        // The longest token, how far clocks differ, and an hour after it has rested, the first key is gone.
        server.clock.advance(HOUR);
        let left = published(&server, 2).await;
        assert!(!left.contains(&kid(&early)) && left.contains(&waiting), "{left:?}");
    };
    tokio::join!(each(Es256), each(Rs256), each(Ps256), each(EdDsa));
}

#[tokio::test]
async fn keys_turn_by_themselves_after_thirty_days() {
    let server = Server::start().await;
    let first = kid(&TokenUser::login(&server, USER, DEMO_PASSWORD).await);
    server.clock.advance(30 * 24 * HOUR - Duration::from_secs(1));
    assert_eq!(kid(&TokenUser::login(&server, USER, DEMO_PASSWORD).await), first);
    server.clock.advance(Duration::from_secs(1));
    let kids = published(&server, 3).await;
    let second = kid(&TokenUser::login(&server, USER, DEMO_PASSWORD).await);
    assert!(second != first && kids.contains(&first) && kids.contains(&second), "{kids:?}");
}

#[tokio::test]
async fn what_a_revoked_key_signed_is_worth_nothing() {
    let server = Server::start().await;
    let user = TokenUser::login(&server, USER, DEMO_PASSWORD).await;
    assert_eq!(user.get("/v1/auth/me").await.status, 200, "its signature is known to be good");
    let revoked = kid(&user);
    let config = config_of(&server, SigningAlgorithm::Es256);
    let waiting = kids(&jwks(&server).await).into_iter().find(|it| *it != revoked).unwrap();
    let told = app::revoke_key(&config, server.clock.clone(), &revoked).await.unwrap().to_string();
    let expected = format!(
        "{revoked} is revoked: servers refuse its tokens within seconds, services within five minutes\n\
         {waiting} signs from now on\n"
    );
    assert_eq!(told, expected);

    eventually(async || (user.get("/v1/auth/me").await.status == 401).then_some(())).await;
    let kids = kids(&jwks(&server).await);
    assert!(kids.len() == 2 && !kids.contains(&revoked) && kids.contains(&waiting), "{kids:?}");
    assert_eq!(kid(&TokenUser::login(&server, USER, DEMO_PASSWORD).await), waiting);

    let again = app::revoke_key(&config, server.clock.clone(), &revoked).await.err().unwrap().to_string();
    assert_eq!(again, format!("there is no signing key `{revoked}`; `bff keys list` shows those that there are"));
    let stores = Stores::open(&config.store, server.clock.clone()).await.unwrap();
    let audit = stores.accounts.audit(Some(&revoked), None, 10).await.unwrap();
    assert_eq!((audit.len(), audit[0].action.as_str(), audit[0].actor), (1, "key-revoked", None));
    stores.close().await;
}

async fn replica(store: &StoreConfig, master_key: &Path) -> Server {
    Server::start_with(|mut config| {
        config.store = store.clone();
        config.identity.master_key_file = Some(master_key.to_owned());
        config.http.public_url = Some("http://shop.test".to_owned());
        config
    })
    .await
}

#[tokio::test]
async fn a_key_that_one_replica_made_verifies_on_the_other_at_once() {
    for backends in [&[Backend::Sqlite][..], &[Backend::Postgres, Backend::Redis, Backend::Nats]] {
        let test = async |place: &Place| {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("master.key");
            master_key(&path, 7);
            let first = replica(&place.config, &path).await;
            let old = TokenUser::login(&first, USER, DEMO_PASSWORD).await;
            let mut config = bare_config(&folder);
            config.store = place.config.clone();
            config.identity.master_key_file = Some(path.clone());
            // Both keys go, so that the one that signs now is in nobody's memory.
            for kid in kids(&jwks(&first).await) {
                app::revoke_key(&config, first.clock.clone(), &kid).await.unwrap();
            }
            let second = replica(&place.config, &path).await;
            let new = TokenUser::login(&second, USER, DEMO_PASSWORD).await;
            let there = TokenUser { server: &first, ..new };
            assert_eq!(there.get("/v1/auth/me").await.status, 200);
            // The first may have read the new key before the old one was gone.
            eventually(async || (old.get("/v1/auth/me").await.status == 401).then_some(())).await;
        };
        Place::with(backends, &test).await;
    }
}

#[tokio::test]
async fn a_master_key_takes_the_place_of_another() {
    let folder = tempfile::tempdir().unwrap();
    let [old, new] = ["old.key", "new.key"].map(|name| folder.path().join(name));
    master_key(&old, 1);
    master_key(&new, 2);
    let config = |key: &Path, previous: Option<&Path>| {
        let mut config = bare_config(&folder);
        config.identity.master_key_file = Some(key.to_owned());
        config.identity.master_key_previous_file = previous.map(Path::to_owned);
        config
    };
    let start = async |key: &Path, previous: Option<&Path>| {
        let clock = bff::clock::Clock::system();
        let app = app::build(config(key, previous), clock, app::Audience::Log).await.unwrap();
        app.identity().jwks().body.clone()
    };
    let kept = start(&old, None).await;
    assert_eq!(start(&old, Some(&new)).await, kept);
    assert_eq!(start(&new, Some(&old)).await, kept);
    assert_eq!(start(&new, None).await, kept);
    let error = start_error(config(&old, None)).await;
    assert!(error.starts_with("signing key ") && error.contains("master key"), "{error}");

    let missing = folder.path().join("missing.key");
    let error = start_error(config(&new, Some(&missing))).await;
    assert!(error.starts_with("identity.master_key_previous_file: cannot read "), "{error}");
}

fn bff_keys(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_bff"))
        .arg("keys")
        .args(arguments)
        .current_dir(folder)
        .env_clear()
        .env("BFF__IDENTITY__KEY_ALGORITHMS", "ES256,EdDSA")
        .env("BFF__TELEMETRY__LEVEL", "off")
        .output()
        .unwrap()
}

#[test]
fn operators_see_and_turn_the_keys() {
    let folder = tempfile::tempdir().unwrap();
    let keys = |arguments: &[&str]| {
        let output = bff_keys(folder.path(), arguments);
        let text = if output.status.success() { output.stdout } else { output.stderr };
        String::from_utf8(text).unwrap()
    };
    assert_eq!(keys(&["list"]), "there are no keys yet; the first start of a server makes them\n");

    let told = keys(&["rotate"]);
    let lines: Vec<&str> = told.lines().collect();
    assert!(lines.len() == 2 && lines[0].starts_with("ES256: the next key may sign from "), "{told}");
    assert!(keys(&["rotate", "--algorithm", "EdDSA"]).starts_with("EdDSA: the next key may sign from "));
    assert!(keys(&["rotate", "--algorithm", "HS256"]).contains("there are: ES256, RS256, PS256, EdDSA"));

    let listed = keys(&["list"]);
    let rows: Vec<Vec<&str>> = listed.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows[0], ["kid", "algorithm", "state", "since", "(UTC)", "then"]);
    let of = |state: &str| rows.iter().filter(|row| row[2] == state).map(|row| row[1]).collect::<Vec<_>>();
    assert_eq!((of("current").len(), of("next").len(), rows.len()), (2, 2, 5), "{listed}");
    let current = rows.iter().find(|row| row[1] == "ES256" && row[2] == "current").unwrap()[0];
    let next = rows.iter().find(|row| row[1] == "ES256" && row[2] == "next").unwrap()[0];
    assert!(keys(&["revoke", current]).ends_with(&format!("{next} signs from now on\n")));
    let listed = keys(&["list"]);
    assert!(!listed.contains(current), "{listed}");
    assert!(listed.lines().any(|line| line.starts_with(next) && line.contains("  current ")), "{listed}");
    assert!(keys(&["revoke", "x"]).contains("there is no signing key `x`"));
}

#[tokio::test]
async fn the_age_of_the_signing_key_is_measured() {
    let server = Server::start().await;
    server.clock.advance(HOUR);
    let url = format!("{}/metrics", server.admin_url);
    let seen = async || {
        let page = Answer::of(server.client.get(&url)).await.body;
        let page = String::from_utf8(page.to_vec()).unwrap();
        let line = page.lines().find(|line| line.starts_with("bff_signing_key_age_seconds "))?.to_owned();
        let value: Value = serde_json::from_str(line.split(' ').nth(1)?).ok()?;
        (value.as_f64() == Some(3600.0)).then_some(())
    };
    eventually(seen).await;
}
