//! Nobody is ever shown what belongs to somebody else, however requests vary.

use bff::identity::DEMO_PASSWORD;
use futures_util::future::join_all;
use http::Method;
use reqwest::RequestBuilder;

use super::world::World;
use crate::harness::{Anonymous, Answer, Caller, CookieUser, TokenUser};

/// A sequence of numbers that is the same for the same seed.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }

    /// None, or one of few values, so that requests are often the same but for one thing.
    fn value(&mut self) -> Option<&'static str> {
        [None, None, Some("a"), Some("a|b")][self.below(4) as usize]
    }
}

const ROUNDS: usize = 60;
const AT_ONCE: usize = 12;

/// One request with everything varied, and the mark that its answer must carry.
fn varied(random: &mut Random, caller: &dyn Asks, sub: &str) -> (RequestBuilder, String) {
    let what = random.value();
    let path = match what {
        Some(what) => format!("/v1/mine?what={}", what.replace('|', "%7C")),
        None => "/v1/mine".to_owned(),
    };
    let mut request = caller.ask(&path);
    let mut headers = Vec::new();
    for name in ["x-note", "x-tenant", "accept-language", "x-other"] {
        let value = random.value();
        headers.push(value.unwrap_or("-"));
        if let Some(value) = value {
            request = request.header(name, value);
        }
    }
    let who = Some(sub).filter(|sub| !sub.is_empty()).map(|sub| format!("who={sub}"));
    let what = what.map(|what| format!("what={}", what.replace('|', "%7C")));
    let query: Vec<String> = who.into_iter().chain(what).collect();
    (request, format!("{}|{}|{}|{}|", query.join("&"), headers[0], headers[1], headers[2]))
}

trait Asks {
    fn ask(&self, path: &str) -> RequestBuilder;
}

impl<C: Caller> Asks for C {
    fn ask(&self, path: &str) -> RequestBuilder {
        self.request(Method::GET, path)
    }
}

/// Whom the service was told of, as it says in its answer.
fn told(mark: &str) -> String {
    let claims = mark.rsplit('|').next().unwrap();
    if claims == "-" {
        return String::new();
    }
    use base64::Engine;
    let claims = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(claims).unwrap();
    let claims: serde_json::Value = serde_json::from_slice(&claims).unwrap();
    claims["sub"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn every_answer_carries_the_mark_of_whoever_asked() {
    let world = World::start().await;
    let server = &world.server;
    let mut callers: Vec<(Box<dyn Asks>, String)> = vec![(Box::new(Anonymous { server }), String::new())];
    for email in ["user@shop.test", "operator@shop.test", "auditor@shop.test", "admin@shop.test"] {
        let by_token = TokenUser::login(server, email, DEMO_PASSWORD).await;
        let by_cookie = CookieUser::login(server, email, DEMO_PASSWORD).await;
        let sub = by_token.get("/v1/auth/me").await.json()["id"].as_str().unwrap().to_owned();
        callers.push((Box::new(by_token), sub.clone()));
        callers.push((Box::new(by_cookie), sub));
    }
    let mut random = Random(0x5eed);
    for round in 0..ROUNDS {
        let asked = (0..AT_ONCE).map(|_| {
            let (caller, sub) = &callers[random.below(callers.len() as u64) as usize];
            let (request, mark) = varied(&mut random, caller.as_ref(), sub);
            async move { (Answer::of(request).await, mark, sub) }
        });
        for (answer, mark, sub) in join_all(asked.collect::<Vec<_>>()).await {
            assert_eq!(answer.status, 200);
            let shown = answer.json()["mark"].as_str().unwrap().to_owned();
            assert!(shown.starts_with(&mark), "round {round}: {shown}\nis not for\n{mark}");
            assert_eq!(told(&shown), *sub, "round {round}");
            let vary: Vec<&str> = answer.headers.get_all("vary").iter().map(|name| name.to_str().unwrap()).collect();
            for name in ["x-note", "x-tenant", "accept-language", "authorization", "cookie"] {
                assert!(vary.contains(&name), "{vary:?}");
            }
            assert!(answer.header("cache-control").starts_with("private, "));
        }
    }
    let asked = world.calls().len();
    assert!(asked < ROUNDS * AT_ONCE * 3 / 4, "{asked}: much of it was kept");
}
