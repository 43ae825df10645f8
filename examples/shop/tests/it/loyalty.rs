use shop::account;
use shop::loyalty::pb::{Balance, GetBalanceRequest, Tier};
use tonic::Code;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;

use crate::harness::Shop;

fn balance_of(user_id: &str) -> GetBalanceRequest {
    GetBalanceRequest { user_id: user_id.to_owned() }
}

#[tokio::test]
async fn a_balance_for_the_enrolled() {
    let shop = Shop::start().await;
    let mut loyalty = shop.loyalty();

    let user = loyalty.get_balance(balance_of(account::USER)).await.unwrap().into_inner();
    assert_eq!((user.points, user.tier()), (1280, Tier::Gold));
    assert!(user.expires_at.is_some());

    let operator = loyalty.get_balance(balance_of(account::OPERATOR)).await.unwrap().into_inner();
    assert_eq!(operator, Balance { points: 40, tier: Tier::Bronze.into(), expires_at: None });

    let auditor = loyalty.get_balance(balance_of(account::AUDITOR)).await.unwrap_err();
    assert_eq!(auditor.code(), Code::NotFound);
}

#[tokio::test]
async fn tells_its_health_and_its_services() {
    let shop = Shop::start().await;
    let channel = shop.channel("loyalty");

    let service = "loyalty.v1.LoyaltyService".to_owned();
    let health = HealthClient::new(channel.clone()).check(HealthCheckRequest { service }).await.unwrap();
    assert_eq!(health.into_inner().status(), ServingStatus::Serving);

    let request = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    let requests = futures_util::stream::iter([request]);
    let mut answers = ServerReflectionClient::new(channel).server_reflection_info(requests).await.unwrap().into_inner();
    let answer = answers.message().await.unwrap().unwrap();
    let Some(MessageResponse::ListServicesResponse(list)) = answer.message_response else {
        panic!("no list of services");
    };
    let names: Vec<&str> = list.service.iter().map(|service| service.name.as_str()).collect();
    assert!(names.contains(&"loyalty.v1.LoyaltyService"), "{names:?}");
}
