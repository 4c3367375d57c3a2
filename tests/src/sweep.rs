//! Removes what a fleet that is no more left on servers that others use after it: its own kinds, and what its test made.

use crate::cluster::Cluster;
use crate::fleet::PATIENCE;
use flotilla_controllers::cluster_api::{ClusterApi, ObjectKey, Resource};
use flotilla_controllers::watch::Own;
use futures::StreamExt as _;
use futures::stream;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// At most this many objects are removed at once.
const AT_ONCE: usize = 16;

/// Empties these clusters, the control plane first. No controllers run: finalizers are taken off. Namespaces go on their own time,
/// everything else is gone on return.
pub async fn sweep(clusters: &[Cluster], made: &BTreeSet<(Resource, String)>) {
    let control = &clusters[0];
    let (served, mut left) = (control.served().await, Vec::new());
    let own = Own::ALL.into_iter().filter(|own| *own != Own::Namespace).map(Own::resource);
    for resource in own.filter(|resource| served.resource(&resource.gvk()).is_some()) {
        let objects = control.list(&resource, None).await;
        left.extend(objects.iter().map(|object| (control.user(), resource.clone(), ObjectKey::of(object))));
    }
    for cluster in clusters {
        left.extend(made.iter().map(|(resource, name)| (cluster.user(), resource.clone(), ObjectKey::new(None, name))));
    }
    stream::iter(left).for_each_concurrent(AT_ONCE, |(api, resource, key)| async move { remove(api, &resource, &key).await }).await;
}

async fn remove(api: &ClusterApi, resource: &Resource, key: &ObjectKey) {
    let started = Instant::now();
    while let Some(object) = api.get(resource, key).await.expect("the server answers") {
        if resource.kind == "Namespace" && object.is_deleting() {
            return;
        }
        let is_held = object.at(&["metadata", "finalizers"]).and_then(Value::as_array).is_some_and(|held| !held.is_empty());
        if is_held && resource.group.ends_with("karmada.io") {
            // Whoever wrote at the same time is met in the next round, as is what is gone.
            let _ = api.patch(resource, key, &json!({"metadata": {"finalizers": null}})).await;
        }
        api.delete(resource, key, None).await.expect("the object can be deleted");
        assert!(started.elapsed() < PATIENCE, "{} {key} does not go", resource.kind);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
