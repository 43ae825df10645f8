//! Nobody is ever shown what belongs to somebody else, however requests vary.

use std::collections::HashMap;
use std::io::Read;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bff::identity::DEMO_PASSWORD;
use flate2::read::GzDecoder;
use futures_util::future::join_all;
use http::Method;
use reqwest::RequestBuilder;
use serde_json::{Value, json};

use super::world::World;
use crate::harness::{Anonymous, Answer, Caller, CookieUser, TokenUser};

/// A sequence of numbers that is the same for the same seed.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound as u64) as usize
    }

    fn of<T: Copy>(&mut self, values: &[T]) -> T {
        values[self.below(values.len())]
    }

    fn value(&mut self) -> Option<&'static str> {
        self.of(&[None, None, Some("a"), Some("a|b")])
    }

    /// Most of the time this one, so that requests are often the same but for one thing.
    fn near(&mut self, usual: Option<&'static str>) -> Option<&'static str> {
        if self.below(6) > 0 { usual } else { self.value() }
    }
}

const ROUNDS: usize = 80;
const AT_ONCE: usize = 12;

/// What no answer depends on, or none but its form.
const OF_NO_MEANING: [(&str, &[&str]); 8] = [
    ("x-other", &["a", "b"]),
    ("x-forwarded-for", &["203.0.113.1", "203.0.113.2"]),
    ("forwarded", &["for=203.0.113.3"]),
    ("accept", &["application/json", "text/event-stream", "*/*"]),
    ("accept-encoding", &["gzip", "identity"]),
    ("range", &["bytes=0-5"]),
    ("if-modified-since", &["Thu, 01 Jan 2026 00:00:00 GMT"]),
    ("cache-control", &["no-cache", "only-if-cached"]),
];

struct Person<'s> {
    asks: Box<dyn Asks + 's>,
    /// Nothing for nobody.
    sub: String,
    may_bring_cookies: bool,
}

trait Asks {
    fn ask(&self, method: Method, path: &str) -> RequestBuilder;
}

impl<C: Caller> Asks for C {
    fn ask(&self, method: Method, path: &str) -> RequestBuilder {
        self.request(method, path)
    }
}

async fn people(world: &World) -> (Vec<Person<'_>>, Vec<String>) {
    let server = &world.server;
    let nobody = Person { asks: Box::new(Anonymous { server }), sub: String::new(), may_bring_cookies: false };
    let (mut people, mut cookies) = (vec![nobody], vec!["theme=dark".to_owned()]);
    for email in ["user@shop.test", "operator@shop.test", "auditor@shop.test", "admin@shop.test"] {
        let by_token = TokenUser::login(server, email, DEMO_PASSWORD).await;
        let by_cookie = CookieUser::login(server, email, DEMO_PASSWORD).await;
        let sub = by_token.get("/v1/auth/me").await.json()["id"].as_str().unwrap().to_owned();
        cookies.push(by_cookie.cookie.clone());
        // A token counts for more than whatever cookie comes along.
        people.push(Person { asks: Box::new(by_token), sub: sub.clone(), may_bring_cookies: true });
        people.push(Person { asks: Box::new(by_cookie), sub, may_bring_cookies: false });
    }
    (people, cookies)
}

/// What an answer must say.
struct Expected {
    sub: String,
    /// How the marks in it begin.
    marks: Vec<String>,
    /// The thing that is the same for everybody.
    id: &'static str,
    path: &'static str,
    /// The entity-tag that the client says to have.
    tag: Option<String>,
}

/// Entity-tags that were given, and what they stood for.
type Tags = Vec<(String, Vec<String>)>;

