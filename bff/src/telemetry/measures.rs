//! Every metric of the server, and the page on which Prometheus reads them.

use std::time::Duration;

use metrics::{Recorder, Unit};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder};
use tokio::time::{MissedTickBehavior, interval};

/// The measures of one server, in Prometheus's text format.
#[derive(Clone)]
pub struct Exposition(PrometheusHandle);

/// The names are a contract with dashboards and alerts: add, never rename.
const COUNTERS: [(&str, &str); 16] = [
    ("bff_http_requests_total", "Requests answered, by the route's template; `none` for a path without a route"),
    ("bff_upstream_calls_total", "Calls to services, by how they ended: `ok`, or gRPC's name of the error"),
    (
        "bff_contract_violations_total",
        "Replies that break the contract of their operation, so that they count as failures",
    ),
    ("bff_retries_total", "Further tries of calls that a service did not answer"),
    ("bff_retries_spent_total", "Tries that would have helped but were not made, because too many calls were tries"),
    ("bff_hedges_total", "Second tries that began while the first was under way"),
    ("bff_upstream_refused_total", "Calls that were not made: the service is left alone, or busy with too many"),
    ("bff_upstream_ejections_total", "Times that an address of a service was given a rest"),
    ("bff_cache_requests_total", "Calls that were answered without asking the service once more"),
    ("bff_view_partial_total", "Answers that miss an optional part, by the call that has no reply and why"),
    ("bff_shed_total", "Requests refused because the server has as many to answer as it may"),
    ("bff_rate_limited_total", "Requests refused because the caller sends too many"),
    ("bff_auth_events_total", "What was asked of accounts and sessions, by how it ended"),
    ("bff_messages_total", "Mails and text messages, by what became of them"),
    ("bff_events_published_total", "Events that were taken from the outbox to their listeners"),
    ("bff_events_dropped_total", "Events of refused logins that were lost because too many waited"),
];

const GAUGES: [(&str, &str); 8] = [
    ("bff_http_in_flight", "Requests that are being answered"),
    ("bff_streams_open", "Streams, WebSockets, uploads and downloads that are open"),
    ("bff_upstream_in_flight", "Calls and streams that a service is busy with"),
    ("bff_upstream_connections", "Open connections to a service"),
    ("bff_breaker_state", "0 while a service is called, 1 while a few calls try it, 2 while it is left alone"),
    ("bff_password_queue_depth", "Password checks that wait for a free core"),
    ("bff_degraded", "1 while a part that the server relies on is away"),
    ("bff_outbox_lag_seconds", "How old the oldest event was when this replica last looked for events to publish"),
];

const DURATIONS: [(&str, &str); 2] = [
    ("bff_http_request_duration_seconds", "From a request's head to its answer's head"),
    ("bff_upstream_call_duration_seconds", "From a call to its reply"),
];

/// Half a millisecond, which a cached answer takes, to the ten seconds nobody waits for.
const SECONDS: [f64; 14] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// How long samples of durations pile up before they are put into their buckets.
const UPKEEP: Duration = Duration::from_secs(5);

/// Where a server's measures go, and where they are read.
pub fn recorder() -> (PrometheusRecorder, Exposition) {
    let durations = DURATIONS.iter().fold(PrometheusBuilder::new(), |builder, (name, _)| {
        let matcher = Matcher::Full((*name).to_owned());
        builder.set_buckets_for_metric(matcher, &SECONDS).expect("there are buckets")
    });
    let recorder = durations.build_recorder();
    for (name, help) in COUNTERS {
        recorder.describe_counter(name.into(), None, help.into());
    }
    for (name, help) in GAUGES {
        recorder.describe_gauge(name.into(), None, help.into());
    }
    for (name, help) in DURATIONS {
        recorder.describe_histogram(name.into(), Some(Unit::Seconds), help.into());
    }
    let exposition = Exposition(recorder.handle());
    (recorder, exposition)
}

impl Exposition {
    pub fn text(&self) -> String {
        self.0.render()
    }

    /// Keeps what piles up small, whether or not anybody reads it. Never ends.
    pub async fn keep_up(&self) {
        let mut ticks = interval(UPKEEP);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            self.0.run_upkeep();
        }
    }
}
