//! A wait for better news than there are: pure.

use std::time::Duration;
use tokio::time::Instant;

/// A wait that has begun. It may become longer while it lasts, when there is more to do; it never becomes shorter.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Patience {
    since: Instant,
    until: Instant,
}

impl Patience {
    /// Begins to wait.
    pub fn begin(now: Instant) -> Self {
        Self { since: now, until: now }
    }

    /// Waits this long in all, if it does not wait longer already.
    pub fn at_least(self, wait: Duration) -> Self {
        Self { until: self.until.max(self.since + wait), ..self }
    }

    /// When it ends.
    pub fn end(&self) -> Instant {
        self.until
    }

    /// How much longer; `None` when it is over.
    pub fn rest(&self, now: Instant) -> Option<Duration> {
        Some(self.until.saturating_duration_since(now)).filter(|rest| !rest.is_zero())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_wait_grows_but_does_not_shrink() {
        let begun = Instant::now();
        let seconds = Duration::from_secs;
        let patience = Patience::begin(begun).at_least(seconds(1)).at_least(seconds(5)).at_least(seconds(2));
        assert_eq!(patience.rest(begun + seconds(3)), Some(seconds(2)));
        assert_eq!(patience.rest(begun + seconds(5)), None);
        assert_eq!(Patience::begin(begun).rest(begun), None);
    }
}
