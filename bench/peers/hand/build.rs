//! Compiles the contract without a protoc binary.

use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=../../contracts");
    let descriptors = protox::compile(["orders/v1/orders.proto"], ["../../contracts"])?;
    tonic_prost_build::configure().build_server(false).compile_fds(descriptors)?;
    Ok(())
}
