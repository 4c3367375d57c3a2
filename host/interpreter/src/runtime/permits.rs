//! How many instances may live at once: a full pool makes instantiation fail, so callers wait here instead.

use std::sync::{Condvar, Mutex, PoisonError};

/// A counting semaphore for threads.
pub(crate) struct Permits {
    free: Mutex<usize>,
    returned: Condvar,
}

/// The right to one instance; given back when dropped.
pub(crate) struct Permit<'a>(&'a Permits);

impl Permits {
    pub fn new(count: usize) -> Self {
        Self { free: Mutex::new(count), returned: Condvar::new() }
    }

    /// Waits until an instance may be made. Bounded in practice: every holder has a deadline.
    pub fn acquire(&self) -> Permit<'_> {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        while *free == 0 {
            free = self.returned.wait(free).unwrap_or_else(PoisonError::into_inner);
        }
        *free -= 1;
        Permit(self)
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        *self.0.free.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        self.0.returned.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    #[test]
    fn the_last_permit_is_waited_for() {
        let permits = Permits::new(1);
        let held = permits.acquire();
        let (tell, told) = mpsc::channel();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let _second = permits.acquire();
                tell.send("got it").expect("the receiver lives");
            });
            assert!(told.try_recv().is_err(), "nobody gets a permit that is held");
            drop(held);
            assert_eq!(told.recv(), Ok("got it"));
        });
    }
}
