//! The service through its front door: a real server on a free port, over SQLite and, where BFF_TEST_POSTGRES_URL names
//! a server, over PostgreSQL. Only the tokens' issuer is played.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod addresses;
mod calls;
mod changes;
mod create;
mod harness;
mod issuer;
mod list;
mod money;
mod tokens;
mod watch;