/// What most requests of a round have.
struct Usual {
    what: Option<&'static str>,
    headers: [Option<&'static str>; 3],
}

/// One request with everything varied.
fn varied(
    random: &mut Random,
    usual: &Usual,
    person: &Person<'_>,
    cookies: &[String],
    tags: &Tags,
) -> (RequestBuilder, Expected) {
    let path = random.of(&["/v1/mine", "/v1/mine", "/v1/all", "/v1/all", "/v1/file", "/v1/once"]);
    let what = random.near(usual.what).filter(|_| path != "/v1/file").map(|what| what.replace('|', "%7C"));
    let id = random.of(&["p-q", "q-r"]);
    let what = what.map(|what| format!("what={what}"));
    let query = what.iter().cloned().chain((path == "/v1/all").then(|| format!("id={id}"))).collect::<Vec<_>>();
    let method = if path == "/v1/once" { Method::POST } else { Method::GET };
    let mut request = person.asks.ask(method, &format!("{path}?{}", query.join("&")));
    let mut headers = Vec::new();
    for (name, usual) in ["x-note", "x-tenant", "accept-language"].into_iter().zip(usual.headers) {
        let value = random.near(usual);
        headers.push(value.unwrap_or("-"));
        request = value.into_iter().fold(request, |request, value| request.header(name, value));
    }
    for (name, values) in OF_NO_MEANING {
        if random.below(3) == 0 {
            request = request.header(name, random.of(values));
        }
    }
    if path == "/v1/once" {
        request = request.header("idempotency-key", random.of(&["k1", "k2", "k3"]));
    }
    if person.may_bring_cookies && random.below(2) == 0 {
        request = request.header("cookie", &cookies[random.below(cookies.len())]);
    }
    // Elsewhere the service knows it by its token alone.
    let who = Some(&person.sub).filter(|sub| path == "/v1/mine" && !sub.is_empty()).map(|sub| format!("who={sub}"));
    let mark = |what: Option<&String>| {
        let query: Vec<&String> = who.iter().chain(what).collect();
        let query: Vec<&str> = query.into_iter().map(String::as_str).collect();
        format!("{}|{}|{}|{}|", query.join("&"), headers[0], headers[1], headers[2])
    };
    let marks = match path {
        "/v1/file" => vec![format!("|-|{}|{}|", headers[1], headers[2])],
        // A repetition has the answer of the first time, whatever its headers are now.
        "/v1/once" => vec![mark(what.as_ref()).split('|').next().unwrap().to_owned() + "|"],
        _ => vec![mark(what.as_ref()), mark(Some(&"what=late".to_owned()))],
    };
    // What it has already, or what another has.
    let (own, others): (Tags, Tags) = tags.iter().cloned().partition(|(_, stands_for)| *stands_for == marks);
    let known = if random.below(2) == 0 { own } else { others };
    let tag = (!known.is_empty()).then(|| known[random.below(known.len())].0.clone());
    request = tag.iter().fold(request, |request, tag| request.header("if-none-match", tag));
    (request, Expected { sub: person.sub.clone(), marks, id, path, tag })
}

/// Whom the service was told of, as it says in its answer.
fn told(mark: &str) -> String {
    let claims = mark.rsplit('|').next().unwrap();
    if claims == "-" {
        return String::new();
    }
    let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).unwrap()).unwrap();
    claims["sub"].as_str().unwrap().to_owned()
}

/// All JSON that an answer holds, in whatever form it was sent.
fn documents(answer: &Answer) -> Vec<Value> {
    let mut text = String::new();
    match answer.header("content-encoding") {
        "" => text.push_str(std::str::from_utf8(&answer.body).unwrap()),
        "gzip" => _ = GzDecoder::new(&answer.body[..]).read_to_string(&mut text).unwrap(),
        other => panic!("{other} was not asked for"),
    }
    if answer.header("content-type") != "text/event-stream" {
        return vec![serde_json::from_str(&text).unwrap()];
    }
    text.lines()
        .filter_map(|line| line.strip_prefix("data: "))
        .map(|data| serde_json::from_str(data).unwrap())
        .collect()
}

fn texts(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::String(text) => found.push(text.clone()),
        Value::Array(items) => items.iter().for_each(|item| texts(item, found)),
        Value::Object(members) => members.values().for_each(|member| texts(member, found)),
        _ => {}
    }
}

