//! The engine: view definitions and contracts in, JSON out.
//!
//! Four steps, each a function: [`definition::read`] reads what authors write, [`check::check`] holds it against the
//! [`schema::Contracts`] and plans it, [`inputs::bind`] types one request, [`run::run`] makes the calls through an
//! [`upstream::Upstream`] and writes the answer. No sockets, no clock, no HTTP types; raw bytes on both sides.
//!
//! ```
//! # use std::sync::Arc;
//! use compose::{check, definition, problem::File, schema::Contracts};
//!
//! let text = "view: hello\nroute: GET /hello\naccess: user\nshape:\n  greeting: concat('Hi, ', $auth.sub)\n";
//! let file = Arc::new(File { name: "hello.yaml".into(), text: text.into() });
//! let (definitions, problems) = definition::read(&[file]);
//! let (plans, more) = check::check(&definitions, &Contracts::default(), check::Rules::default());
//! assert!(problems.is_empty() && more.is_empty());
//! assert_eq!(plans[0].path, "/hello");
//! ```

pub mod check;
pub mod definition;
pub mod explain;
pub mod expr;
pub mod inputs;
pub mod plan;
pub mod run;
pub mod scaffold;
pub mod schema;
pub mod upstream;

pub mod problem;
pub mod yaml;

pub mod decode;
mod encode;
mod entity_tag;
mod patch;
mod render;
pub mod tape;
pub mod write;
