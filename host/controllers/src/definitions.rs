//! Notices that a cluster's CustomResourceDefinitions change, so that discovery is asked again at once. Keeps none of them.

use crate::cluster_api::{ClusterApi, Resource};
use crate::lasting::{self, Watching};
use futures::StreamExt;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::core::PartialObjectMeta;
use kube::runtime::watcher::{self, Event};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep, sleep_until};

/// How long after a change discovery is asked once more: API servers serve a new kind a moment after they say so.
const ONCE_MORE: Duration = Duration::from_millis(700);

/// Calls `changed` after each change, and once more a moment later.
pub fn follow(api: &ClusterApi, changed: Arc<dyn Fn() + Send + Sync>) -> Watching {
    let (api, watched) = (api.clone(), resource());
    Watching::start(watched.clone(), |heard| async move {
        let definitions = kube::Api::<PartialObjectMeta<CustomResourceDefinition>>::all(heard.listen(api.client()));
        let mut events = std::pin::pin!(lasting::events(&api, &watched, &heard, definitions, watcher::Config::default()));
        let mut once_more: Option<Instant> = None;
        loop {
            let event = tokio::select! {
                event = events.next() => event,
                () = sleep_until(once_more.unwrap_or_else(Instant::now)), if once_more.is_some() => {
                    once_more = None;
                    changed();
                    continue;
                }
            };
            match event {
                Some(Ok(Event::Apply(_) | Event::Delete(_) | Event::InitDone)) => {
                    changed();
                    once_more = Some(Instant::now() + ONCE_MORE);
                }
                Some(Ok(_)) => {}
                Some(Err(error)) => {
                    tracing::debug!(%error, "watch of CustomResourceDefinitions failed");
                    sleep(ONCE_MORE).await;
                }
                None => return,
            }
        }
    })
}

/// Where they are served.
pub fn resource() -> Resource {
    Resource {
        group: "apiextensions.k8s.io".into(),
        version: "v1".into(),
        kind: "CustomResourceDefinition".into(),
        plural: "customresourcedefinitions".into(),
        namespaced: false,
        has_status: true,
    }
}
