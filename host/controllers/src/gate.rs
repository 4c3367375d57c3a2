//! The gate that every write passes: open while this process leads, shut otherwise, by its own monotonic clock.
//!
//! Knows nothing of Leases. A process that was paused, or whose renewals are not answered, finds the gate shut without anybody having to
//! shut it: a term ends by itself.

use crate::cluster_api::ApiError;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

/// Whether this process may write; clones are the same gate.
#[derive(Debug, Clone)]
pub struct WriteGate(Arc<Gate>);

#[derive(Debug)]
struct Gate {
    term: watch::Sender<Term>,
    in_flight: watch::Sender<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Term {
    /// There is no election.
    Always,
    NotYet,
    Until(Instant),
    /// What was sent may end until then; nothing more is sent.
    Closing(Instant),
    Over,
}

/// What this process is among those that could write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// It waits for its turn.
    Standby,
    /// It writes.
    Leader,
    /// It led, and must not write any more.
    Deposed,
}

impl Default for WriteGate {
    /// A gate that is always open: for processes that are the only ones.
    fn default() -> Self {
        Self::new(Term::Always)
    }
}

impl WriteGate {
    fn new(term: Term) -> Self {
        Self(Arc::new(Gate { term: watch::Sender::new(term), in_flight: watch::Sender::new(0) }))
    }

    /// A gate that is shut until a term begins.
    pub fn shut() -> Self {
        Self::new(Term::NotYet)
    }

    /// Begins or prolongs the term.
    pub fn open_until(&self, end: Instant) {
        self.0.term.send_replace(Term::Until(end));
    }

    /// Ends the term: nothing is sent any more, and who waits for an answer is told so.
    pub fn close(&self) {
        self.0.term.send_replace(Term::Over);
    }

    /// Lets nothing more pass and waits for the answers to what was sent, at most until the term ends; then closes.
    pub async fn drain(&self) {
        self.0.term.send_modify(|term| {
            *term = match *term {
                Term::Always => Term::Closing(Instant::now() + std::time::Duration::from_secs(5)),
                Term::Until(end) => Term::Closing(end),
                other => other,
            };
        });
        let mut in_flight = self.0.in_flight.subscribe();
        tokio::select! {
            _ = in_flight.wait_for(|count| *count == 0) => {}
            () = self.ended() => {}
        }
        self.close();
    }

    /// What this process is now.
    pub fn role(&self) -> Role {
        match *self.0.term.borrow() {
            Term::Always => Role::Leader,
            Term::Until(end) if Instant::now() < end => Role::Leader,
            Term::NotYet => Role::Standby,
            Term::Until(_) | Term::Closing(_) | Term::Over => Role::Deposed,
        }
    }

    /// Does a write if the gate is open, and gives it up when the term ends meanwhile.
    ///
    /// # Errors
    /// [`ApiError::NotLeading`] when nothing was sent, or when the answer was not waited for.
    pub async fn write<T>(&self, write: impl Future<Output = Result<T, ApiError>>) -> Result<T, ApiError> {
        // Counted first: who drains the gate must see it, or it must see that the gate is shut.
        let _counted = InFlight::enter(self);
        if self.role() != Role::Leader {
            return Err(ApiError::NotLeading);
        }
        let mut write = pin!(write);
        // The clock is looked at before each step: timers of a process that was paused may come later than what they should prevent.
        let guarded = poll_fn(|context| match self.has_ended() {
            true => Poll::Ready(Err(ApiError::NotLeading)),
            false => write.as_mut().poll(context),
        });
        tokio::select! {
            biased;
            () = self.ended() => Err(ApiError::NotLeading),
            result = guarded => result,
        }
    }

    fn has_ended(&self) -> bool {
        match *self.0.term.borrow() {
            Term::Always => false,
            Term::Until(end) | Term::Closing(end) => Instant::now() >= end,
            Term::NotYet | Term::Over => true,
        }
    }

    /// Waits until what was sent must not be waited for any more.
    async fn ended(&self) {
        let mut term = self.0.term.subscribe();
        loop {
            let end = match *term.borrow_and_update() {
                Term::Always => None,
                Term::Until(end) | Term::Closing(end) if Instant::now() < end => Some(end),
                _ => return,
            };
            tokio::select! {
                changed = term.changed() => if changed.is_err() { return },
                () = sleep_until(end.unwrap_or_else(Instant::now)), if end.is_some() => {}
            }
        }
    }
}

/// One write on its way.
struct InFlight<'a>(&'a WriteGate);

impl<'a> InFlight<'a> {
    fn enter(gate: &'a WriteGate) -> Self {
        gate.0.in_flight.send_modify(|count| *count += 1);
        Self(gate)
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.0.in_flight.send_modify(|count| *count -= 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use tokio::time::sleep;

    const SECOND: Duration = Duration::from_secs(1);

    async fn takes(time: Duration) -> Result<&'static str, ApiError> {
        sleep(time).await;
        Ok("written")
    }

    fn is_refused<T>(result: &Result<T, ApiError>) -> bool {
        matches!(result, Err(ApiError::NotLeading))
    }

    #[tokio::test(start_paused = true)]
    async fn a_write_passes_only_within_a_term() {
        let gate = WriteGate::shut();
        assert_eq!(gate.role(), Role::Standby);
        assert!(is_refused(&gate.write(takes(SECOND)).await));
        gate.open_until(Instant::now() + 10 * SECOND);
        assert_eq!(gate.role(), Role::Leader);
        assert_eq!(gate.write(takes(SECOND)).await.ok(), Some("written"));
        sleep(9 * SECOND).await;
        assert_eq!(gate.role(), Role::Deposed);
        assert!(is_refused(&gate.write(takes(Duration::ZERO)).await));
    }

    #[tokio::test(start_paused = true)]
    async fn a_write_on_its_way_is_given_up_when_the_term_ends_unless_it_is_prolonged() {
        let gate = WriteGate::shut();
        let start = Instant::now();
        gate.open_until(start + 10 * SECOND);
        assert!(is_refused(&gate.write(takes(60 * SECOND)).await));
        assert_eq!(start.elapsed(), 10 * SECOND);
        gate.open_until(start + 20 * SECOND);
        let prolong = async {
            sleep(5 * SECOND).await;
            gate.open_until(start + 40 * SECOND);
        };
        let (written, ()) = tokio::join!(gate.write(takes(15 * SECOND)), prolong);
        assert_eq!(written.ok(), Some("written"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_gate_that_is_drained_waits_for_what_was_sent_and_lets_nothing_more_pass() {
        let gate = WriteGate::shut();
        let start = Instant::now();
        gate.open_until(start + 10 * SECOND);
        let late = async {
            sleep(SECOND).await;
            gate.write(takes(SECOND)).await
        };
        let drain = async {
            sleep(Duration::from_millis(500)).await;
            gate.drain().await;
            start.elapsed()
        };
        let (written, late, drained) = tokio::join!(gate.write(takes(3 * SECOND)), late, drain);
        assert_eq!((written.ok(), is_refused(&late), drained), (Some("written"), true, 3 * SECOND));
    }

    #[tokio::test(start_paused = true)]
    async fn without_an_election_the_gate_is_open() {
        assert_eq!(WriteGate::default().write(takes(86_400 * SECOND)).await.ok(), Some("written"));
    }
}
