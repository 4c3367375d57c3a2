//! A task that ends with its owner: nothing that this crate starts goes on when whoever started it is gone.

use tokio::task::JoinHandle;

/// A running task. Dropping it ends it at the next point where it waits.
#[derive(Debug)]
pub struct Task(JoinHandle<()>);

impl Task {
    /// Starts a task on the present runtime.
    pub fn spawn(work: impl Future<Output = ()> + Send + 'static) -> Self {
        Self(tokio::spawn(work))
    }

    /// Whether it has ended, by itself or by a panic.
    pub fn is_finished(&self) -> bool {
        self.0.is_finished()
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}
