//! What a member's nodes offer and its pods use: kept as sums, not as objects.
//!
//! Source: controlplane.md §5.1 (`nodeSummary`, `resourceSummary`).

mod facts;

use crate::cluster_api::{ClusterApi, ObjectKey, Resource};
use crate::lasting::{self, Watching};
use crate::live_object::Live;
pub use facts::{Amounts, NodeFacts, PodFacts};
use facts::{Fact, Facts};
use futures::StreamExt;
use kube::runtime::watcher::{self, Event};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Wait after a watch that failed: the member may be away for long.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// All nodes and pods of a member.
#[derive(Debug, Default)]
pub struct Capacity {
    /// `None` until all nodes were seen.
    pub nodes: Option<HashMap<ObjectKey, NodeFacts>>,
    /// `None` until all pods were seen.
    pub pods: Option<HashMap<ObjectKey, PodFacts>>,
}

/// Follows nodes and pods of a member; calls `filled` when all of either have been seen. Later changes wait for the next probe.
pub fn follow(api: &ClusterApi, filled: Arc<dyn Fn() + Send + Sync>) -> (Arc<Mutex<Capacity>>, Vec<Watching>) {
    let capacity = Arc::new(Mutex::new(Capacity::default()));
    let nodes: Slot<NodeFacts> = |capacity| &mut capacity.nodes;
    let pods: Slot<PodFacts> = |capacity| &mut capacity.pods;
    let nodes = follow_kind(api, resource("Node", "nodes", false), nodes, &capacity, &filled);
    let pods = follow_kind(api, resource("Pod", "pods", true), pods, &capacity, &filled);
    (capacity, vec![nodes, pods])
}

fn resource(kind: &str, plural: &str, namespaced: bool) -> Resource {
    Resource { group: String::new(), version: "v1".into(), kind: kind.into(), plural: plural.into(), namespaced, has_status: true }
}

type Slot<F> = fn(&mut Capacity) -> &mut Option<HashMap<ObjectKey, F>>;

fn follow_kind<F: Fact>(
    api: &ClusterApi,
    watched: Resource,
    slot: Slot<F>,
    capacity: &Arc<Mutex<Capacity>>,
    filled: &Arc<dyn Fn() + Send + Sync>,
) -> Watching {
    let (api, capacity, filled) = (api.clone(), capacity.clone(), filled.clone());
    Watching::start(watched.clone(), move |heard| async move {
        let all = kube::Api::<Live<Facts<F>>>::all_with(heard.listen(api.client()), &watched.to_kube());
        let mut events = std::pin::pin!(lasting::events(&api, &watched, &heard, all, watcher::Config::default()));
        let mut listed = HashMap::new();
        while let Some(event) = events.next().await {
            let is_filled = matches!(event, Ok(Event::InitDone));
            if event.is_err() {
                api.metrics().watch_failed(api.role(), &watched);
                tokio::time::sleep(RETRY_AFTER).await;
            }
            if let Ok(event) = event {
                let mut capacity = capacity.lock().expect("no code panics while it holds the capacity");
                take(event, slot(&mut capacity), &mut listed);
            }
            if is_filled {
                filled();
            }
        }
    })
}

fn take<F>(event: Event<Live<Facts<F>>>, known: &mut Option<HashMap<ObjectKey, F>>, listed: &mut HashMap<ObjectKey, F>) {
    match event {
        Event::Init => listed.clear(),
        Event::InitApply(live) => drop(listed.insert(live.object.key(), live.object.facts)),
        Event::InitDone => *known = Some(std::mem::take(listed)),
        Event::Apply(live) => drop(known.get_or_insert_default().insert(live.object.key(), live.object.facts)),
        Event::Delete(live) => drop(known.get_or_insert_default().remove(&live.object.key())),
    }
}
