//! The clock that ends calls: a thread that advances the engine's epoch by one for each millisecond of wall time, and the deadline of
//! one call, which counts epochs.
//!
//! The thread sleeps for good while no plugin runs, so that an idle control plane is idle; a call wakes it.

use rustix::time::{ClockId, clock_gettime};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use wasmtime::{Engine, Store, UpdateDeadline};

/// Length of one epoch.
const TICK: Duration = Duration::from_millis(1);
/// Ticks without a call after which the thread stops ticking.
const IDLE_TICKS: u64 = 200;

/// The call passed its deadline.
#[derive(Debug, thiserror::Error)]
#[error("passed its deadline")]
pub(crate) struct Passed;

/// Gives a call its deadline. On a machine that is busy with other things time passes without the call, and a plugin must not be
/// blamed for it: in the second half of its time a call is only ended when it was running for most of it, or when twice the time is
/// nearly over. In the first half nothing is looked at, so that short calls pay nothing.
pub(crate) fn set<T: 'static>(store: &mut Store<T>, deadline: Duration) {
    let half = (deadline / 2).max(TICK);
    let (begin, most) = (Instant::now(), deadline + deadline * 9 / 10);
    let mut run_before = None;
    store.epoch_deadline_callback(move |_| {
        let run = run_time();
        let Some(before) = run_before else {
            run_before = Some(run);
            return Ok(UpdateDeadline::Continue(ticks(half)));
        };
        let (ran_most, passed) = (run.saturating_sub(before) * 4 >= half * 3, begin.elapsed());
        if ran_most && passed >= deadline || passed >= most {
            return Err(Passed.into());
        }
        Ok(UpdateDeadline::Continue(1))
    });
    store.set_epoch_deadline(ticks(half));
}

fn ticks(duration: Duration) -> u64 {
    duration.as_micros().div_ceil(TICK.as_micros()) as u64
}

/// How long this thread was running.
fn run_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec.unsigned_abs() as u32)
}

/// Owns the ticking thread; ends it when dropped.
pub(crate) struct Ticker {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    running: AtomicUsize,
    started: AtomicU64,
    parked: AtomicBool,
    closed: AtomicBool,
}

/// While one of these lives, epochs pass.
pub(crate) struct Running<'a>(&'a Shared);

impl Ticker {
    /// Starts the thread.
    pub fn start(engine: &Engine) -> std::io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let (inner, engine) = (Arc::clone(&shared), engine.clone());
        let thread = thread::Builder::new().name("plugin-deadlines".to_owned()).spawn(move || tick(&inner, &engine))?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Says that a call begins; epochs pass until the answer is dropped.
    pub fn running(&self) -> Running<'_> {
        self.shared.running.fetch_add(1, Ordering::SeqCst);
        self.shared.started.fetch_add(1, Ordering::SeqCst);
        if self.shared.parked.load(Ordering::SeqCst) {
            self.wake();
        }
        Running(&self.shared)
    }

    fn wake(&self) {
        if let Some(thread) = &self.thread {
            thread.thread().unpark();
        }
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.shared.closed.store(true, Ordering::SeqCst);
        self.wake();
        if let Some(thread) = self.thread.take() {
            // A panic in the ticking thread has been printed already; there is nothing left to do about it here.
            let _ = thread.join();
        }
    }
}

/// Ticks until closed. Ticks that the scheduler made us miss are made up for, so that a deadline is wall time.
fn tick(shared: &Shared, engine: &Engine) {
    while !shared.closed.load(Ordering::SeqCst) {
        let (start, mut ticks, mut idle_since) = (Instant::now(), 0_u128, (0_u64, shared.started.load(Ordering::SeqCst)));
        while !shared.closed.load(Ordering::SeqCst) {
            thread::sleep(TICK);
            while ticks < start.elapsed().as_millis() {
                engine.increment_epoch();
                ticks += 1;
            }
            let started = shared.started.load(Ordering::SeqCst);
            let idle = shared.running.load(Ordering::SeqCst) == 0 && started == idle_since.1;
            idle_since = if idle { (idle_since.0 + 1, started) } else { (0, started) };
            if idle_since.0 > IDLE_TICKS {
                break;
            }
        }
        park_until_called(shared);
    }
}

fn park_until_called(shared: &Shared) {
    shared.parked.store(true, Ordering::SeqCst);
    while shared.running.load(Ordering::SeqCst) == 0 && !shared.closed.load(Ordering::SeqCst) {
        thread::park_timeout(Duration::from_secs(3600));
    }
    shared.parked.store(false, Ordering::SeqCst);
}
