//! Files that are saved while the server runs: each save asks for a reload, once the disk is quiet again.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout, timeout_at};

use super::{Loader, Reloader};

/// What to watch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Watched {
    folder: PathBuf,
    mode: RecursiveMode,
    /// A file of interest that is not called as views and contracts usually are.
    odd: Option<PathBuf>,
}

/// Editors and generators save in several steps, and several files at once.
const QUIET: Duration = Duration::from_millis(100);
const PATIENCE: Duration = Duration::from_secs(1);
/// Beyond that one save looks like another.
const MAX_CHANGES: usize = 256;
const MAX_NAMES: usize = 4;
const EXTENSIONS: [&str; 5] = ["yaml", "yml", "json", "proto", "binpb"];

impl Loader {
    /// The folder of the views, and what the sources' contracts are read from.
    pub fn watched(&self) -> Vec<Watched> {
        let whole = |folder: &String| Watched { folder: folder.into(), mode: RecursiveMode::Recursive, odd: None };
        // A file that is replaced is another file to the system: its folder tells, and of those that it refers to.
        let file = |path: &String| Watched {
            folder: Path::new(path).parent().filter(|folder| *folder != "").unwrap_or(Path::new(".")).to_owned(),
            mode: RecursiveMode::NonRecursive,
            odd: Path::new(path).file_name().map(PathBuf::from).filter(|name| !is_usual(name)),
        };
        let sources = self.settings.values();
        let contracts = sources.flat_map(|source| {
            let files = [source.descriptors.as_ref(), source.openapi.as_ref()].into_iter().flatten().map(file);
            files.chain(source.protos.iter().map(whole))
        });
        let mut watched = vec![whole(&self.config.dir)];
        for one in contracts {
            if !watched.contains(&one) {
                watched.push(one);
            }
        }
        watched
    }
}

/// Reloads after every save. What cannot be watched is said once, and the rest is.
pub async fn watch(watched: Vec<Watched>, reloader: Reloader) {
    let (sender, mut changes) = mpsc::channel(MAX_CHANGES);
    // Held for as long as somebody listens; looking through folders takes a while.
    let _watchers = tokio::task::spawn_blocking(move || -> Vec<RecommendedWatcher> {
        watched.into_iter().filter_map(|one| begin(one, sender.clone())).collect()
    })
    .await;
    while let Some(first) = changes.recv().await {
        let mut names = BTreeSet::from([first]);
        let enough = Instant::now() + PATIENCE;
        while let Ok(Ok(Some(name))) = timeout_at(enough, timeout(QUIET, changes.recv())).await {
            names.insert(name);
        }
        let more = names.len().saturating_sub(MAX_NAMES);
        let mut names: Vec<String> = names.into_iter().take(MAX_NAMES).collect();
        names.extend((more > 0).then(|| format!("{more} more")));
        reloader.reload(names.join(", ")).await;
    }
}

fn begin(watched: Watched, changes: mpsc::Sender<String>) -> Option<RecommendedWatcher> {
    let Watched { folder, mode, odd } = watched;
    let path = folder.clone();
    let handle = move |event: notify::Result<Event>| {
        // A full channel holds a change already, and a reload reads everything.
        let Ok(event) = event else { return drop(changes.try_send(folder.display().to_string())) };
        for name in changed(&event, odd.as_deref()) {
            drop(changes.try_send(name));
        }
    };
    let watcher = notify::recommended_watcher(handle).and_then(|mut watcher| {
        watcher.watch(&path, mode)?;
        Ok(watcher)
    });
    let warn = |error: &notify::Error| {
        let path = path.display();
        tracing::warn!(%path, %error, "cannot watch: what is saved here needs SIGHUP or POST /reload");
    };
    watcher.inspect_err(warn).ok()
}

/// The names of the files that the event is about, if their contents may be new.
fn changed(event: &Event, odd: Option<&Path>) -> Vec<String> {
    if let EventKind::Access(_) = event.kind {
        return Vec::new();
    }
    let names = event.paths.iter().filter_map(|path| path.file_name()).map(Path::new);
    let names = names.filter(|name| is_usual(name) || odd == Some(name));
    names.map(|name| name.display().to_string()).collect()
}

fn is_usual(name: &Path) -> bool {
    name.extension().is_some_and(|extension| EXTENSIONS.iter().any(|known| extension.eq_ignore_ascii_case(known)))
}
