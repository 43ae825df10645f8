//! `cargo demo`: the whole shop in one process, until Ctrl-C; `shop upstreams`: only what stands behind the BFF.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use shop::backends::Addresses;
use shop::{demo, standalone};
use tokio::signal::ctrl_c;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("shop: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        [] => {
            let root = workspace_root(&std::env::current_dir()?);
            std::env::set_current_dir(&root).with_context(|| format!("cannot enter {}", root.display()))?;
            until_stopped(|shutdown| demo::run(environment(), shutdown)).await
        }
        ["upstreams"] => {
            let addresses = Addresses::from_env(&environment())?;
            until_stopped(|shutdown| standalone::run(addresses, shutdown)).await
        }
        ["healthz"] => Ok(standalone::probe(Addresses::from_env(&environment())?).await?),
        _ => bail!(
            "it takes no argument for the whole demo, `upstreams` for profiles, catalog and loyalty, or `healthz`"
        ),
    }
}

async fn until_stopped<F>(run: impl FnOnce(CancellationToken) -> F) -> anyhow::Result<()>
where
    F: Future<Output = anyhow::Result<()>>,
{
    let mut terminate = signal(SignalKind::terminate())?;
    let shutdown = CancellationToken::new();
    let running = run(shutdown.clone());
    tokio::pin!(running);
    tokio::select! {
        ended = running.as_mut() => return ended,
        _ = ctrl_c() => {}
        _ = terminate.recv() => {}
    }
    shutdown.cancel();
    running.await
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
