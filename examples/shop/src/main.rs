//! `cargo demo`: the whole shop in one process, until Ctrl-C.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use shop::demo;
use tokio::signal::ctrl_c;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("the demo cannot run: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> anyhow::Result<()> {
    let root = workspace_root(&std::env::current_dir()?);
    std::env::set_current_dir(&root).with_context(|| format!("cannot enter {}", root.display()))?;

    let mut terminate = signal(SignalKind::terminate())?;
    let shutdown = CancellationToken::new();
    let demo = demo::run(environment(), shutdown.clone());
    tokio::pin!(demo);
    tokio::select! {
        ended = demo.as_mut() => return ended,
        _ = ctrl_c() => {}
        _ = terminate.recv() => {}
    }
    shutdown.cancel();
    demo.await
}

/// Where `config/`, `proto/` and `data/` are: above the working directory, or where this was built.
fn workspace_root(start: &Path) -> PathBuf {
    let above = start.ancestors().find(|folder| folder.join(bff::config::DEFAULT_FILE).is_file());
    above.map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../.."), Path::to_owned)
}

fn environment() -> BTreeMap<String, String> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}
