//! What is past its time goes for good: seen through the front door where it shows there, and in the rows where not.

use std::path::Path;
use std::time::Duration;

use bff::config::Config;
use bff::identity::DEMO_PASSWORD;
use reqwest::Method;
use serde_json::json;

use crate::conformance::{Backend, Place, eventually};
use crate::harness::{Answer, Caller, Server, TokenUser};
use crate::own_account::send;

const USER: &str = "user@shop.test";
const OPERATOR: &str = "operator@shop.test";
const AUDITOR: &str = "auditor@shop.test";
const DAY: Duration = Duration::from_secs(86_400);

fn over(place: &Place, folder: &Path, config: Config) -> Config {
    let mut config = config;
    config.store = place.config.clone();
    config.identity.master_key_file = Some(folder.join("master.key"));
    config
}

async fn newest_code(server: &Server, to: &str) -> String {
    let url = format!("{}/dev/messages?to={to}", server.admin_url);
    let code = eventually(async || {
        let messages = Answer::of(server.client.get(&url)).await.json();
        messages[0]["code"].as_str().map(str::to_owned)
    });
    code.await
}

/// Leaves something of every kind that does not stay.
async fn live(server: &Server) {
    let user = TokenUser::login(server, USER, DEMO_PASSWORD).await;
    let gone = send(&user, Method::DELETE, "/v1/auth/me", json!({ "password": DEMO_PASSWORD })).await;
    assert_eq!(gone.status, 204);
    let operator = TokenUser::login(server, OPERATOR, DEMO_PASSWORD).await;
    assert_eq!(operator.post("/v1/auth/logout", json!({})).await.status, 204);
    let asked = server.anonymous().post("/v1/auth/reset-password", json!({ "identifier": AUDITOR })).await.json();
    let code = newest_code(server, AUDITOR).await;
    let body = json!({
        "challengeId": asked["challengeId"], "identifier": AUDITOR, "code": code, "newPassword": "seven green bottles",
    });
    assert_eq!(server.anonymous().post("/v1/auth/confirm-reset-password", body).await.status, 204);
    let admin = TokenUser::login(server, "admin@shop.test", DEMO_PASSWORD).await;
    let disabled = admin.patch("/v1/admin/users/01890000-0000-7000-8000-000000000002", json!({ "disabled": true }));
    assert_eq!(disabled.await.status, 200);
}

async fn what_is_past_its_time_goes(place: &Place) {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start_with(|config| over(place, folder.path(), config)).await;
    live(&server).await;
    let none = async |sql| eventually(async || (place.ask(sql).await == 0).then_some(())).await;
    let some = async |sql| eventually(async || (place.ask(sql).await > 0).then_some(())).await;
    // Sessions that were ended, codes that were used, what expires, work that is done.
    let short_lived = [
        "SELECT count(*) FROM sessions WHERE revoked_at IS NOT NULL",
        "SELECT count(*) FROM spent_challenges",
        "SELECT count(*) FROM expiring_values",
        "SELECT count(*) FROM jobs WHERE done_at IS NOT NULL",
    ];
    for sql in short_lived {
        some(sql).await;
    }
    some("SELECT count(*) FROM logins").await;

    // A sweep begins with every start; mails wait for a day, and are remembered a little longer.
    server.clock.advance(DAY + Duration::from_secs(3_600));
    let server = server.restart_with(|config| over(place, folder.path(), config)).await;
    for sql in short_lived {
        none(sql).await;
    }
    assert_eq!(place.ask("SELECT count(*) FROM accounts WHERE email IS NOT NULL").await, 4);

    server.clock.advance(DAY * 29);
    let server = server.restart_with(|config| over(place, folder.path(), config)).await;
    let admin = TokenUser::login(&server, "admin@shop.test", DEMO_PASSWORD).await;
    let shown = async |number: u8| {
        let url = format!("/v1/admin/users/01890000-0000-7000-8000-00000000000{number}");
        admin.get(&url).await.json()
    };
    let purged = eventually(async || {
        let user = shown(1).await;
        (user["name"] == "").then_some(user)
    });
    let purged = purged.await;
    for (member, left) in [("email", false), ("phone", false), ("locale", false), ("deletedAt", true)] {
        assert_eq!(purged.get(member).is_some(), left, "{purged}");
    }
    assert_eq!(
        place.ask("SELECT count(*) FROM accounts WHERE purged_at IS NOT NULL AND password_hash IS NULL").await,
        1
    );
    let disabled = shown(2).await;
    assert_eq!((&disabled["email"], &disabled["name"]), (&json!(OPERATOR), &json!("Grace Hopper")), "it may come back");
    let trail = admin.get("/v1/admin/audit?target=01890000-0000-7000-8000-000000000001").await.json();
    assert_eq!(trail["entries"][0]["action"], "deleted", "the audit stays: {trail}");

    server.clock.advance(DAY * 91);
    let _server = server.restart_with(|config| over(place, folder.path(), config)).await;
    none("SELECT count(*) FROM logins").await;
    none("SELECT count(*) FROM sessions").await;
}

#[tokio::test]
async fn rows_past_their_time_go_for_good() {
    Place::each(&[Backend::Sqlite, Backend::Postgres], what_is_past_its_time_goes).await;
}
