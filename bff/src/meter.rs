//! Counters, gauges and histograms, handed to whoever measures, so that every server has its own.
//!
//! Finding a metric by its labels costs a look-up; its handle, once held, an atomic operation. Labels come from closed
//! sets alone (routes, views, operations, codes), never from what a client sends.

use std::fmt;
use std::sync::Arc;

pub use metrics::{Counter, Gauge, Histogram};

use metrics::{Key, Label, Level, Metadata, NoopRecorder, Recorder};

#[derive(Clone)]
pub struct Meter(Arc<dyn Recorder + Send + Sync>);

/// Names with their values.
pub type Labels<'a> = [(&'static str, &'a str)];

const METADATA: Metadata<'static> = Metadata::new("bff", Level::INFO, None);

impl Meter {
    pub fn new(recorder: impl Recorder + Send + Sync + 'static) -> Self {
        Self(Arc::new(recorder))
    }

    /// Measures nothing, for whoever only checks or prepares.
    pub fn none() -> Self {
        Self::new(NoopRecorder)
    }

    pub fn counter(&self, name: &'static str, labels: &Labels<'_>) -> Counter {
        self.0.register_counter(&key(name, labels), &METADATA)
    }

    pub fn gauge(&self, name: &'static str, labels: &Labels<'_>) -> Gauge {
        self.0.register_gauge(&key(name, labels), &METADATA)
    }

    pub fn histogram(&self, name: &'static str, labels: &Labels<'_>) -> Histogram {
        self.0.register_histogram(&key(name, labels), &METADATA)
    }
}

impl fmt::Debug for Meter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Meter")
    }
}

/// A gauge that is one higher for as long as this lives.
pub struct Raised(Gauge);

impl Raised {
    pub fn new(gauge: &Gauge) -> Self {
        gauge.increment(1.0);
        Self(gauge.clone())
    }
}

impl Drop for Raised {
    fn drop(&mut self) {
        self.0.decrement(1.0);
    }
}

fn key(name: &'static str, labels: &Labels<'_>) -> Key {
    let labels: Vec<Label> = labels.iter().map(|(name, value)| Label::new(*name, (*value).to_owned())).collect();
    Key::from_parts(name, labels)
}
