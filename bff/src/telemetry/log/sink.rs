//! Log lines on their way to the standard error: gathered for a moment, because a busy server would spend more time on a
//! system call for each line than on its words. What warns goes out at once, with everything before it.

use std::io::{self, Write, stderr};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use tracing::{Level, Metadata};
use tracing_subscriber::fmt::MakeWriter;

/// Where all lines of the process go.
#[derive(Clone, Default)]
pub struct Sink(Arc<Shared>);

#[derive(Default)]
struct Shared {
    gathered: Mutex<Gathered>,
    /// There is something to write.
    begun: Condvar,
}

#[derive(Default)]
struct Gathered {
    lines: Vec<u8>,
    /// The writer sleeps until something is gathered.
    sleeps: bool,
}

/// One line's way into the sink.
pub struct Entry<'a> {
    sink: &'a Shared,
    urgent: bool,
}

/// How late a line may be.
const PAUSE: Duration = Duration::from_millis(50);
/// Whoever gathers more writes it.
const MAX_BYTES: usize = 32 * 1024;

impl Sink {
    /// The sink, and a thread that empties it for as long as the process lives.
    pub fn open() -> io::Result<Self> {
        let sink = Self::default();
        let Self(shared) = sink.clone();
        thread::Builder::new().name("log".to_owned()).spawn(move || shared.empty_forever())?;
        Ok(sink)
    }

    pub fn flush(&self) {
        self.0.lock().write_out();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Gathered> {
        self.gathered.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn empty_forever(&self) {
        loop {
            let mut gathered = self.lock();
            while gathered.lines.is_empty() {
                gathered.sleeps = true;
                gathered = self.begun.wait(gathered).unwrap_or_else(PoisonError::into_inner);
            }
            drop(gathered);
            // As long as there are lines it looks for more by itself, so that nobody who writes one has to wake it.
            while self.wrote_after_a_pause() {}
        }
    }

    fn wrote_after_a_pause(&self) -> bool {
        thread::sleep(PAUSE);
        let mut gathered = self.lock();
        let has_lines = !gathered.lines.is_empty();
        gathered.write_out();
        has_lines
    }
}

impl Gathered {
    /// Under the lock, so that lines stay in order. Nobody can be told if nobody reads them.
    fn write_out(&mut self) {
        if self.lines.is_empty() {
            return;
        }
        let _ = stderr().write_all(&self.lines);
        self.lines.clear();
    }
}

impl Write for Entry<'_> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut gathered = self.sink.lock();
        gathered.lines.extend_from_slice(line);
        if self.urgent || gathered.lines.len() >= MAX_BYTES {
            gathered.write_out();
        } else if std::mem::take(&mut gathered.sleeps) {
            self.sink.begun.notify_one();
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.sink.lock().write_out();
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Sink {
    type Writer = Entry<'a>;

    fn make_writer(&'a self) -> Entry<'a> {
        Entry { sink: &self.0, urgent: true }
    }

    fn make_writer_for(&'a self, metadata: &Metadata<'_>) -> Entry<'a> {
        Entry { sink: &self.0, urgent: *metadata.level() <= Level::WARN }
    }
}
