//! What a test can make an API server suffer. Holds the wishes; the server asks for them at each request.

use std::sync::Mutex;
use std::time::Duration;
use tokio::sync::watch;

/// How a server misbehaves; the default is that it does not.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Faults {
    /// Requests fail without an answer, and watches end.
    pub unreachable: bool,
    /// Each request waits this long first.
    pub latency: Duration,
    /// Writes are refused.
    pub read_only: bool,
    /// This share of the requests (0 to 1) answers 500, evenly spread.
    pub error_rate: f64,
}

/// The present faults of one server.
#[derive(Debug, Default)]
pub struct FaultState {
    faults: watch::Sender<Faults>,
    owed: Mutex<f64>,
}

impl FaultState {
    /// The present faults.
    pub fn get(&self) -> Faults {
        *self.faults.borrow()
    }

    /// Replaces the faults.
    pub fn set(&self, faults: Faults) {
        self.faults.send_replace(faults);
    }

    /// Wakes when the faults are replaced.
    pub fn subscribe(&self) -> watch::Receiver<Faults> {
        self.faults.subscribe()
    }

    /// Whether this request is one that fails: every `1/rate`-th.
    pub fn fails_now(&self, rate: f64) -> bool {
        let mut owed = self.owed.lock().expect("no code panics while it holds the faults");
        *owed += rate;
        if *owed >= 1.0 {
            *owed -= 1.0;
            return true;
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_rate_is_spread_evenly() {
        let state = FaultState::default();
        let failed: Vec<_> = (0..6).map(|_| state.fails_now(0.5)).collect();
        assert_eq!(failed, [false, true, false, true, false, true]);
        assert!(!state.fails_now(0.0));
    }
}
