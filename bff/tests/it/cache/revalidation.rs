//! A client asks again for what it may keep, and is told that nothing has changed.

use std::time::Duration;

use serde_json::json;

use super::world::World;
use crate::harness::Answer;

const SAME: [&str; 3] = ["cache-control", "vary", "etag"];

async fn again(world: &World, path: &str, tags: &str) -> Answer {
    Answer::of(world.server.client.get(format!("{}{path}", world.server.url)).header("if-none-match", tags)).await
}

#[tokio::test]
async fn what_may_be_kept_has_a_tag_and_is_not_sent_twice() {
    let world = World::start().await;
    for path in ["/v1/things/a", "/v1/mine?what=x"] {
        let first = world.get(path).await;
        let tag = first.header("etag");
        assert!(tag.starts_with('"') && tag.ends_with('"') && tag.len() == 24, "{tag}");
        for tags in [tag.to_owned(), format!("W/{tag}"), format!("\"other\", {tag}"), "*".to_owned()] {
            let known = again(&world, path, &tags).await;
            assert_eq!((known.status, known.body.len()), (304, 0), "{tags}");
            for name in SAME {
                let all = |answer: &Answer| answer.headers.get_all(name).iter().cloned().collect::<Vec<_>>();
                let known = all(&known).into_iter().filter(|value| value != "accept-encoding").collect::<Vec<_>>();
                assert_eq!(known, all(&first), "{name} of {path}");
            }
            assert_eq!(known.header("content-type"), "");
        }
        let other = again(&world, path, "\"other\"").await;
        assert_eq!((other.status, &other.body, other.header("etag")), (200, &first.body, tag));
        let head = world.server.client.head(format!("{}{path}", world.server.url));
        let head = Answer::of(head).await;
        assert_eq!((head.status, head.header("etag"), head.body.len()), (200, tag, 0));
    }
    let of_others = ["/v1/things/b", "/v1/mine?what=y"].map(|path| world.get(path));
    let tags = futures_util::future::join_all(of_others).await;
    assert_ne!(tags[0].header("etag"), world.get("/v1/things/a").await.header("etag"));
    assert_ne!(tags[1].header("etag"), world.get("/v1/mine?what=x").await.header("etag"));
}

#[tokio::test]
async fn a_tag_says_how_long_it_is_good_and_ends_with_what_it_stands_for() {
    let world = World::start().await;
    let first = world.get("/v1/things/a").await;
    world.server.clock.advance(Duration::from_secs(50));
    let known = again(&world, "/v1/things/a", first.header("etag")).await;
    assert_eq!((known.status, super::max_age(&known)), (304, Some(10)));
    world.change();
    world.purge(&["thing:a"]).await;
    let changed = again(&world, "/v1/things/a", first.header("etag")).await;
    assert_eq!((changed.status, changed.json()), (200, json!({ "name": "a 1" })));
    assert_ne!(changed.header("etag"), first.header("etag"));
}

#[tokio::test]
async fn what_must_not_be_kept_and_what_lacks_something_has_none() {
    let world = World::start().await;
    for path in ["/v1/careful/a", "/v1/lists/a"] {
        let answer = world.get(path).await;
        assert_eq!((answer.status, answer.header("etag")), (200, ""), "{path}");
        assert_eq!(again(&world, path, "*").await.status, 200);
    }
    let whole = world.get("/v1/partly/a").await;
    assert!(!whole.header("etag").is_empty());
    world.server.clock.advance(Duration::from_secs(2));
    world.fail(503);
    for tags in [whole.header("etag"), "*"] {
        let partly = again(&world, "/v1/partly/a", tags).await;
        assert_eq!((partly.status, partly.json()), (200, json!({ "name": "a 0", "other": null })));
        assert_eq!((partly.header("etag"), partly.header("cache-control")), ("", "no-store"));
    }
}

#[tokio::test]
async fn the_description_says_which_answers_have_one() {
    let world = World::start().await;
    let document = world.get("/openapi.json").await.json();
    for (path, tagged) in [("/v1/things/{id}", true), ("/v1/mine", true), ("/v1/careful/{id}", false)] {
        let responses = &document["paths"][path]["get"]["responses"];
        assert_eq!(responses["304"].is_object(), tagged, "{path}");
        assert_eq!(responses["200"]["headers"]["etag"].is_object(), tagged, "{path}");
    }
    assert!(document["paths"]["/v1/things/{id}"]["put"]["responses"]["304"].is_null());
}
