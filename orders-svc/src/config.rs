//! The settings: flags, or environment variables of the same names behind `ORDERS__`.

use std::net::SocketAddr;

#[derive(clap::Args, Clone)]
pub struct Config {
    /// Where to listen for gRPC.
    #[arg(long, env = "ORDERS__LISTEN", default_value = "127.0.0.1:50051")]
    pub listen: SocketAddr,

    /// `sqlite:PATH` (created if missing) or `postgres://USER:PASSWORD@HOST/DATABASE`.
    #[arg(long, env = "ORDERS__DATABASE_URL", default_value = "sqlite:data/orders.db", hide_env_values = true)]
    pub database_url: String,

    /// Where the tokens' issuer publishes its public keys.
    #[arg(long, env = "ORDERS__JWKS_URL", default_value = "http://127.0.0.1:8080/.well-known/jwks.json")]
    pub jwks_url: String,

    /// The `iss` every token must have; without it any issuer whose key is in the set.
    #[arg(long, env = "ORDERS__ISSUER")]
    pub issuer: Option<String>,

    /// The `aud` every token must have.
    #[arg(long, env = "ORDERS__AUDIENCE", default_value = "orders")]
    pub audience: String,
}
