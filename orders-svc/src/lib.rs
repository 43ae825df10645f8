//! The example gRPC backend: `orders.v1.OrderService` and `AddressService`, complete and small, with a database of its own.
//!
//! `proto/orders/v1/orders.proto` is the specification. Callers are known by tokens alone, verified with the public keys
//! that the token's issuer publishes: this service holds no secret.
//!
//! The process must have installed the aws-lc-rs crypto providers of rustls and jsonwebtoken before [`serve`].

mod addresses;
mod call;
mod caller;
mod clock;
mod config;
mod fault;
mod field;
mod money;
mod orders;
mod page;
mod probe;
mod server;
mod store;
mod token;

pub use config::Config;
pub use probe::probe;
pub use server::serve;

/// The contract, generated from `proto/`: messages, servers and clients.
#[expect(
    unused_qualifications,
    clippy::allow_attributes,
    clippy::too_many_lines,
    reason = "generated code has its own style"
)]
pub mod pb {
    include!(concat!(env!("OUT_DIR"), "/pb.rs"));

    pub use google::r#type::Money;
    pub use orders::v1::*;

    /// The descriptors of the contract and of everything it imports, as an encoded `FileDescriptorSet`.
    pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));
}
