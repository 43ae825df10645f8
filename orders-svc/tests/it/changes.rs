use futures_util::future::join_all;
use orders_svc::pb::{
    CancelOrderRequest, DeleteOrderRequest, GetOrderRequest, ListOrdersRequest, Order, OrderStatus,
    UndeleteOrderRequest, UpdateOrderRequest,
};
use prost_types::FieldMask;
use tonic::{Code, Status};

use crate::harness::{User, blamed, code, cup, cups, in_each_shop, line, usd};

async fn update(user: &mut User, order: Order, paths: &[&str]) -> Result<Order, Status> {
    let paths = paths.iter().map(ToString::to_string).collect();
    let request = UpdateOrderRequest { order: Some(order), update_mask: Some(FieldMask { paths }) };
    user.orders.update_order(request).await.map(tonic::Response::into_inner)
}

async fn set_status(operator: &mut User, id: &str, status: OrderStatus) -> Order {
    let order = Order { id: id.to_owned(), status: status.into(), ..Order::default() };
    update(operator, order, &["status"]).await.unwrap()
}

#[tokio::test]
async fn a_mask_chooses_what_changes() {
    in_each_shop(async |shop| {
        let mut ann = shop.user("ann");
        let created = ann.create(cup()).await;
        let two = vec![line("bowl", 2, usd(3, 250_000_000))];
        let wanted = Order { note: "new".to_owned(), lines: two.clone(), ..created.clone() };

        let noted = update(&mut ann, wanted.clone(), &["note"]).await.unwrap();
        assert_eq!((noted.note.as_str(), &noted.lines), ("new", &created.lines));
        assert_ne!(noted.etag, created.etag);

        let lined = update(&mut ann, Order { etag: noted.etag, ..wanted }, &["lines"]).await.unwrap();
        assert_eq!((lined.total.clone(), &lined.lines), (Some(usd(6, 500_000_000)), &two));
        let read = ann.orders.get_order(GetOrderRequest { id: created.id.clone() }).await.unwrap().into_inner();
        assert_eq!(read, lined);

        let emptied = Order { id: created.id.clone(), ..Order::default() };
        assert_eq!(update(&mut ann, emptied.clone(), &["note"]).await.unwrap().note, "");
        let unmasked = Order { note: "set".to_owned(), ..emptied.clone() };
        let set = update(&mut ann, unmasked, &[]).await.unwrap();
        assert_eq!((set.note.as_str(), &set.lines), ("set", &two));

        let unchanged = update(&mut ann, emptied.clone(), &[]).await.unwrap();
        assert_eq!(unchanged.etag, set.etag);
        let wrong = update(&mut ann, emptied.clone(), &["total", "lines", "status"]).await;
        assert_eq!(blamed(wrong), ["order.lines", "order.status", "update_mask"]);
        assert_eq!(blamed(update(&mut ann, Order::default(), &["note"]).await), ["order.id"]);
    })
    .await;
}

#[tokio::test]
async fn an_old_etag_is_aborted() {
    in_each_shop(async |shop| {
        let mut ann = shop.user("ann");
        let old = ann.create(cup()).await;
        let noted = update(&mut ann, Order { note: "1".to_owned(), ..old.clone() }, &["note"]).await.unwrap();

        assert_eq!(
            code(update(&mut ann, Order { note: "2".to_owned(), ..old.clone() }, &["note"]).await),
            Code::Aborted
        );
        let cancel = CancelOrderRequest { id: old.id.clone(), etag: old.etag.clone() };
        assert_eq!(code(ann.orders.cancel_order(cancel).await), Code::Aborted);
        let delete = DeleteOrderRequest { id: old.id.clone(), etag: "made up".to_owned() };
        assert_eq!(code(ann.orders.delete_order(delete).await), Code::Aborted);
        let read = ann.orders.get_order(GetOrderRequest { id: old.id }).await.unwrap().into_inner();
        assert_eq!(read, noted);
    })
    .await;
}

