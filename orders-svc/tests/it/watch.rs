use std::collections::HashSet;
use std::time::Duration;

use orders_svc::pb::{
    DeleteOrderRequest, Order, OrderChange, OrderStatus, UndeleteOrderRequest, UpdateOrderRequest, WatchOrdersRequest,
};
use tonic::transport::Endpoint;
use tonic::{Code, Request, Streaming};

use crate::harness::{User, code, cup, in_each_shop};
use crate::issuer::{claims, token};

async fn watch(user: &mut User, order_id: &str) -> Streaming<OrderChange> {
    let request = WatchOrdersRequest { order_id: order_id.to_owned(), user_id: String::new() };
    user.orders.watch_orders(request).await.unwrap().into_inner()
}

async fn next(stream: &mut Streaming<OrderChange>) -> Option<(String, OrderStatus)> {
    stream.message().await.unwrap().map(|change| (change.order_id.clone(), change.status()))
}

async fn change(user: &mut User, order: Order) {
    let request = UpdateOrderRequest { order: Some(order), update_mask: None };
    user.orders.update_order(request).await.unwrap();
}

fn with_status(id: &str, status: OrderStatus) -> Order {
    Order { id: id.to_owned(), status: status.into(), ..Order::default() }
}

#[tokio::test]
async fn an_orders_statuses_are_told_until_it_is_deleted() {
    in_each_shop(async |shop| {
        let (mut ann, mut operator) = (shop.user("ann"), shop.operator());
        let id = ann.create(cup()).await.id;
        ann.create(cup()).await;
        let mut stream = watch(&mut ann, &id).await;
        assert_eq!(next(&mut stream).await, Some((id.clone(), OrderStatus::Pending)));

        change(&mut ann, Order { id: id.clone(), note: "no news".to_owned(), ..Order::default() }).await;
        change(&mut operator, with_status(&id, OrderStatus::Paid)).await;
        change(&mut operator, with_status(&id, OrderStatus::Shipped)).await;
        assert_eq!(next(&mut stream).await, Some((id.clone(), OrderStatus::Paid)));
        assert_eq!(next(&mut stream).await, Some((id.clone(), OrderStatus::Shipped)));

        ann.orders.delete_order(DeleteOrderRequest { id, etag: String::new() }).await.unwrap();
        assert_eq!(next(&mut stream).await, None);
    })
    .await;
}

#[tokio::test]
async fn all_orders_of_a_user_are_told() {
    in_each_shop(async |shop| {
        let (mut ann, mut operator) = (shop.user("ann"), shop.operator());
        let (first, second) = (ann.create(cup()).await.id, ann.create(cup()).await.id);
        let mut stream = watch(&mut ann, "").await;
        let present = [next(&mut stream).await.unwrap().0, next(&mut stream).await.unwrap().0];
        assert_eq!(HashSet::from(present), HashSet::from([first.clone(), second.clone()]));

        shop.user("bob").create(cup()).await;
        let third = ann.create(cup()).await.id;
        assert_eq!(next(&mut stream).await, Some((third, OrderStatus::Pending)));
        ann.orders.delete_order(DeleteOrderRequest { id: first.clone(), etag: String::new() }).await.unwrap();
        ann.orders.undelete_order(UndeleteOrderRequest { id: first.clone() }).await.unwrap();
        assert_eq!(next(&mut stream).await, Some((first, OrderStatus::Pending)));
        change(&mut operator, with_status(&second, OrderStatus::Delivered)).await;
        assert_eq!(next(&mut stream).await, Some((second, OrderStatus::Delivered)));
    })
    .await;
}

#[tokio::test]
async fn a_watch_that_fell_behind_ends_at_the_truth() {
    in_each_shop(async |shop| {
        let (mut ann, mut operator) = (shop.user("ann"), shop.operator());
        let id = ann.create(cup()).await.id;
        // A reader with a narrow window that does not read: the changes must wait at the server, more than it keeps.
        let narrow = Endpoint::from_shared(shop.address.clone()).unwrap().initial_stream_window_size(1_024);
        let mut reader = User::over(narrow.connect().await.unwrap(), token(&claims("ann", "user")));
        let mut stream = watch(&mut reader, &id).await;
        for _ in 0..600 {
            change(&mut operator, with_status(&id, OrderStatus::Paid)).await;
            change(&mut operator, with_status(&id, OrderStatus::Pending)).await;
        }
        change(&mut operator, with_status(&id, OrderStatus::Delivered)).await;
        let mut told = 1;
        while next(&mut stream).await.unwrap().1 != OrderStatus::Delivered {
            told += 1;
        }
        assert!(told < 1_202, "no change was left out, so nothing was tested");
    })
    .await;
}

#[tokio::test]
async fn a_watch_obeys_deadline_and_shutdown() {
    in_each_shop(async |shop| {
        let mut ann = shop.user("ann");
        let id = ann.create(cup()).await.id;
        let mut request = Request::new(WatchOrdersRequest { order_id: id.clone(), user_id: String::new() });
        request.set_timeout(Duration::from_secs(2));
        let mut stream = ann.orders.watch_orders(request).await.unwrap().into_inner();
        assert_eq!(next(&mut stream).await, Some((id.clone(), OrderStatus::Pending)));
        assert_eq!(code(stream.message().await), Code::DeadlineExceeded);

        let mut stream = watch(&mut ann, &id).await;
        assert_eq!(next(&mut stream).await, Some((id, OrderStatus::Pending)));
        shop.shutdown.cancel();
        assert_eq!(code(stream.message().await), Code::Unavailable);
    })
    .await;
}

#[tokio::test]
async fn a_stranger_watches_nothing() {
    in_each_shop(async |shop| {
        let id = shop.user("ann").create(cup()).await.id;
        let mut bob = shop.user("bob");
        let request = WatchOrdersRequest { order_id: id, user_id: String::new() };
        assert_eq!(code(bob.orders.watch_orders(request).await), Code::NotFound);
        let request = WatchOrdersRequest { order_id: String::new(), user_id: "ann".to_owned() };
        assert_eq!(code(bob.orders.watch_orders(request).await), Code::PermissionDenied);
    })
    .await;
}
