//! The four services of the workload in one single-threaded process: prebuilt bytes, HTTP/1.1 by hand, bare h2 for gRPC.
//!
//! `--expected` prints what a peer must answer, `--sizes` how large each reply is, `--save DIR` writes them all to files.
//! `FAKE_DELAY_{ORDERS,PRODUCTS,PROFILE,REWARDS}_MS` delays a service.

mod data;
mod grpc;
mod http1;
mod route;

use std::path::Path;

use prost::Message;
use tokio::net::TcpListener;
use tokio::task::{LocalSet, spawn_local};

const HTTP_PORTS: [u16; 3] = [7002, 7003, 7004];
const GRPC_PORT: u16 = 7001;

async fn serve() -> std::io::Result<()> {
    for port in HTTP_PORTS {
        let listener = TcpListener::bind(("127.0.0.1", port)).await?;
        spawn_local(async move {
            loop {
                if let Ok((stream, _)) = listener.accept().await {
                    spawn_local(http1::serve(stream));
                }
            }
        });
    }
    let listener = TcpListener::bind(("127.0.0.1", GRPC_PORT)).await?;
    let reply = grpc::framed(&data::orders().encode_to_vec());
    loop {
        if let Ok((stream, _)) = listener.accept().await {
            spawn_local(grpc::serve(stream, reply.clone()));
        }
    }
}

/// Every reply and what is to be made of them, by file name.
fn files() -> [(&'static str, Vec<u8>); 5] {
    let ids: Vec<String> = (1..=data::PRODUCTS).map(|n| format!("p{n}")).collect();
    [
        ("orders.binpb", data::orders().encode_to_vec()),
        ("products.json", data::products(&ids).into_bytes()),
        ("profile.json", data::profile("u1").to_string().into_bytes()),
        ("rewards.json", data::rewards().to_string().into_bytes()),
        ("expected.json", data::expected().to_string().into_bytes()),
    ]
}

fn main() -> std::io::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["--expected"] => println!("{}", data::expected()),
        ["--sizes"] => files().iter().for_each(|(name, bytes)| println!("{name} {} bytes", bytes.len())),
        ["--save", folder] => {
            for (name, bytes) in files() {
                std::fs::write(Path::new(folder).join(name), bytes)?;
            }
        }
        _ => {
            route::delays_of_the_environment();
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            LocalSet::new().block_on(&runtime, serve())?;
        }
    }
    Ok(())
}
