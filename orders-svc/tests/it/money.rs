use orders_svc::pb::{CreateOrderRequest, GetOrderRequest, Money};

use crate::harness::{blamed, in_each_shop, line, usd};

#[tokio::test]
async fn amounts_survive_exactly() {
    in_each_shop(async |shop| {
        let mut ann = shop.user("ann");
        let amounts = [
            usd(0, 1),
            usd(19, 990_000_000),
            usd(123_456_789_012, 123_456_789),
            usd(1_000_000_000_000_000_000, 100_000_000),
            usd(i64::MAX, 999_999_999),
        ];
        for amount in amounts {
            let created = ann.create(vec![line("cup", 1, amount.clone())]).await;
            let read = ann.orders.get_order(GetOrderRequest { id: created.id.clone() }).await.unwrap().into_inner();
            assert_eq!(read, created);
            assert_eq!(read.total, Some(amount.clone()));
            assert_eq!(read.lines[0].unit_price, Some(amount));
        }
    })
    .await;
}

#[tokio::test]
async fn the_total_is_the_sum_of_the_lines() {
    in_each_shop(async |shop| {
        let mut ann = shop.user("ann");
        let lines = vec![line("tenths", 3, usd(0, 100_000_000)), line("nanos", 10_000, usd(0, 999_999_999))];
        assert_eq!(ann.create(lines).await.total, Some(usd(10_000, 299_990_000)));

        let half = i64::MAX / 2;
        let at_the_edge = vec![line("half", 2, usd(half, 0)), line("rest", 1, usd(1, 999_999_999))];
        assert_eq!(ann.create(at_the_edge).await.total, Some(usd(i64::MAX, 999_999_999)));
    })
    .await;
}

#[tokio::test]
async fn a_total_that_does_not_fit_is_refused() {
    in_each_shop(async |shop| {
        let mut ann = shop.user("ann");
        let too_much = [
            vec![line("cup", 2, usd(i64::MAX, 0))],
            vec![line("cup", 10_000, usd(i64::MAX, 999_999_999))],
            vec![line("cup", 1, usd(i64::MAX, 999_999_999)), line("nano", 1, usd(0, 1))],
        ];
        for lines in too_much {
            let request = CreateOrderRequest { lines, ..CreateOrderRequest::default() };
            assert_eq!(blamed(ann.orders.create_order(request).await), ["lines"]);
        }
    })
    .await;
}

#[tokio::test]
async fn a_price_that_is_not_positive_is_refused() {
    in_each_shop(async |shop| {
        let mut ann = shop.user("ann");
        let lines = [usd(-5, 0), usd(0, -1), usd(0, 0), usd(i64::MIN, -999_999_999)].map(|price| line("cup", 1, price));
        let request = CreateOrderRequest { lines: lines.to_vec(), ..CreateOrderRequest::default() };
        let expected = ["lines[0].unit_price", "lines[1].unit_price", "lines[2].unit_price", "lines[3].unit_price"];
        assert_eq!(blamed(ann.orders.create_order(request).await), expected);
    })
    .await;
}

#[tokio::test]
async fn what_is_no_money_is_refused() {
    in_each_shop(async |shop| {
        let mut ann = shop.user("ann");
        let euro = Money { currency_code: "euro".to_owned(), units: 1, nanos: 0 };
        let yen = Money { currency_code: "JPY".to_owned(), units: 1, nanos: 0 };
        let lines = vec![
            line("good", 1, usd(1, 0)),
            line("signs", 1, usd(1, -1)),
            line("signs", 1, usd(-1, 1)),
            line("nanos", 1, usd(1, 1_000_000_000)),
            line("nanos", 1, usd(0, i32::MIN)),
            line("letters", 1, euro),
            line("currencies", 1, yen),
        ];
        let request = CreateOrderRequest { lines, ..CreateOrderRequest::default() };
        let expected = [
            "lines[1].unit_price",
            "lines[2].unit_price",
            "lines[3].unit_price",
            "lines[4].unit_price",
            "lines[5].unit_price.currency_code",
            "lines[6].unit_price.currency_code",
        ];
        assert_eq!(blamed(ann.orders.create_order(request).await), expected);
    })
    .await;
}
