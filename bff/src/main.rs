//! The command line: which configuration, and what to do with it.

use std::io::{self, ErrorKind, Write, stderr, stdout};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::ExitCode;
use std::thread::available_parallelism;

use bff::app::{Audience, SigningAlgorithm};
use bff::clock::Clock;
use bff::{app, config, telemetry};
use clap::{Parser, Subcommand};
use tokio::runtime::{Builder, Runtime};
use tokio::signal::ctrl_c;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::task::TaskTracker;

/// A request is many small objects that live as long as it does.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A backend-for-frontend server: declared views, checked at start-up.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
    /// A configuration file; later ones win. Without any: config/bff.toml, or the built-in defaults.
    #[arg(long = "config", value_name = "FILE", global = true)]
    files: Vec<PathBuf>,
}

#[derive(Subcommand)]
enum Command {
    /// Run the server.
    Serve,
    /// Run the server for development, and say after every save what is wrong with the views.
    Dev,
    /// Load and check everything, start nothing.
    Check,
    /// Write a first version of a view from the contracts; without operations, list them.
    New {
        view: Option<String>,
        /// As in orders/orders.v1.OrderService.GetOrder.
        operations: Vec<String>,
    },
    /// Draw the calls of a view as they start, and say of each why, or where one value of its answer comes from.
    Explain {
        view: String,
        /// A JSON pointer into the answer, as in /orders/0/total.
        pointer: Option<String>,
        /// Of one of its variants.
        #[arg(long, value_name = "NAME")]
        variant: Option<String>,
    },
    /// Print the JSON Schema of view files, which tells editors the keys and what they mean.
    Schema,
    /// Print what the server answers, as it serves it at /openapi.json.
    Openapi,
    /// Fetch what the services promise.
    #[command(subcommand)]
    Contracts(Contracts),
    /// Bring the tables of the database up to date.
    Migrate,
    /// Add the accounts an installation starts with: the first admin; in development the demo's too.
    Seed,
    /// Show or turn the keys that sign tokens.
    #[command(subcommand)]
    Keys(Keys),
    /// Ask the server that runs here whether it lives: the health check of a container.
    Healthz,
}

#[derive(Subcommand)]
enum Keys {
    /// Show every key, what it does and until when.
    List,
    /// Have the next keys sign now instead of when it is their time.
    Rotate {
        /// ES256, RS256, PS256 or EdDSA; all that are kept unless set.
        #[arg(long)]
        algorithm: Option<SigningAlgorithm>,
    },
    /// Make a key that others may know worthless, and every token that it signed.
    Revoke { kid: String },
}

#[derive(Subcommand)]
enum Contracts {
    /// Write a source's contract to the file that the source reads: its gRPC descriptors, or an OpenAPI document.
    Pull {
        source: String,
        /// Where the OpenAPI document is: a URL, or a path of the source's HTTP address.
        #[arg(long, value_name = "URL")]
        from: Option<String>,
        /// Write nothing; fail if the file is not what the service has now.
        #[arg(long)]
        check: bool,
    },
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    // On a worker, not on the thread that waits for it: what accepts and what keeps time would wake that one every time.
    let done = async { TaskTracker::new().spawn(run(arguments)).await? };
    match runtime().map_err(Into::into).and_then(|runtime| runtime.block_on(done)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Whoever closed the other end does not listen.
            drop(writeln!(stderr(), "{error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// Where there is one core, threads that hand work to each other would only cost.
fn runtime() -> io::Result<Runtime> {
    let cores = available_parallelism().map_or(1, NonZeroUsize::get);
    let mut runtime = if cores == 1 { Builder::new_current_thread() } else { Builder::new_multi_thread() };
    runtime.enable_all().build()
}

async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let pairs = std::env::vars_os().filter_map(|(name, text)| name.into_string().ok().zip(text.into_string().ok()));
    let develops = matches!(arguments.command, Command::Dev);
    let development = develops.then(|| DEVELOPMENT.map(|(name, text)| (name.to_owned(), text.to_owned())));
    let config = config::load(&arguments.files, &pairs.chain(development.into_iter().flatten()).collect())?;
    app::install_crypto();
    let telemetry = telemetry::install(&config.telemetry, config.is_production())?;
    match arguments.command {
        Command::Serve | Command::Dev => {
            let audience = if develops { Audience::Author } else { Audience::Log };
            let hangups = signal(SignalKind::hangup())?;
            let served = app::run(config, Clock::system(), audience, stop_signal(), hangups).await;
            telemetry.flush().await;
            served?;
        }
        Command::Check => print(&app::check(&config)?)?,
        Command::New { view, operations } => {
            print(&app::new_view(&config, view.as_deref(), &operations)?)?;
        }
        Command::Explain { view, pointer, variant } => {
            print(&app::explain(&config, &view, pointer.as_deref(), variant.as_deref())?)?;
        }
        Command::Schema => print(app::schema())?,
        Command::Openapi => print(&app::openapi(&config)?)?,
        Command::Contracts(Contracts::Pull { source, from, check }) => {
            let pulled = app::pull(&config, &source, from.as_deref()).await?;
            let told = if check { pulled.check()? } else { pulled.write()? };
            print(&told)?;
        }
        Command::Migrate => app::migrate(&config).await?,
        Command::Seed => print(&app::seed(&config, Clock::system()).await?.to_string())?,
        Command::Keys(Keys::List) => print(&app::list_keys(&config, Clock::system()).await?.to_string())?,
        Command::Keys(Keys::Rotate { algorithm }) => {
            let turned = app::rotate_keys(&config, Clock::system(), algorithm).await?;
            print(&turned.iter().map(ToString::to_string).collect::<String>())?;
        }
        Command::Keys(Keys::Revoke { kid }) => {
            print(&app::revoke_key(&config, Clock::system(), &kid).await?.to_string())?;
        }
        Command::Healthz => app::probe(&config).await?,
    }
    Ok(())
}

/// Whoever reads no further, as `head` does, has had enough.
fn print(text: &str) -> io::Result<()> {
    match stdout().write_all(text.as_bytes()).and_then(|()| stdout().flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        done => done,
    }
}

/// What `bff dev` sets, whatever else does.
const DEVELOPMENT: [(&str, &str); 2] = [("BFF__ENVIRONMENT", "development"), ("BFF__VIEWS__WATCH", "on")];

async fn stop_signal() -> io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        interrupted = ctrl_c() => interrupted,
        _ = terminate.recv() => Ok(()),
    }
}
