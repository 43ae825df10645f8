//! The page at `/docs`, used as a person uses it: in a browser, without a network.

use std::collections::BTreeSet;

use bff::identity::DEMO_PASSWORD;
use serde_json::Value;
use tokio::task::spawn_blocking;

use crate::harness::{Browser, Server, TokenUser};

/// Clicks through the page with TOKEN, and gives the status that it shows for `GET /v1/auth/me`.
const USE_IT: &str = r##"(async () => {
  const seen = async (selector, of = document) => {
    for (;;) {
      const found = of.querySelector(selector);
      if (found) return found;
      await new Promise(requestAnimationFrame);
    }
  };
  (await seen(".btn.authorize")).click();
  const input = await seen(".modal-ux input[type=text]");
  // React listens to the event, and compares with the value that it set itself.
  Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, "value").set.call(input, TOKEN);
  input.dispatchEvent(new Event("input", { bubbles: true }));
  (await seen(".modal-ux .btn.authorize")).click();
  (await seen(".modal-ux .btn-done")).click();
  const me = await seen("#operations-account-auth-me");
  (await seen("button", me)).click();
  (await seen(".try-out__btn", me)).click();
  (await seen(".btn.execute", me)).click();
  const answer = await seen(".live-responses-table .response", me);
  return (await seen(".response-col_status", answer)).innerText + " " + answer.innerText;
})()"##;

#[tokio::test(flavor = "multi_thread")]
async fn a_person_authorizes_and_tries_a_route_offline() {
    let server = Server::start().await;
    let token = TokenUser::login(&server, "user@shop.test", DEMO_PASSWORD).await.access_token;
    let (url, folder) = (server.url.clone(), server.folder.path().join("browser"));
    let visit = spawn_blocking(move || {
        let mut browser = Browser::start(&folder)?;
        browser.open(&format!("{url}/docs"));
        let shown = browser.evaluate(&USE_IT.replace("TOKEN", &Value::from(token).to_string()));
        Some((shown, browser.close()))
    });
    let Some((shown, visited)) = visit.await.unwrap() else { return };
    let shown = shown.as_str().unwrap();
    assert!(shown.starts_with("200"), "{shown}");
    assert!(shown.contains("user@shop.test"), "{shown}");
    let elsewhere: Vec<_> =
        visited.requests.iter().filter(|to| !to.starts_with(&server.url) && !to.starts_with("data:")).collect();
    assert!(elsewhere.is_empty(), "asked elsewhere: {elsewhere:?}");
    let paths: BTreeSet<&str> = visited.requests.iter().filter_map(|to| to.strip_prefix(&server.url)).collect();
    assert!(paths.contains("/openapi.json") && paths.contains("/v1/auth/me"), "{paths:?}");
    assert_eq!(visited.complaints, Vec::<String>::new());
}
