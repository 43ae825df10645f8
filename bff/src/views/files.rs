//! The view files below a folder, and every other file that the checks read.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use compose::problem::File;

use super::load_error::Fault;

/// Folders within folders; what lies deeper was hardly written by hand.
const MAX_DEPTH: usize = 8;

/// The view files and fragments of a folder and of the folders in it, in the order of their paths.
pub(super) fn view_files(dir: &Path, faults: &mut Vec<Fault>) -> Vec<Arc<File>> {
    let mut found = Found { paths: Vec::new(), seen: BTreeSet::new() };
    if let Err(error) = found.folder(dir, 0, faults) {
        let message = format!("views.dir: cannot read the folder {}: {error}", dir.display());
        faults.push(Fault::file(dir, message, "create it, or write in `views.dir` where the view files are"));
    }
    found.paths.sort();
    found.paths.iter().filter_map(|path| read(path, faults)).collect()
}

struct Found {
    paths: Vec<PathBuf>,
    /// As links lead to them: each folder is read once, so links in a circle end.
    seen: BTreeSet<PathBuf>,
}

impl Found {
    fn folder(&mut self, dir: &Path, depth: usize, faults: &mut Vec<Fault>) -> io::Result<()> {
        if !self.seen.insert(dir.canonicalize()?) {
            return Ok(());
        }
        let entries = std::fs::read_dir(dir)?.collect::<io::Result<Vec<_>>>()?;
        let mut paths: Vec<PathBuf> =
            entries.iter().filter(|entry| !is_hidden(&entry.file_name())).map(std::fs::DirEntry::path).collect();
        paths.sort();
        for path in paths {
            match (path.is_dir(), is_yaml(&path)) {
                (true, true) => faults.push(Fault::file(
                    &path,
                    format!("{} is a folder", path.display()),
                    "name it without `.yaml`; the view files in a folder are read too",
                )),
                (true, false) if depth == MAX_DEPTH => faults.push(Fault::file(
                    &path,
                    format!("{} lies deeper than {MAX_DEPTH} folders", path.display()),
                    "move it up",
                )),
                (true, false) => {
                    if let Err(error) = self.folder(&path, depth + 1, faults) {
                        let message = format!("cannot read the folder {}: {error}", path.display());
                        faults.push(Fault::file(&path, message, "allow this server to read it, or move it away"));
                    }
                }
                (false, true) => self.paths.push(path),
                (false, false) => {}
            }
        }
        Ok(())
    }
}

/// What editors save for themselves is not meant for anybody else.
fn is_hidden(name: &std::ffi::OsStr) -> bool {
    name.as_encoded_bytes().starts_with(b".")
}

fn is_yaml(path: &Path) -> bool {
    path.extension()
        .is_some_and(|extension| extension.eq_ignore_ascii_case("yaml") || extension.eq_ignore_ascii_case("yml"))
}

/// The text of a file, or none and a fault.
pub(super) fn read(path: &Path, faults: &mut Vec<Fault>) -> Option<Arc<File>> {
    let name = path.display().to_string();
    match bytes(path).map(String::from_utf8) {
        Ok(Ok(text)) => return Some(Arc::new(File { name, text })),
        Ok(Err(error)) => {
            let valid = error.as_bytes().iter().take(error.utf8_error().valid_up_to());
            let line = valid.filter(|byte| **byte == b'\n').count() + 1;
            faults.push(Fault::file(path, format!("{name} is not UTF-8 in line {line}"), "save it as UTF-8"));
        }
        Err(error) => faults.push(Fault::file(path, format!("cannot read {name}: {error}"), help(path, &error))),
    }
    None
}

fn help(path: &Path, error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::NotFound if path.is_symlink() => "it is a link to nothing: mend it or remove it",
        io::ErrorKind::NotFound => "write it, or write the name of another",
        io::ErrorKind::PermissionDenied => "allow this server to read it",
        _ => "put a regular file in its place, or remove it",
    }
}

/// What a regular file holds. Others, a pipe for one, may never end, or wait for ever.
pub(super) fn bytes(path: &Path) -> io::Result<Vec<u8>> {
    if path.metadata()?.is_file() { std::fs::read(path) } else { Err(io::Error::other("it is no regular file")) }
}
