//! Counts what plugins do: calls by hook and result, how long they take, how much memory they use.
//!
//! Plain numbers; how they are exported is somebody else's business. Never labelled with an object or a namespace.

use flotilla_api::interpretation::{ErrorClass, Operation};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Upper bounds of the duration buckets, in microseconds; a last bucket takes what is above.
pub const BUCKETS: [u64; 12] = [5, 10, 20, 50, 100, 200, 500, 1_000, 5_000, 20_000, 50_000, 200_000];

/// Results of calls, in the order in which they are counted.
const RESULTS: [Option<ErrorClass>; 10] = [
    None,
    Some(ErrorClass::NoInterpreter),
    Some(ErrorClass::InvalidObject),
    Some(ErrorClass::PluginFailed),
    Some(ErrorClass::Deadline),
    Some(ErrorClass::Memory),
    Some(ErrorClass::Trap),
    Some(ErrorClass::BadOutput),
    Some(ErrorClass::UndeclaredWrite),
    Some(ErrorClass::NotLoaded),
];

/// Counters of one plugin.
#[derive(Debug, Default)]
pub struct Counters {
    hooks: [HookCounters; 8],
    memory: AtomicU64,
}

#[derive(Debug, Default)]
struct HookCounters {
    results: [AtomicU64; RESULTS.len()],
    remembered: AtomicU64,
    nanoseconds: AtomicU64,
    buckets: [AtomicU64; BUCKETS.len() + 1],
}

/// The counters of one hook at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HookMetrics {
    /// The hook.
    pub operation: Operation,
    /// Calls by result, `ok` or an [`ErrorClass`]; those that never happened are left out.
    pub results: Vec<(&'static str, u64)>,
    /// Questions that were answered without a call.
    pub remembered: u64,
    /// Time of all calls together.
    pub total: Duration,
    /// Calls by duration, cumulated over [`BUCKETS`] and infinity.
    pub buckets: Vec<u64>,
}

impl Counters {
    pub(crate) fn called(&self, operation: Operation, result: Option<ErrorClass>, took: Duration, memory: usize) {
        let hook = &self.hooks[operation as usize];
        let at = RESULTS.iter().position(|known| *known == result).expect("all classes are listed");
        hook.results[at].fetch_add(1, Ordering::Relaxed);
        hook.nanoseconds.fetch_add(took.as_nanos() as u64, Ordering::Relaxed);
        let micros = took.as_nanos().div_ceil(1_000) as u64;
        let bucket = BUCKETS.iter().position(|bound| micros <= *bound).unwrap_or(BUCKETS.len());
        hook.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        self.memory.fetch_max(memory as u64, Ordering::Relaxed);
    }

    pub(crate) fn remembered(&self, operation: Operation) {
        self.hooks[operation as usize].remembered.fetch_add(1, Ordering::Relaxed);
    }

    /// Most linear memory that a call used, in bytes.
    pub fn memory(&self) -> u64 {
        self.memory.load(Ordering::Relaxed)
    }

    /// Calls of one hook, whatever came out.
    pub fn calls(&self, operation: Operation) -> u64 {
        self.hooks[operation as usize].results.iter().map(|count| count.load(Ordering::Relaxed)).sum()
    }

    /// Hooks that were asked at least once.
    pub fn hooks(&self) -> Vec<HookMetrics> {
        let metrics = Operation::ALL.map(|operation| self.hooks[operation as usize].read(operation));
        metrics.into_iter().filter(|hook| hook.remembered > 0 || !hook.results.is_empty()).collect()
    }
}

impl HookCounters {
    fn read(&self, operation: Operation) -> HookMetrics {
        let results = RESULTS
            .iter()
            .zip(&self.results)
            .map(|(result, count)| (result.map_or("ok", ErrorClass::as_str), count.load(Ordering::Relaxed)));
        let cumulated = self.buckets.iter().scan(0, |sum, count| {
            *sum += count.load(Ordering::Relaxed);
            Some(*sum)
        });
        HookMetrics {
            operation,
            results: results.filter(|(_, count)| *count > 0).collect(),
            remembered: self.remembered.load(Ordering::Relaxed),
            total: Duration::from_nanos(self.nanoseconds.load(Ordering::Relaxed)),
            buckets: cumulated.collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_counted_by_hook_and_result() {
        let counters = Counters::default();
        counters.called(Operation::Retain, None, Duration::from_micros(7), 65_536);
        counters.called(Operation::Retain, Some(ErrorClass::Deadline), Duration::from_millis(60), 131_072);
        counters.remembered(Operation::Retain);
        let hooks = counters.hooks();
        assert_eq!(hooks.len(), 1, "only hooks that were asked are told");
        assert_eq!(hooks[0].results, [("ok", 1), ("Deadline", 1)]);
        assert_eq!((hooks[0].remembered, hooks[0].buckets[1], hooks[0].buckets[12]), (1, 1, 2));
        assert_eq!((counters.memory(), counters.calls(Operation::Retain)), (131_072, 2));
    }
}
