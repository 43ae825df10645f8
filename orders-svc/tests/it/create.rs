use std::collections::HashSet;
use std::time::Duration;

use futures_util::future::join_all;
use orders_svc::pb::{CreateOrderRequest, GetOrderRequest, ListOrdersRequest, OrderLine, OrderStatus};
use tonic::{Code, Request};

use crate::harness::{blamed, code, cup, cups, in_each_shop, line, usd};

fn keyed(key: &str, lines: Vec<OrderLine>) -> Request<CreateOrderRequest> {
    let mut request = Request::new(CreateOrderRequest { lines, ..CreateOrderRequest::default() });
    request.metadata_mut().insert("idempotency-key", key.parse().unwrap());
    request
}

#[tokio::test]
async fn a_new_order_is_pending_and_its_creators() {
    in_each_shop(async |shop| {
        let mut ann = shop.user("ann");
        let request = CreateOrderRequest { lines: cup(), note: "ring\ntwice ☂".to_owned(), ..Default::default() };
        let order = ann.orders.create_order(request).await.unwrap().into_inner();
        assert_eq!((order.status(), order.user_id.as_str()), (OrderStatus::Pending, "ann"));
        assert_eq!((order.note.as_str(), &order.lines), ("ring\ntwice ☂", &cup()));
        assert_eq!(order.total, Some(usd(12, 500_000_000)));
        assert_eq!(order.created_at, order.updated_at);
        let read = ann.orders.get_order(GetOrderRequest { id: order.id.clone() }).await.unwrap().into_inner();
        assert_eq!(read, order);
    })
    .await;
}

#[tokio::test]
async fn twenty_calls_under_one_key_create_one_order() {
    in_each_shop(async |shop| {
        let calls = (0..20).map(|_| {
            let mut ann = shop.user("ann");
            async move { ann.orders.create_order(keyed("k1", cup())).await.unwrap().into_inner().id }
        });
        let ids: HashSet<String> = join_all(calls).await.into_iter().collect();
        assert_eq!(ids.len(), 1);
        let mut ann = shop.user("ann");
        let list = ann.orders.list_orders(ListOrdersRequest::default()).await.unwrap().into_inner();
        assert_eq!(list.orders.len(), 1);
    })
    .await;
}

#[tokio::test]
async fn a_crash_between_an_order_and_its_answer_orders_nothing_twice() {
    in_each_shop(async |shop| {
        const ROUNDS: u64 = 8;
        for round in 0..ROUNDS {
            let key = format!("k{round}");
            let (mut ann, lost) = (shop.user("ann"), keyed(&key, cup()));
            let asked = async { drop(ann.orders.create_order(lost).await) };
            let crash = async {
                // Sometimes before the order is written, sometimes between that and the answer.
                tokio::time::sleep(Duration::from_millis(round)).await;
                shop.crash().await;
            };
            tokio::join!(asked, crash);
            let mut ann = shop.user("ann");
            let first = ann.orders.create_order(keyed(&key, cup())).await.unwrap().into_inner();
            let again = ann.orders.create_order(keyed(&key, cup())).await.unwrap().into_inner();
            assert_eq!(first.id, again.id);
        }
        let mut ann = shop.user("ann");
        let list = ann.orders.list_orders(ListOrdersRequest::default()).await.unwrap().into_inner();
        assert_eq!(list.orders.len() as u64, ROUNDS);
    })
    .await;
}

#[tokio::test]
async fn a_key_stands_for_one_request_of_one_user() {
    in_each_shop(async |shop| {
        let (mut ann, mut bob) = (shop.user("ann"), shop.user("bob"));
        let first = ann.orders.create_order(keyed("k1", cup())).await.unwrap().into_inner();

        let other = keyed("k1", vec![line("cup", 2, usd(12, 500_000_000))]);
        assert_eq!(code(ann.orders.create_order(other).await), Code::AlreadyExists);

        let by_field =
            CreateOrderRequest { lines: cup(), request_id: "k1".to_owned(), ..CreateOrderRequest::default() };
        assert_eq!(ann.orders.create_order(by_field.clone()).await.unwrap().into_inner().id, first.id);

        let mut metadata_wins = Request::new(by_field.clone());
        metadata_wins.metadata_mut().insert("idempotency-key", "k2".parse().unwrap());
        assert_ne!(ann.orders.create_order(metadata_wins).await.unwrap().into_inner().id, first.id);

        let bobs = bob.orders.create_order(by_field).await.unwrap().into_inner();
        assert_ne!(bobs.id, first.id);
        assert_eq!(bobs.user_id, "bob");
    })
    .await;
}

#[tokio::test]
async fn every_violation_is_told_at_once() {
    in_each_shop(async |shop| {
        let mut ann = shop.user("ann");
        let lines = vec![
            OrderLine { product_id: String::new(), quantity: 0, unit_price: None },
            line("nul\0", 10_001, usd(1, 0)),
        ];
        let request =
            CreateOrderRequest { lines, note: "x".repeat(1_001), request_id: "k".repeat(256), user_id: String::new() };
        let expected = [
            "lines[0].product_id",
            "lines[0].quantity",
            "lines[0].unit_price",
            "lines[1].product_id",
            "lines[1].quantity",
            "lines[1].unit_price.currency_code",
            "note",
            "request_id",
        ];
        assert_eq!(blamed(ann.orders.create_order(request).await), expected);
        assert_eq!(blamed(ann.orders.create_order(CreateOrderRequest::default()).await), ["lines"]);

        let too_many = CreateOrderRequest { lines: cups(101), ..CreateOrderRequest::default() };
        assert_eq!(blamed(ann.orders.create_order(too_many).await), ["lines"]);
        assert_eq!(ann.create(cups(100)).await.total, Some(usd(1_250, 0)));
    })
    .await;
}

#[tokio::test]
async fn only_an_operator_acts_for_others() {
    in_each_shop(async |shop| {
        let (mut bob, mut operator) = (shop.user("bob"), shop.operator());
        let for_ann = CreateOrderRequest { user_id: "ann".to_owned(), lines: cup(), ..CreateOrderRequest::default() };
        assert_eq!(code(bob.orders.create_order(for_ann.clone()).await), Code::PermissionDenied);
        let order = operator.orders.create_order(for_ann).await.unwrap().into_inner();
        assert_eq!(order.user_id, "ann");

        let get = GetOrderRequest { id: order.id.clone() };
        assert_eq!(shop.user("ann").orders.get_order(get.clone()).await.unwrap().into_inner(), order);
        assert_eq!(operator.orders.get_order(get.clone()).await.unwrap().into_inner(), order);
        assert_eq!(code(bob.orders.get_order(get).await), Code::NotFound);
        assert_eq!(code(bob.orders.get_order(GetOrderRequest { id: "no-uuid".to_owned() }).await), Code::NotFound);
        assert_eq!(blamed(bob.orders.get_order(GetOrderRequest::default()).await), ["id"]);
    })
    .await;
}
