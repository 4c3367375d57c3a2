//! A work queue: each key at most once in the queue and at most once at work, failures spaced out, changes coalesced.
//!
//! Knows nothing of Kubernetes. A key that is added while it is at work runs again afterwards, so no change is lost.

use crate::metrics::Metrics;
use futures::FutureExt;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::fmt::Debug;
use std::future::Future;
use std::hash::Hash;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::time::Duration;
use tokio::sync::{Notify, Semaphore};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tracing::Instrument;
use tracing::field::Empty;

/// First wait after a failure; doubles with each further one.
const FIRST_BACKOFF: Duration = Duration::from_millis(50);
/// Keys that may wait before waits become longer: each as many more again.
const LOAD: usize = 32;
/// Windows become no more than so many times as long.
const WINDOW_STRETCH: u32 = 10;
/// Waits for what is on its way become no more than so many times as long.
const PATIENCE_STRETCH: u32 = 120;
/// Longest wait between two attempts.
const LONGEST_BACKOFF: Duration = Duration::from_secs(60);

/// What a reconcile wants next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Nothing until something changes.
    Wait,
    /// Again after this time, because time alone may change the answer.
    After(Duration),
}

/// How a debounced key waits: until nothing has changed for `quiet`, but never longer than `longest` in all.
#[derive(Debug, Clone, Copy)]
pub struct Window {
    /// Silence that ends the wait.
    pub quiet: Duration,
    /// End of the wait whatever happens.
    pub longest: Duration,
}

impl Window {
    /// The window of a queue in which so many keys wait: the more news there are, the more of them become one.
    fn under(self, load: usize) -> Self {
        let stretch = stretch(load).min(WINDOW_STRETCH);
        Self { quiet: self.quiet * stretch, longest: self.longest * stretch }
    }
}

/// How many times as long one waits when so many keys wait.
fn stretch(load: usize) -> u32 {
    u32::try_from(1 + load / LOAD).unwrap_or(u32::MAX)
}

/// The queue of one controller; clones share it.
pub struct WorkQueue<K> {
    shared: Arc<Shared<K>>,
}

impl<K> Clone for WorkQueue<K> {
    fn clone(&self) -> Self {
        Self { shared: self.shared.clone() }
    }
}

struct Shared<K> {
    state: Mutex<State<K>>,
    changed: Notify,
    finished: OnceLock<Finished<K>>,
}

type Finished<K> = Box<dyn Fn(&K) + Send + Sync>;

struct State<K> {
    items: HashMap<K, Item>,
    due: BinaryHeap<Reverse<(Instant, u64, K)>>,
    /// What was found at the start, the newest first: it waits until nothing else is due.
    found: BinaryHeap<(u64, K)>,
    sequence: u64,
}

#[derive(Default)]
struct Item {
    /// When it is to run; `None` while it only remembers its failures or is at work.
    due: Option<Instant>,
    /// Whether it is to run when nothing else is due.
    is_found: bool,
    /// When the wait that is going on began.
    since: Option<Instant>,
    /// Since when it is at work.
    running_since: Option<Instant>,
    failures: u32,
}

impl Item {
    fn is_running(&self) -> bool {
        self.running_since.is_some()
    }

    /// Since when it is at work, or could be.
    fn waiting_since(&self, now: Instant) -> Option<Instant> {
        let due = self.due.filter(|due| *due <= now || self.is_found).map(|due| self.since.unwrap_or(due));
        self.running_since.into_iter().chain(due).min()
    }
}

impl<K: Clone + Eq + Hash + Ord + Debug + Send + 'static> Default for WorkQueue<K> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K: Clone + Eq + Hash + Ord + Debug + Send + 'static> WorkQueue<K> {
    /// An empty queue.
    pub fn new() -> Self {
        let state = State { items: HashMap::new(), due: BinaryHeap::new(), found: BinaryHeap::new(), sequence: 0 };
        Self { shared: Arc::new(Shared { state: Mutex::new(state), changed: Notify::new(), finished: OnceLock::new() }) }
    }

    /// Runs the key as soon as a worker is free.
    pub fn add(&self, key: K) {
        self.schedule(key, Instant::now());
    }

    /// Runs the key when nothing else is due, greater `newness` first: for what is only found, not known to have changed.
    pub fn add_found(&self, key: K, newness: u64) {
        self.state().put_found(key, newness);
        self.shared.changed.notify_one();
    }

    /// Runs all of these keys as soon as workers are free.
    pub fn extend(&self, keys: impl IntoIterator<Item = K>) {
        keys.into_iter().for_each(|key| self.add(key));
    }

    /// Runs the key after `delay`, or earlier if it is already due earlier.
    pub fn add_after(&self, key: K, delay: Duration) {
        self.schedule(key, Instant::now() + delay);
    }

