//! An error together with what caused it, in one line, for the log and for those who run the server.

use std::error::Error;

/// The whole chain: "client error (Connect): tcp connect error: refused".
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    for _ in 0..MAX_CAUSES {
        let Some(next) = cause else { break };
        text = format!("{text}: {next}");
        cause = next.source();
    }
    text
}

const MAX_CAUSES: usize = 8;
