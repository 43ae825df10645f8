//! Our tokens, verified by a library that is not ours, from the public keys alone.

use std::path::PathBuf;
use std::process::Command;

use bff::clock::Clock;
use bff::identity::{DEMO_PASSWORD, SigningAlgorithm};
use serde_json::Value;
use tokio::task::spawn_blocking;

use super::USER;
use crate::harness::{Server, TokenUser};

#[tokio::test]
async fn others_verify_every_algorithm() {
    #[expect(clippy::disallowed_methods, reason = "the test run's own setting")]
    let folder = std::env::var("BFF_TEST_OIDC_PROVIDER").ok().map(PathBuf::from);
    let Some(folder) = folder else {
        eprintln!("BFF_TEST_OIDC_PROVIDER is not set: no other library verified our tokens");
        return;
    };
    use SigningAlgorithm::{EdDsa, Es256, Ps256, Rs256};
    for algorithm in [Es256, Rs256, Ps256, EdDsa] {
        let server = Server::start_at(Clock::system(), |mut config| {
            config.identity.algorithm = algorithm;
            config.identity.key_algorithms = vec![algorithm];
            config
        })
        .await;
        let token = TokenUser::login(&server, USER, DEMO_PASSWORD).await.access_token;
        let mut verify = Command::new("node");
        verify.args(["verify.mjs", &server.url, "bff", &token]).current_dir(&folder);
        let output = spawn_blocking(move || verify.output()).await.unwrap().unwrap();
        let told = String::from_utf8_lossy(&output.stderr);
        let claims: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{told}"));
        assert_eq!((&claims["alg"], &claims["role"]), (&algorithm.as_str().into(), &"user".into()));
    }
}