    /// Runs the key when it has been quiet for a while, longer when many keys wait: many changes become one run.
    pub fn add_settled(&self, key: K, window: Window) {
        let now = Instant::now();
        let mut state = self.state();
        let window = window.under(state.items.len());
        let item = state.items.entry(key.clone()).or_default();
        let since = *item.since.get_or_insert(now);
        let due = (now + window.quiet).min(since + window.longest);
        state.put(key, due);
        drop(state);
        self.shared.changed.notify_one();
    }

    /// How long to wait for what is on its way to these keys: so long that all that wait write no more often than a few would.
    pub fn under_load(&self, wait: Duration) -> Duration {
        wait * stretch(self.state().items.len()).min(PATIENCE_STRETCH)
    }

    /// Whether the key is at work, or will be as soon as a worker is free. One that has failed and will be tried again is not.
    pub fn is_imminent(&self, key: &K) -> bool {
        let now = Instant::now();
        let is_due = |item: &Item| item.is_found || item.due.is_some_and(|due| due <= now);
        let is_imminent = |item: &Item| item.is_running() || (item.failures == 0 && is_due(item));
        self.state().items.get(key).is_some_and(is_imminent)
    }

    /// Calls this after a key was at work, whatever came of it; to be set once, before [`WorkQueue::run`].
    pub fn when_finished(&self, listener: impl Fn(&K) + Send + Sync + 'static) {
        if self.shared.finished.set(Box::new(listener)).is_err() {
            tracing::error!("a queue has two listeners");
        }
    }

    /// How many keys wait or are at work.
    pub fn len(&self) -> usize {
        self.state().items.values().filter(|item| item.due.is_some() || item.is_running()).count()
    }

    /// How long the oldest key that is at work, or could be, has waited; 0 when there is none.
    pub fn oldest(&self) -> Duration {
        let now = Instant::now();
        let since = self.state().items.values().filter_map(|item| item.waiting_since(now)).min();
        since.map_or(Duration::ZERO, |since| now.duration_since(since))
    }

    /// Whether nothing waits and nothing is at work.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Runs keys until dropped, at most `concurrency` at a time. An error, or a panic, is logged and the key retried with growing
    /// waits.
    pub async fn run<F, R, E>(self, name: &'static str, concurrency: usize, metrics: Metrics, reconcile: F)
    where
        F: Fn(K) -> R + Send + Sync + 'static,
        R: Future<Output = Result<Next, E>> + Send + 'static,
        E: std::fmt::Display + Send + 'static,
    {
        let permits = Arc::new(Semaphore::new(concurrency));
        // Whatever is at work ends with this.
        let mut workers = JoinSet::new();
        loop {
            let permit = permits.clone().acquire_owned().await.expect("the semaphore is never closed");
            let key = self.next().await;
            while workers.try_join_next().is_some() {}
            // Of the level of what is logged in it: a filter that lets errors pass must not take the key from them.
            let span = tracing::error_span!("reconcile", controller = name, key = ?key, trace = Empty, since_change_ms = Empty);
            let (queue, metrics, work) = (self.clone(), metrics.clone(), reconcile(key.clone()));
            let run = async move {
                let started = Instant::now();
                let result = AssertUnwindSafe(work).catch_unwind().await;
                let result = result.map_or_else(|_| Err("it panicked".to_owned()), |result| result.map_err(|error| error.to_string()));
                let took = started.elapsed();
                metrics.reconciled(name, result.is_ok(), took);
                tracing::debug!(is_ok = result.is_ok(), took_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX), "reconciled");
                queue.finish(key.clone(), result);
                queue.shared.finished.get().into_iter().for_each(|listener| listener(&key));
                drop(permit);
            };
            workers.spawn(run.instrument(span));
        }
    }

    async fn next(&self) -> K {
        loop {
            let wait_until = {
                let mut state = self.state();
                match state.take_due(Instant::now()) {
                    Ok(key) => return key,
                    Err(next) => next,
                }
            };
            let changed = self.shared.changed.notified();
            match wait_until {
                None => changed.await,
                Some(due) => {
                    tokio::select! {
                        () = changed => {}
                        () = tokio::time::sleep_until(due) => {}
                    }
                }
            }
        }
    }

    fn finish(&self, key: K, result: Result<Next, String>) {
        let now = Instant::now();
        let mut state = self.state();
        let Some(item) = state.items.get_mut(&key) else { return };
        item.running_since = None;
        let wanted = match result {
            Ok(next) => {
                item.failures = 0;
                match next {
                    Next::Wait => None,
                    Next::After(delay) => Some(now + delay),
                }
            }
            Err(error) => {
                let delay = backoff(item.failures);
                item.failures = item.failures.saturating_add(1);
                if item.failures == 1 || item.failures.is_power_of_two() {
                    tracing::warn!(attempt = item.failures, retry_in = ?delay, error, "reconcile failed");
                }
                Some(now + delay)
            }
        };
        let due = match (item.due, wanted) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        match due {
            Some(due) => state.put_at(key, due),
            None => {
                state.items.remove(&key);
            }
        }
        drop(state);
        self.shared.changed.notify_one();
    }

