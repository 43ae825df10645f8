//! What is measured is the workload: its answer, and nothing missing from it.

use bench::View;
use serde_json::Value;

#[tokio::test]
async fn the_answer_is_the_workloads() {
    let home = View::home().unwrap();
    let answer = home.run().await.unwrap();
    let answer: Value = serde_json::from_slice(&answer.body.unwrap()).unwrap();
    let expected: Value = serde_json::from_slice(include_bytes!("../fixtures/expected.json")).unwrap();
    assert_eq!(answer, expected);
    assert_eq!(home.services.asked(), 4);
}

#[tokio::test]
async fn one_percent_of_a_large_reply_is_used() {
    for (view, call) in [(bench::large_orders(), "recent"), (bench::large_products(), "products")] {
        let view = view.unwrap();
        let answer = view.run().await.unwrap().body.unwrap();
        let (_, reply) = view.reply(call).unwrap();
        let share = answer.len() as f64 / reply.len() as f64;
        assert!((0.005..0.015).contains(&share), "{call}: {share}");
        assert!((2 << 20..3 << 20).contains(&reply.len()));
    }
}
