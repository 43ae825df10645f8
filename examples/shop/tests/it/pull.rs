//! `bff contracts pull` against the shop's services: what they say of themselves is what this repository holds.

use bff::{contracts, upstream};

use crate::harness::{Folder, Shop};

#[tokio::test]
async fn every_service_hands_out_its_contract() {
    bff::app::install_crypto();
    let shop = Shop::start().await;
    let folder = Folder::new();
    let file = |name: &str| Some(folder.0.join(name).display().to_string());
    for (name, services) in [("orders", "2 services"), ("loyalty", "1 service")] {
        let grpc = Some(format!("http://{}", shop.address(name)));
        let source = upstream::Config { grpc, descriptors: file(name), ..upstream::Config::default() };
        let told = contracts::pull(name, &source, None).await.unwrap().write().unwrap();
        assert!(told.contains(&format!(": {services}, ")), "{told}");
    }
    for (name, contract) in [("catalog", shop::catalog::CONTRACT), ("profiles", shop::profiles::CONTRACT)] {
        let http = Some(format!("http://{}", shop.address(name)));
        let source = upstream::Config { http, openapi: file(name), ..upstream::Config::default() };
        contracts::pull(name, &source, Some("/openapi.yaml")).await.unwrap().write().unwrap();
        assert_eq!(std::fs::read_to_string(folder.0.join(name)).unwrap(), contract);
    }
}
