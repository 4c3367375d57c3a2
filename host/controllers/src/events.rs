//! Kubernetes Events, for what a user would act on; the same event again only counts up.

use crate::cluster_api::{ClusterApi, ObjectKey, Resource};
use flotilla_api::object::Object;
use serde_json::json;
use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;
use tokio::time::Instant;

/// An event that says the same about the same object within this time is not written again.
const REPEAT_AFTER: Duration = Duration::from_secs(600);
/// How many recent events are remembered.
const REMEMBERED: usize = 4096;

/// `Normal` or `Warning`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Severity {
    /// For information.
    Normal,
    /// Something a user should look at.
    Warning,
}

/// Writes Events to the control plane.
pub struct Events {
    api: ClusterApi,
    recent: Mutex<HashMap<(String, String, String), Instant>>,
}

impl Events {
    /// Writes through this API.
    pub fn new(api: ClusterApi) -> Self {
        Self { api, recent: Mutex::default() }
    }

    /// Publishes an event about an object. A failure to write it is logged and otherwise of no consequence.
    pub async fn publish(&self, about: &Object, severity: Severity, reason: &str, message: &str) {
        if !self.is_new(about, reason, message) {
            return;
        }
        let namespace = about.namespace().unwrap_or("default");
        let now = k8s_openapi::jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        let event = Object(json!({
            "apiVersion": "v1", "kind": "Event",
            "metadata": {"name": event_name(about.name()), "namespace": namespace},
            "involvedObject": {
                "apiVersion": about.api_version(), "kind": about.kind(), "namespace": about.namespace(), "name": about.name(),
                "uid": about.uid(), "resourceVersion": about.resource_version(),
            },
            "type": format!("{severity:?}"), "reason": reason, "message": cut(message),
            "source": {"component": "flotilla"}, "reportingComponent": "flotilla", "reportingInstance": "",
            "firstTimestamp": now, "lastTimestamp": now, "count": 1,
        }));
        if let Err(error) = self.api.create(&events_resource(), &event).await {
            tracing::warn!(object = about.display(), reason, %error, "event not written");
        }
    }

    fn is_new(&self, about: &Object, reason: &str, message: &str) -> bool {
        let now = Instant::now();
        let mut recent = self.recent.lock().expect("no code panics while it holds the events");
        if recent.len() >= REMEMBERED {
            recent.retain(|_, written| now.duration_since(*written) < REPEAT_AFTER);
        }
        let about = format!("{}/{}", about.gvk(), ObjectKey::of(about));
        let written = recent.insert((about, reason.to_owned(), message.to_owned()), now);
        written.is_none_or(|written| now.duration_since(written) >= REPEAT_AFTER)
    }
}

fn events_resource() -> Resource {
    Resource {
        group: String::new(),
        version: "v1".into(),
        kind: "Event".into(),
        plural: "events".into(),
        namespaced: true,
        has_status: false,
    }
}

/// A name that no other event has, as kubectl and others make it: API servers refuse a `generateName` that ends with a dot.
fn event_name(about: &str) -> String {
    let about: String = about.chars().take(220).collect();
    format!("{about}.{}", uuid::Uuid::new_v4().simple())
}

/// The API server refuses messages over 1024 characters.
fn cut(message: &str) -> String {
    message.chars().take(1024).collect()
}