fn is_for(answer: &Answer, expected: &Expected) {
    let mut found = Vec::new();
    let documents = documents(answer);
    documents.iter().for_each(|document| texts(document, &mut found));
    let (marks, rest): (Vec<_>, Vec<_>) = found.into_iter().partition(|text| text.contains('|'));
    assert!(!marks.is_empty(), "{documents:?}");
    for mark in marks {
        let fits = expected.marks.iter().any(|expected| mark.starts_with(expected));
        assert!(fits && told(&mark) == expected.sub, "{mark}\nis not for\n{:?}", expected.marks);
    }
    if expected.path == "/v1/all" {
        let things: Vec<Value> = expected.id.split('-').map(|id| json!({ "name": format!("{id} 0") })).collect();
        assert_eq!(
            (&documents[0]["thing"], &documents[0]["things"]),
            (&json!(format!("{} 0", expected.id)), &json!(things))
        );
        assert!(
            rest.iter().all(|text| text.ends_with(" 0") || ["replace", "/late"].contains(&text.as_str())),
            "{rest:?}"
        );
    }
}

/// Nobody between here and a client keeps it for others.
fn is_kept_apart(answer: &Answer, path: &str) {
    let control = answer.header("cache-control");
    if control == "no-store" {
        assert_ne!(path, "/v1/file", "the service has named a version of it");
        return;
    }
    let vary: Vec<&str> = answer.headers.get_all("vary").iter().map(|name| name.to_str().unwrap()).collect();
    let mut names = vec!["authorization", "cookie"];
    if path != "/v1/all" {
        names.extend(["accept", "x-tenant", "accept-language"]);
    }
    if path == "/v1/mine" {
        names.push("x-note");
    }
    assert!(names.iter().all(|name| vary.contains(name)), "{path}: {vary:?}");
    assert!(control.starts_with("private, "), "{path}: {control}");
}

#[tokio::test]
async fn every_answer_carries_the_mark_of_whoever_asked() {
    let world = World::start().await;
    let (people, cookies) = people(&world).await;
    let (mut random, mut tags, mut statuses) = (Random(0x5eed), Tags::new(), HashMap::<u16, usize>::new());
    for _ in 0..ROUNDS {
        let usual = Usual { what: random.value(), headers: [(); 3].map(|()| random.value()) };
        let some = [(); 3].map(|()| random.below(people.len()));
        let asked = (0..AT_ONCE).map(|_| {
            let person = &people[random.of(&some)];
            let (request, expected) = varied(&mut random, &usual, person, &cookies, &tags);
            async move { (Answer::of(request).await, expected) }
        });
        for (answer, expected) in join_all(asked.collect::<Vec<_>>()).await {
            *statuses.entry(answer.status).or_default() += 1;
            match answer.status {
                200 => is_for(&answer, &expected),
                304 => {
                    assert!(tags.contains(&(expected.tag.unwrap(), expected.marks.clone())), "it has somebody else's")
                }
                // The key is another request's, or that one is under way.
                409 | 422 => assert_eq!(expected.path, "/v1/once"),
                status => panic!("{status}: {:?}", answer.body),
            }
            if expected.path != "/v1/once" {
                is_kept_apart(&answer, expected.path);
            }
            let tag = (answer.header("etag").to_owned(), expected.marks);
            if answer.status == 200 && !tag.0.is_empty() && !tags.contains(&tag) {
                tags.push(tag);
            }
        }
    }
    assert!(statuses.contains_key(&304) && statuses.contains_key(&422), "{statuses:?}");
    let page = world.metrics().await;
    for (call, result) in [
        ("all.own", "coalesced"),
        ("mine.mine", "hit"),
        ("all.thing", "hit"),
        ("all.things", "hit"),
        ("all.late", "hit"),
    ] {
        let name = format!(r#"bff_cache_requests_total{{call="{call}",result="{result}"}} "#);
        let count = page.lines().find_map(|line| line.strip_prefix(&name)?.parse::<f64>().ok());
        assert!(count.is_some_and(|count| count > 0.0), "{name}\n{page}");
    }
}
