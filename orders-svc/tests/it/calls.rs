use orders_svc::pb::{GetOrderRequest, ListOrdersRequest};
use prost::Message;
use tonic::Code;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;

use crate::harness::{Shop, cup, in_each_shop};
use crate::issuer::{Mood, claims, token};

/// Calls ListOrders with this `grpc-timeout` and gives the `grpc-status`: a tonic client would stop waiting by itself.
async fn list_with_timeout(shop: &Shop, timeout: &str) -> Option<String> {
    let message = ListOrdersRequest::default().encode_to_vec();
    let length = u32::try_from(message.len()).unwrap().to_be_bytes();
    let body = [&[0], length.as_slice(), &message].concat();
    let client = reqwest::Client::builder().http2_prior_knowledge().no_proxy().build().unwrap();
    let request = client
        .post(format!("{}/orders.v1.OrderService/ListOrders", shop.address))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .header("grpc-timeout", timeout)
        .bearer_auth(token(&claims("ann", "user")))
        .body(body);
    let response = request.send().await.unwrap();
    response.headers().get("grpc-status").map(|status| status.to_str().unwrap().to_owned())
}

#[tokio::test]
async fn a_call_stops_at_its_deadline() {
    in_each_shop(async |shop| {
        shop.issuer.set_mood(Mood::Silent);
        let deadline_exceeded = Some((Code::DeadlineExceeded as i32).to_string());
        assert_eq!(list_with_timeout(shop, "50m").await, deadline_exceeded);
        assert_eq!(list_with_timeout(shop, "50000u").await, deadline_exceeded);
        assert_eq!(list_with_timeout(shop, "soon").await, Some((Code::InvalidArgument as i32).to_string()));
    })
    .await;
}

#[tokio::test]
async fn health_and_contract_are_open() {
    in_each_shop(async |shop| {
        let mut health = HealthClient::new(shop.channel.clone());
        for service in ["", "orders.v1.OrderService", "orders.v1.AddressService"] {
            let request = HealthCheckRequest { service: service.to_owned() };
            assert_eq!(health.check(request).await.unwrap().into_inner().status(), ServingStatus::Serving);
        }
        let list = ServerReflectionRequest {
            host: String::new(),
            message_request: Some(MessageRequest::ListServices(String::new())),
        };
        let mut reflection = ServerReflectionClient::new(shop.channel.clone());
        let mut answers =
            reflection.server_reflection_info(futures_util::stream::iter([list])).await.unwrap().into_inner();
        let answer = answers.message().await.unwrap().unwrap().message_response;
        let Some(MessageResponse::ListServicesResponse(services)) = answer else { panic!("{answer:?}") };
        let names: Vec<_> = services.service.into_iter().map(|service| service.name).collect();
        assert!(names.contains(&"orders.v1.OrderService".to_owned()), "{names:?}");
        assert!(names.contains(&"orders.v1.AddressService".to_owned()), "{names:?}");
    })
    .await;
}

#[tokio::test]
async fn a_restart_keeps_everything() {
    in_each_shop(async |shop| {
        let order = shop.user("ann").create(cup()).await;
        shop.restart().await;
        let read = shop.user("ann").orders.get_order(GetOrderRequest { id: order.id.clone() }).await.unwrap();
        assert_eq!(read.into_inner(), order);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_binary_asks_a_running_server_how_it_is() {
    in_each_shop(async |shop| {
        let healthz = |listen: &str| {
            let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_orders-svc"));
            command.arg("healthz").env("ORDERS__LISTEN", listen).output().unwrap()
        };
        let output = healthz(shop.address.trim_start_matches("http://"));
        assert!(output.status.success(), "{output:?}");
        assert!(!healthz("127.0.0.1:1").status.success());
    })
    .await;
}
