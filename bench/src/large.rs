//! Replies of two megabytes of which the view uses one percent.

use bytes::Bytes;

use crate::{Services, View};

const LEN: usize = 2 << 20;

const ORDER_IDS: &str = "
view: order-ids
route: GET /order-ids
access: public
calls:
  recent:
    grpc: orders/orders.v1.OrderService.ListOrders
    request: { page_size: 1000 }
shape:
  from: recent.orders as o
  item: o.id
";

const PRODUCT_IDS: &str = "
view: product-ids
route: GET /product-ids
access: public
calls:
  products:
    http: products/listProducts
shape:
  from: products as p
  item: p.id
";

/// Protobuf: orders of some sixty lines, and their ids.
pub fn large_orders() -> anyhow::Result<View> {
    let line = [bytes(1, b"product-0001"), vec![0x10, 3], bytes(3, b"\x0a\x03EUR\x10\x64")].concat();
    let lines = bytes(5, &line).repeat(60);
    let mut wire = Vec::with_capacity(LEN + 4096);
    let mut number = 0;
    while wire.len() < LEN {
        let order = [bytes(1, format!("ord-{number:012}").as_bytes()), vec![0x10, 3], lines.clone()].concat();
        wire.extend(bytes(1, &order));
        number += 1;
    }
    View::new(ORDER_IDS, Services::new([("recent", Bytes::from(wire))]))
}

/// JSON: products with a long description each, and their ids.
pub fn large_products() -> anyhow::Result<View> {
    let sentence = r#"It is of \"good\" quality and lasts long. "#;
    let mut text = String::from("[");
    let mut number = 0;
    while text.len() < LEN {
        if number > 0 {
            text.push(',');
        }
        text += &format!(
            r#"{{"id":"product-{number:06}","title":"Product {number}","image_url":"https://cdn.example.com/{number}.webp","#
        );
        text += r#""price":{"currency":"EUR","amount":"12.50"},"attributes":{"color":"sand","weight_g":310,"#;
        text += &format!(r#""sizes":["s","m","l"]}},"description":"{}"}}"#, sentence.repeat(32));
        number += 1;
    }
    text.push(']');
    View::new(PRODUCT_IDS, Services::new([("products", Bytes::from(text))]))
}

/// A field of bytes, a text or a message.
fn bytes(number: u8, value: &[u8]) -> Vec<u8> {
    let mut field = vec![number << 3 | 2];
    let mut len = value.len();
    while len >= 0x80 {
        field.push(len as u8 | 0x80);
        len >>= 7;
    }
    field.push(len as u8);
    field.extend_from_slice(value);
    field
}
