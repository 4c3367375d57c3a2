//! The Deployments of a namespace, as a watch shows them.

use futures::StreamExt as _;
use k8s_openapi::api::apps::v1::Deployment;
use kube::Api;
use kube::runtime::watcher;
use std::collections::HashMap;
use std::pin::pin;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Nothing has changed for so long: whatever went on has ended.
const QUIET: Duration = Duration::from_secs(2);
/// Longest wait.
const PATIENCE: Duration = Duration::from_secs(1200);

/// What is known of one Deployment.
#[derive(Debug, Clone, Copy, PartialEq)]
struct State {
    replicas: i64,
    ready: i64,
}

/// What a watch has shown.
#[derive(Debug, Clone, Default)]
pub struct Known {
    deployments: HashMap<String, State>,
    /// What a list that is under way has brought so far.
    listed: HashMap<String, State>,
    is_listed: bool,
}

impl Known {
    /// How many there are.
    pub fn known(&self) -> usize {
        self.deployments.len()
    }

    /// How many have this many ready replicas.
    pub fn ready(&self, replicas: i64) -> usize {
        self.deployments.values().filter(|state| state.ready == replicas).count()
    }

    /// Whether this one has this many ready replicas.
    pub fn is_ready(&self, name: &str, replicas: i64) -> bool {
        self.deployments.get(name).is_some_and(|state| state.ready == replicas)
    }

    /// The replicas that this one wants, if it is there.
    pub fn replicas(&self, name: &str) -> Option<i64> {
        self.deployments.get(name).map(|state| state.replicas)
    }
}

/// A watch that goes on until this is dropped.
pub struct Seen {
    known: watch::Receiver<Known>,
    task: JoinHandle<()>,
}

impl Drop for Seen {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Seen {
    /// Begins to watch; returns when all that there is has been seen.
    pub async fn follow(api: Api<Deployment>) -> Self {
        let (sender, known) = watch::channel(Known::default());
        let task = tokio::spawn(async move {
            let mut events = pin!(watcher(api, watcher::Config::default()));
            while let Some(event) = events.next().await {
                if let Ok(event) = event {
                    sender.send_modify(|known| take(known, event));
                }
            }
        });
        let seen = Self { known, task };
        seen.until(|known| known.is_listed).await;
        seen
    }

    /// Waits until what is seen is as wanted.
    pub async fn until(&self, is_wanted: impl Fn(&Known) -> bool) {
        let mut known = self.known.clone();
        let waited = tokio::time::timeout(PATIENCE, known.wait_for(|known| is_wanted(known))).await;
        if waited.is_err() {
            panic!("what is awaited does not come: {} are known", self.known.borrow().known());
        }
    }

    /// Waits until nothing changes any more; returns how many there are.
    pub async fn settled(&self) -> usize {
        let mut known = self.known.clone();
        known.mark_changed();
        while tokio::time::timeout(QUIET, known.changed()).await.is_ok() {
            known.mark_unchanged();
        }
        self.known.borrow().known()
    }
}

fn take(known: &mut Known, event: watcher::Event<Deployment>) {
    match event {
        watcher::Event::Apply(deployment) => known.deployments.extend([state_of(deployment)]),
        watcher::Event::InitApply(deployment) => known.listed.extend([state_of(deployment)]),
        watcher::Event::Delete(deployment) => drop(known.deployments.remove(&state_of(deployment).0)),
        watcher::Event::Init => known.listed.clear(),
        // What went while the watch was away is not in the list.
        watcher::Event::InitDone => (known.deployments, known.is_listed) = (std::mem::take(&mut known.listed), true),
    }
}

fn state_of(deployment: Deployment) -> (String, State) {
    let replicas = deployment.spec.and_then(|spec| spec.replicas).unwrap_or(1);
    let ready = deployment.status.and_then(|status| status.ready_replicas).unwrap_or(0);
    (deployment.metadata.name.unwrap_or_default(), State { replicas: replicas.into(), ready: ready.into() })
}