    fn schedule(&self, key: K, due: Instant) {
        self.state().put_earlier(key, due);
        self.shared.changed.notify_one();
    }

    fn state(&self) -> MutexGuard<'_, State<K>> {
        self.shared.state.lock().expect("no code panics while it holds the queue")
    }
}

impl<K: Clone + Eq + Hash + Ord> State<K> {
    fn put_found(&mut self, key: K, newness: u64) {
        let now = Instant::now();
        let item = self.items.entry(key.clone()).or_default();
        if item.is_found {
            return;
        }
        if item.due.is_some() || item.is_running() {
            return self.put_earlier(key, now);
        }
        (item.due, item.since, item.is_found) = (Some(now), Some(now), true);
        self.found.push((newness, key));
    }

    fn put_earlier(&mut self, key: K, due: Instant) {
        let item = self.items.entry(key.clone()).or_default();
        if item.is_found || item.due.is_none_or(|current| due < current) {
            self.put(key, due);
        }
    }

    fn put(&mut self, key: K, due: Instant) {
        let item = self.items.entry(key.clone()).or_default();
        item.since.get_or_insert_with(Instant::now);
        if item.is_found || item.due != Some(due) {
            self.put_at(key, due);
        }
    }

    /// Sets the due time and, unless the key is at work, makes an entry for it; older entries of the key are void.
    fn put_at(&mut self, key: K, due: Instant) {
        let item = self.items.entry(key.clone()).or_default();
        (item.due, item.is_found) = (Some(due), false);
        if !item.is_running() {
            self.sequence += 1;
            self.due.push(Reverse((due, self.sequence, key)));
        }
    }

    /// The key that is due, or when the next one will be.
    fn take_due(&mut self, now: Instant) -> Result<K, Option<Instant>> {
        let mut next = None;
        while let Some(Reverse((due, _, key))) = self.due.peek() {
            let is_valid = self.items.get(key).is_some_and(|item| item.due == Some(*due) && !item.is_running() && !item.is_found);
            if is_valid && *due > now {
                next = Some(*due);
                break;
            }
            let Some(Reverse((_, _, key))) = self.due.pop() else { break };
            if is_valid {
                return Ok(self.start(key, now));
            }
        }
        while let Some((_, key)) = self.found.pop() {
            if self.items.get(&key).is_some_and(|item| item.is_found) {
                return Ok(self.start(key, now));
            }
        }
        Err(next)
    }

    fn start(&mut self, key: K, now: Instant) -> K {
        let item = self.items.get_mut(&key).expect("looked up before");
        *item = Item { failures: item.failures, running_since: Some(now), ..Item::default() };
        key
    }
}

