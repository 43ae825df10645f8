//! When the calls start and end at the latest, each taking all of its timeout.

use std::time::Duration;

use super::Call;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    pub start: Duration,
    pub end: Duration,
}

/// The span of every call, by index; none of one that waits for itself.
pub fn timeline(calls: &[Call]) -> Vec<Option<Span>> {
    let mut spans: Vec<Option<Span>> = vec![None; calls.len()];
    let is_ready = |i: usize, spans: &[Option<Span>]| calls[i].after.iter().all(|before| spans[before].is_some());
    while let Some(i) = (0..calls.len()).find(|i| spans[*i].is_none() && is_ready(*i, &spans)) {
        let start = calls[i].after.iter().filter_map(|before| Some(spans[before]?.end)).max().unwrap_or_default();
        spans[i] = Some(Span { start, end: start + calls[i].timeout });
    }
    spans
}

/// How long the calls may take altogether, those too that may fail, and the call that ends last.
pub fn longest_path(calls: &[Call]) -> Option<(Duration, usize)> {
    timeline(calls).into_iter().enumerate().filter_map(|(i, span)| Some((span?.end, i))).max()
}

/// The calls that end with this one, each starting as the one before it ends.
pub fn chain(last: usize, calls: &[Call]) -> Vec<usize> {
    let spans = timeline(calls);
    let mut chain = vec![last];
    let before =
        |i: usize| calls[i].after.iter().max_by_key(|before| (spans[*before].map(|s| s.end), usize::MAX - before));
    while let Some(i) = chain.last().copied().and_then(before).filter(|i| !chain.contains(i)) {
        chain.push(i);
    }
    chain.reverse();
    chain
}
