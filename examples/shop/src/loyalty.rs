//! Reward points: a gRPC upstream with health and reflection. Its contract is `proto/loyalty/v1/loyalty.proto`.

use axum::Router;
use prost_types::Timestamp;
use tonic::service::Routes;
use tonic::{Request, Response, Status};

use crate::account;
use pb::loyalty_service_server::{LoyaltyService, LoyaltyServiceServer};
use pb::{Balance, GetBalanceRequest, Tier};

#[expect(unused_qualifications, clippy::allow_attributes, reason = "generated")]
pub mod pb {
    tonic::include_proto!("loyalty.v1");
}

const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/loyalty.binpb"));

pub async fn router() -> anyhow::Result<Router> {
    let (health_reporter, health) = tonic_health::server::health_reporter();
    health_reporter.set_serving::<LoyaltyServiceServer<Loyalty>>().await;
    let reflection =
        tonic_reflection::server::Builder::configure().register_encoded_file_descriptor_set(DESCRIPTORS).build_v1()?;
    Ok(Routes::new(LoyaltyServiceServer::new(Loyalty))
        .add_service(health)
        .add_service(reflection)
        .prepare()
        .into_axum_router())
}

struct Loyalty;

#[tonic::async_trait]
impl LoyaltyService for Loyalty {
    async fn get_balance(&self, request: Request<GetBalanceRequest>) -> Result<Response<Balance>, Status> {
        let balance = match request.get_ref().user_id.as_str() {
            account::USER => Balance {
                points: 1280,
                tier: Tier::Gold.into(),
                // 2027-12-31T23:59:59Z
                expires_at: Some(Timestamp { seconds: 1_830_297_599, nanos: 0 }),
            },
            account::OPERATOR => Balance { points: 40, tier: Tier::Bronze.into(), expires_at: None },
            _ => return Err(Status::not_found("this user is not enrolled")),
        };
        Ok(Response::new(balance))
    }
}
