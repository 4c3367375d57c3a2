//! Which reconciliations are due: each at most once at a time, failed ones later and later, timed ones when their time has come.
//! Nothing here reads a clock.

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::hash::Hash;
use std::time::{Duration, Instant};

const FIRST_DELAY: Duration = Duration::from_millis(5);
const LAST_DELAY: Duration = Duration::from_secs(10);

/// Work whose turn depends on what it is: what others build on is done before them, so that they need to look less often.
pub trait Ranked {
    /// 0 goes first; less than [`RANKS`].
    fn rank(&self) -> usize;
}

/// How many ranks there are.
pub const RANKS: usize = 3;

/// A queue of work items without duplicates.
#[derive(Debug)]
pub struct Queue<W> {
    ready: [VecDeque<W>; RANKS],
    waiting: HashSet<W>,
    running: HashSet<W>,
    timers: BTreeSet<(Instant, W)>,
    timed: HashMap<W, Instant>,
    failures: HashMap<W, u32>,
}

impl<W: Clone + Eq + Hash + Ord> Default for Queue<W> {
    fn default() -> Self {
        Self {
            ready: [const { VecDeque::new() }; RANKS],
            waiting: HashSet::new(),
            running: HashSet::new(),
            timers: BTreeSet::new(),
            timed: HashMap::new(),
            failures: HashMap::new(),
        }
    }
}

impl<W: Clone + Eq + Hash + Ord + Ranked> Queue<W> {
    /// Makes an item due now; if it is being worked on, due again afterwards.
    pub fn add(&mut self, work: W) {
        if self.waiting.insert(work.clone()) && !self.running.contains(&work) {
            self.ready[work.rank()].push_back(work);
        }
    }

    /// Makes an item due at `time`, or at the earlier time that was asked for before.
    pub fn add_at(&mut self, work: W, time: Instant) {
        match self.timed.get(&work) {
            Some(earlier) if *earlier <= time => return,
            Some(later) => {
                self.timers.remove(&(*later, work.clone()));
            }
            None => {}
        }
        self.timers.insert((time, work.clone()));
        self.timed.insert(work, time);
    }

    /// When the next timed item is due.
    pub fn next_timer(&self) -> Option<Instant> {
        self.timers.first().map(|(time, _)| *time)
    }

    /// Makes the timed items due whose time has come.
    pub fn tick(&mut self, now: Instant) {
        while self.next_timer().is_some_and(|time| time <= now) {
            let (_, work) = self.timers.pop_first().expect("looked up above");
            self.timed.remove(&work);
            self.add(work);
        }
    }

    /// Takes the next due item; it is being worked on until [`Queue::succeeded`] or [`Queue::failed`].
    pub fn take(&mut self) -> Option<W> {
        let work = self.ready.iter_mut().find_map(VecDeque::pop_front)?;
        self.waiting.remove(&work);
        self.running.insert(work.clone());
        Some(work)
    }

    /// Ends the work on an item.
    pub fn succeeded(&mut self, work: &W) {
        self.failures.remove(work);
        self.end(work);
    }

    /// Ends the work on an item that has to be tried again, after a delay that doubles with each failure in a row.
    pub fn failed(&mut self, work: &W, now: Instant) {
        let failures = self.failures.entry(work.clone()).or_insert(0);
        *failures += 1;
        let delay = FIRST_DELAY.saturating_mul(1 << (*failures - 1).min(20)).min(LAST_DELAY);
        self.end(work);
        self.add_at(work.clone(), now + delay);
    }

    fn end(&mut self, work: &W) {
        self.running.remove(work);
        if self.waiting.contains(work) {
            self.ready[work.rank()].push_back(work.clone());
        }
    }

    /// Forgets an item that will not come back.
    pub fn forget(&mut self, work: &W) {
        self.failures.remove(work);
        if let Some(time) = self.timed.remove(work) {
            self.timers.remove(&(time, work.clone()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Ranked for &str {
        fn rank(&self) -> usize {
            usize::from(self.starts_with('z'))
        }
    }

    #[test]
    fn lower_ranks_go_first() {
        let mut queue = Queue::default();
        ["z", "a", "b"].into_iter().for_each(|work| queue.add(work));
        assert_eq!([queue.take(), queue.take(), queue.take()], [Some("a"), Some("b"), Some("z")]);
    }

    #[test]
    fn an_item_is_worked_on_once_at_a_time_and_again_when_it_changed_meanwhile() {
        let mut queue = Queue::default();
        queue.add("a");
        queue.add("a");
        assert_eq!(queue.take(), Some("a"));
        queue.add("a");
        assert_eq!(queue.take(), None);
        queue.succeeded(&"a");
        assert_eq!(queue.take(), Some("a"));
        queue.succeeded(&"a");
        assert_eq!(queue.take(), None);
    }

    #[test]
    fn failures_wait_longer_and_longer_until_a_success() {
        let (mut queue, now) = (Queue::default(), Instant::now());
        for delay in [5, 10, 20] {
            queue.add("a");
            queue.take();
            queue.failed(&"a", now);
            assert_eq!(queue.next_timer(), Some(now + Duration::from_millis(delay)));
            queue.tick(now + Duration::from_secs(1));
            queue.take();
            queue.end(&"a");
        }
        queue.succeeded(&"a");
        queue.failed(&"a", now);
        assert_eq!(queue.next_timer(), Some(now + FIRST_DELAY));
    }

    #[test]
    fn the_earlier_of_two_times_counts() {
        let (mut queue, now) = (Queue::default(), Instant::now());
        queue.add_at("a", now + Duration::from_secs(5));
        queue.add_at("a", now + Duration::from_secs(2));
        queue.add_at("a", now + Duration::from_secs(9));
        queue.tick(now + Duration::from_secs(2));
        assert_eq!((queue.take(), queue.next_timer()), (Some("a"), None));
    }
}