fn backoff(failures: u32) -> Duration {
    FIRST_BACKOFF.saturating_mul(2u32.saturating_pow(failures.min(16))).min(LONGEST_BACKOFF)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::sync::mpsc;

    fn recorded(queue: &WorkQueue<&'static str>, concurrency: usize) -> mpsc::UnboundedReceiver<&'static str> {
        let (sender, receiver) = mpsc::unbounded_channel();
        tokio::spawn(queue.clone().run("test", concurrency, Metrics::default(), move |key| {
            let sender = sender.clone();
            async move {
                sender.send(key).expect("the test listens");
                Ok::<_, String>(Next::Wait)
            }
        }));
        receiver
    }

    #[tokio::test(start_paused = true)]
    async fn a_key_added_twice_runs_once() {
        let queue = WorkQueue::new();
        queue.add("web");
        queue.add("web");
        queue.add("db");
        let mut runs = recorded(&queue, 1);
        assert_eq!(runs.recv().await, Some("web"));
        assert_eq!(runs.recv().await, Some("db"));
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert!(runs.try_recv().is_err());
        assert!(queue.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn what_changed_goes_before_what_was_found_and_the_newest_of_that_first() {
        let queue = WorkQueue::new();
        for (key, newness) in [("old", 1), ("new", 9), ("edited", 5), ("middle", 4), ("old", 2)] {
            queue.add_found(key, newness);
        }
        queue.add_settled("edited", Window { quiet: Duration::ZERO, longest: Duration::ZERO });
        queue.add("news");
        assert_eq!((queue.len(), queue.is_imminent(&"old")), (5, true));
        let mut runs = recorded(&queue, 1);
        for expected in ["edited", "news", "new", "middle", "old"] {
            assert_eq!(runs.recv().await, Some(expected));
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert!(runs.try_recv().is_err());
        assert!(queue.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_key_added_while_at_work_runs_again() {
        let queue = WorkQueue::new();
        let (sender, mut runs) = mpsc::unbounded_channel();
        let handle = queue.clone();
        tokio::spawn(queue.clone().run("test", 4, Metrics::default(), move |key: &'static str| {
            let (sender, queue) = (sender.clone(), handle.clone());
            async move {
                if sender.send(key).is_ok() && queue.len() == 1 {
                    queue.add("other");
                    queue.add(key);
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
                Ok::<_, String>(Next::Wait)
            }
        }));
        queue.add("web");
        assert_eq!(runs.recv().await, Some("web"));
        assert_eq!(runs.recv().await, Some("other"));
        assert_eq!(runs.recv().await, Some("web"));
    }

    #[tokio::test(start_paused = true)]
    async fn changes_settle_into_one_run_but_not_for_ever() {
        let queue = WorkQueue::new();
        let window = Window { quiet: Duration::from_millis(30), longest: Duration::from_millis(100) };
        let start = Instant::now();
        let mut runs = recorded(&queue, 1);
        for _ in 0..8 {
            queue.add_settled("web", window);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert_eq!(runs.recv().await, Some("web"));
        assert!(start.elapsed() >= Duration::from_millis(100));
        queue.add_settled("web", window);
        let second = Instant::now();
        assert_eq!(runs.recv().await, Some("web"));
        assert!(second.elapsed() <= Duration::from_millis(31));
    }

    #[tokio::test(start_paused = true)]
    async fn failures_are_spaced_out_and_do_not_hold_others() {
        let queue = WorkQueue::new();
        let (sender, mut runs) = mpsc::unbounded_channel();
        tokio::spawn(queue.clone().run("test", 1, Metrics::default(), move |key: &'static str| {
            let sender = sender.clone();
            async move {
                sender.send((key, Instant::now())).expect("the test listens");
                if key == "broken" { Err("no such thing") } else { Ok(Next::Wait) }
            }
        }));
        queue.add("broken");
        queue.add("web");
        let (_, first) = runs.recv().await.expect("runs");
        assert_eq!(runs.recv().await.expect("runs").0, "web");
        let (_, second) = runs.recv().await.expect("runs");
        let (_, third) = runs.recv().await.expect("runs");
        assert!(second - first >= FIRST_BACKOFF && third - second >= 2 * FIRST_BACKOFF);
    }

    #[tokio::test(start_paused = true)]
    async fn a_panic_is_a_failure_that_is_retried() {
        let queue = WorkQueue::new();
        let (sender, mut runs) = mpsc::unbounded_channel();
        tokio::spawn(queue.clone().run("test", 1, Metrics::default(), move |key: &'static str| {
            let sender = sender.clone();
            async move {
                sender.send(key).expect("the test listens");
                assert_ne!(key, "broken", "a bug");
                Ok::<_, String>(Next::Wait)
            }
        }));
        queue.add("broken");
        queue.add("web");
        for expected in ["broken", "web", "broken"] {
            assert_eq!(runs.recv().await, Some(expected));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_key_is_imminent_until_it_has_been_at_work() {
        let queue = WorkQueue::new();
        queue.add("web");
        queue.add_after("later", Duration::from_secs(1));
        assert_eq!(["web", "later", "other"].map(|key| queue.is_imminent(&key)), [true, false, false]);
        let (sender, mut seen) = mpsc::unbounded_channel();
        let (handle, finished) = (queue.clone(), sender.clone());
        queue.when_finished(move |key| finished.send(handle.is_imminent(key)).expect("the test listens"));
        let handle = queue.clone();
        tokio::spawn(queue.clone().run("test", 1, Metrics::default(), move |key: &'static str| {
            sender.send(handle.is_imminent(&key)).expect("the test listens");
            async move { Err::<Next, _>("no such thing") }
        }));
        assert_eq!((seen.recv().await, seen.recv().await), (Some(true), Some(false)));
    }

    #[tokio::test(start_paused = true)]
    async fn the_oldest_key_is_told_but_not_one_that_is_not_due() {
        let queue = WorkQueue::new();
        queue.add_after("later", Duration::from_secs(60));
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(queue.oldest(), Duration::ZERO);
        queue.add("web");
        tokio::time::sleep(Duration::from_secs(2)).await;
        queue.add("db");
        assert_eq!(queue.oldest(), Duration::from_secs(2));
        tokio::spawn(queue.clone().run("test", 1, Metrics::default(), |_| std::future::pending::<Result<Next, String>>()));
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!((queue.oldest(), queue.len()), (Duration::from_secs(1), 3));
    }
}