#[tokio::test]
async fn of_many_changes_to_one_version_one_wins() {
    in_each_shop(async |shop| {
        let order = shop.user("ann").create(cup()).await;
        let changes = (0..8).map(|i| {
            let (mut ann, order) = (shop.user("ann"), Order { note: i.to_string(), ..order.clone() });
            async move { update(&mut ann, order, &["note"]).await.map_err(|status| status.code()) }
        });
        let (won, lost): (Vec<_>, Vec<_>) = join_all(changes).await.into_iter().partition(Result::is_ok);
        assert_eq!(won.len(), 1);
        assert!(lost.iter().all(|outcome| *outcome == Err(Code::Aborted)), "{lost:?}");
    })
    .await;
}

#[tokio::test]
async fn status_is_the_operators_and_lines_freeze_with_it() {
    in_each_shop(async |shop| {
        let (mut ann, mut operator) = (shop.user("ann"), shop.operator());
        let order = ann.create(cup()).await;
        let shipped = Order { status: OrderStatus::Shipped.into(), etag: String::new(), ..order.clone() };
        assert_eq!(code(update(&mut ann, shipped.clone(), &["status"]).await), Code::PermissionDenied);
        assert_eq!(update(&mut operator, shipped, &["status"]).await.unwrap().status(), OrderStatus::Shipped);

        let more = Order { lines: cups(2), etag: String::new(), ..order.clone() };
        assert_eq!(code(update(&mut ann, more, &["lines"]).await), Code::FailedPrecondition);
        let cancel = CancelOrderRequest { id: order.id.clone(), etag: String::new() };
        assert_eq!(code(ann.orders.cancel_order(cancel.clone()).await), Code::FailedPrecondition);

        set_status(&mut operator, &order.id, OrderStatus::Paid).await;
        let cancelled = ann.orders.cancel_order(cancel.clone()).await.unwrap().into_inner();
        assert_eq!(cancelled.status(), OrderStatus::Cancelled);
        assert_eq!(ann.orders.cancel_order(cancel).await.unwrap().into_inner(), cancelled);
    })
    .await;
}

#[tokio::test]
async fn a_deleted_order_comes_back() {
    in_each_shop(async |shop| {
        let mut ann = shop.user("ann");
        let order = ann.create(cup()).await;
        let delete = DeleteOrderRequest { id: order.id.clone(), etag: order.etag.clone() };
        ann.orders.delete_order(delete.clone()).await.unwrap();
        ann.orders.delete_order(delete).await.unwrap();

        let get = GetOrderRequest { id: order.id.clone() };
        assert_eq!(code(ann.orders.get_order(get.clone()).await), Code::NotFound);
        assert_eq!(code(update(&mut ann, order.clone(), &["note"]).await), Code::NotFound);
        let list = ann.orders.list_orders(ListOrdersRequest::default()).await.unwrap().into_inner();
        assert_eq!(list.orders, []);

        let undelete = UndeleteOrderRequest { id: order.id.clone() };
        let back = ann.orders.undelete_order(undelete.clone()).await.unwrap().into_inner();
        assert_eq!((&back.lines, &back.total, back.status), (&order.lines, &order.total, order.status));
        assert_eq!(ann.orders.undelete_order(undelete).await.unwrap().into_inner(), back);
        assert_eq!(ann.orders.get_order(get).await.unwrap().into_inner(), back);
    })
    .await;
}

#[tokio::test]
async fn a_strangers_change_finds_nothing() {
    in_each_shop(async |shop| {
        let order = shop.user("ann").create(cup()).await;
        let mut bob = shop.user("bob");
        assert_eq!(code(update(&mut bob, order.clone(), &["note"]).await), Code::NotFound);
        let cancel = CancelOrderRequest { id: order.id.clone(), etag: String::new() };
        assert_eq!(code(bob.orders.cancel_order(cancel).await), Code::NotFound);
        let delete = DeleteOrderRequest { id: order.id.clone(), etag: String::new() };
        assert_eq!(code(bob.orders.delete_order(delete).await), Code::NotFound);
        let undelete = UndeleteOrderRequest { id: order.id.clone() };
        assert_eq!(code(bob.orders.undelete_order(undelete).await), Code::NotFound);
    })
    .await;
}
