use orders_svc::pb::{DeleteOrderRequest, ListOrdersRequest, Order, OrderStatus, UpdateOrderRequest};
use tonic::Code;

use crate::harness::{User, blamed, code, cup, in_each_shop};

async fn page(user: &mut User, page_size: i32, page_token: &str) -> (Vec<String>, String) {
    let request = ListOrdersRequest { page_size, page_token: page_token.to_owned(), ..ListOrdersRequest::default() };
    let page = user.orders.list_orders(request).await.unwrap().into_inner();
    (page.orders.into_iter().map(|order| order.id).collect(), page.next_page_token)
}

#[tokio::test]
async fn pages_stay_put_while_orders_come_and_go() {
    in_each_shop(async |shop| {
        let mut ann = shop.user("ann");
        let mut ids = Vec::new();
        for _ in 0..5 {
            ids.push(ann.create(cup()).await.id);
        }
        shop.user("bob").create(cup()).await;

        let (first, token) = page(&mut ann, 2, "").await;
        assert_eq!(first, [ids[4].clone(), ids[3].clone()]);
        ann.create(cup()).await;
        let delete = DeleteOrderRequest { id: ids[3].clone(), etag: String::new() };
        ann.orders.delete_order(delete).await.unwrap();
        let (second, token) = page(&mut ann, 2, &token).await;
        assert_eq!(second, [ids[2].clone(), ids[1].clone()]);
        let (third, token) = page(&mut ann, 2, &token).await;
        assert_eq!((third, token.as_str()), (vec![ids[0].clone()], ""));

        let (all, token) = page(&mut ann, 5, "").await;
        assert_eq!((all.len(), token.as_str()), (5, ""));
    })
    .await;
}

#[tokio::test]
async fn a_list_is_of_one_user_and_one_status() {
    in_each_shop(async |shop| {
        let (mut ann, mut operator) = (shop.user("ann"), shop.operator());
        let paid = ann.create(cup()).await;
        ann.create(cup()).await;
        let order = Order { id: paid.id.clone(), status: OrderStatus::Paid.into(), ..Order::default() };
        let update = UpdateOrderRequest { order: Some(order), update_mask: None };
        let paid = operator.orders.update_order(update).await.unwrap().into_inner();

        let of_ann = ListOrdersRequest {
            user_id: "ann".to_owned(),
            status: OrderStatus::Paid.into(),
            ..ListOrdersRequest::default()
        };
        let list = operator.orders.list_orders(of_ann.clone()).await.unwrap().into_inner();
        assert_eq!(list.orders, [paid]);
        assert_eq!(code(shop.user("bob").orders.list_orders(of_ann).await), Code::PermissionDenied);
        let own = operator.orders.list_orders(ListOrdersRequest::default()).await.unwrap().into_inner();
        assert_eq!(own.orders, []);
    })
    .await;
}

#[tokio::test]
async fn a_token_fits_its_own_list_only() {
    in_each_shop(async |shop| {
        let mut ann = shop.user("ann");
        ann.create(cup()).await;
        ann.create(cup()).await;
        let (_, token) = page(&mut ann, 1, "").await;

        let pending = ListOrdersRequest {
            page_token: token.clone(),
            status: OrderStatus::Pending.into(),
            ..ListOrdersRequest::default()
        };
        assert_eq!(blamed(ann.orders.list_orders(pending).await), ["page_token"]);
        for page_token in [format!("{token}A"), token[1..].to_owned(), "?".to_owned(), "A".repeat(100_000)] {
            let request = ListOrdersRequest { page_token, ..ListOrdersRequest::default() };
            assert_eq!(blamed(ann.orders.list_orders(request).await), ["page_token"]);
        }
        let request = ListOrdersRequest { page_token: token, ..ListOrdersRequest::default() };
        assert_eq!(blamed(shop.user("bob").orders.list_orders(request).await), ["page_token"]);
        for page_size in [-1, 101] {
            let request = ListOrdersRequest { page_size, ..ListOrdersRequest::default() };
            assert_eq!(blamed(ann.orders.list_orders(request).await), ["page_size"]);
        }
        let request = ListOrdersRequest { status: 99, ..ListOrdersRequest::default() };
        assert_eq!(blamed(ann.orders.list_orders(request).await), ["status"]);
    })
    .await;
}
