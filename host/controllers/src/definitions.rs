//! Notices that a cluster's CustomResourceDefinitions change, so that discovery is asked again at once. Keeps none of them.

use crate::cluster_api::ClusterApi;
use futures::StreamExt;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::core::PartialObjectMeta;
use kube::runtime::watcher::{self, Event};
use std::sync::Arc;
use std::time::Duration;

/// How long after a change discovery is asked once more: API servers serve a new kind a moment after they say so.
const ONCE_MORE: Duration = Duration::from_millis(700);

/// Calls `changed` after each change, and once more a moment later.
pub fn follow(api: &ClusterApi, changed: Arc<dyn Fn() + Send + Sync>) -> tokio::task::AbortHandle {
    let definitions = kube::Api::<PartialObjectMeta<CustomResourceDefinition>>::all(api.client());
    let task = tokio::spawn(async move {
        let mut events = std::pin::pin!(watcher::watcher(definitions, watcher::Config::default()));
        while let Some(event) = events.next().await {
            match event {
                Ok(Event::Apply(_) | Event::Delete(_) | Event::InitDone) => {
                    changed();
                    let again = changed.clone();
                    tokio::spawn(async move {
                        tokio::time::sleep(ONCE_MORE).await;
                        again();
                    });
                }
                Ok(_) => {}
                Err(error) => {
                    tracing::debug!("watch of CustomResourceDefinitions failed: {error}");
                    tokio::time::sleep(ONCE_MORE).await;
                }
            }
        }
    });
    task.abort_handle()
}
