//! Keeps the webhook's certificate valid: asks [`rotation`] for the next step, writes the Secret, and has API servers trust its authorities.
//!
//! The Secret holds everything; replicas of the webhook read it anew by themselves. Only the leader writes it.

mod pair;
pub mod rotation;
mod x509;

use crate::cluster_api::{ClusterApi, ObjectKey, Resource};
use crate::context::{Error, writing};
use crate::events::{Events, Severity};
use crate::queue::{Next, WorkQueue};
use crate::task::Task;
use flotilla_api::object::Object;
use k8s_openapi::ByteString;
use k8s_openapi::jiff::Timestamp;
use pair::Pair;
use rotation::Step;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

/// How often certificates are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(3600);
/// Service of the webhook, and what its certificate is for.
const SERVICE: &str = "flotilla-webhook";
/// Name of the webhook configurations, one of each kind.
pub const CONFIGURATION: &str = "flotilla";

/// Keeps the certificate of one Secret valid, until dropped.
pub fn keep(api: &ClusterApi, namespace: &str, secret: &str) -> Task {
    let renewal = Arc::new(Renewal { events: Events::new(api.clone()), api: api.clone(), secret: ObjectKey::new(Some(namespace), secret) });
    let queue = WorkQueue::new();
    queue.add(());
    Task::spawn(queue.run("certificate", 1, api.metrics().clone(), move |()| renewal.clone().reconcile()))
}

/// The two kinds of webhook configurations.
pub fn configurations() -> [Resource; 2] {
    ["Mutating", "Validating"].map(|kind| Resource {
        group: "admissionregistration.k8s.io".into(),
        version: "v1".into(),
        kind: format!("{kind}WebhookConfiguration"),
        plural: format!("{}webhookconfigurations", kind.to_lowercase()),
        namespaced: false,
        has_status: false,
    })
}

struct Renewal {
    api: ClusterApi,
    events: Events,
    secret: ObjectKey,
}

impl Renewal {
    async fn reconcile(self: Arc<Self>) -> Result<Next, Error> {
        loop {
            // 1. Read. What is to be trusted is trusted before anything new is signed.
            let what = || format!("Secret {}", self.secret);
            let read = self.api.get(&crate::members::secrets(), &self.secret).await.map_err(writing(what()))?;
            let secret = read.ok_or_else(|| Error::Waiting(format!("{} of `--webhook-certificate` does not exist", what())))?;
            let pair = Pair::of(&secret);
            self.trust(&pair.authorities).await?;
            // 2. Decide.
            let now = Timestamp::now();
            let (made, told) = match rotation::decide(&pair.held(), now) {
                Step::Keep => return Ok(Next::After(LOOK_EVERY)),
                Step::RotateAuthority => (pair.with_new_authority(now), "a new authority is trusted"),
                Step::RenewServing => (pair.with_new_certificate(&self.names(), now), "the webhook has a new certificate"),
                Step::DropOld => (Ok(pair.without_old()), "the old authority is not trusted any more"),
            };
            let made = made.map_err(|error| Error::Waiting(format!("{}: no certificate can be made: {error}", what())))?;
            // 3. Write, and see what is next.
            let patch = json!({"metadata": {"resourceVersion": secret.resource_version()}, "data": made.data()});
            self.api.patch(&crate::members::secrets(), &self.secret, &patch).await.map_err(writing(what()))?;
            tracing::info!(secret = %self.secret, told, "certificates changed");
            self.events.publish(&secret, Severity::Normal, "CertificateRotated", told).await;
        }
    }

    /// What API servers call the webhook by.
    fn names(&self) -> [String; 2] {
        let host = format!("{SERVICE}.{}.svc", self.secret.namespace().unwrap_or_default());
        [host.clone(), format!("{host}.cluster.local")]
    }

    /// Has API servers trust these authorities where they call our Service.
    async fn trust(&self, authorities: &str) -> Result<(), Error> {
        if authorities.is_empty() {
            return Ok(());
        }
        let bundle = json!(ByteString(authorities.as_bytes().to_vec()));
        for resource in configurations() {
            let key = ObjectKey::new(None, CONFIGURATION);
            let what = || format!("{} {key}", resource.kind);
            let Some(configuration) = self.api.get(&resource, &key).await.map_err(writing(what()))? else { continue };
            if let Some(webhooks) = trusting(&configuration, self.secret.namespace().unwrap_or_default(), &bundle) {
                let patch = json!({"metadata": {"resourceVersion": configuration.resource_version()}, "webhooks": webhooks});
                self.api.patch(&resource, &key, &patch).await.map_err(writing(what()))?;
            }
        }
        Ok(())
    }
}

/// The webhooks of a configuration with this bundle; `None` where nothing changes. Those that call something else stay as they are.
fn trusting(configuration: &Object, namespace: &str, bundle: &Value) -> Option<Vec<Value>> {
    let before = configuration.get("webhooks").and_then(Value::as_array)?;
    let mut webhooks = before.clone();
    for client in webhooks.iter_mut().filter_map(|webhook| webhook.get_mut("clientConfig")) {
        if client["service"]["name"] == SERVICE && client["service"]["namespace"] == namespace {
            client["caBundle"] = bundle.clone();
        }
    }
    (webhooks != *before).then_some(webhooks)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_those_that_call_our_service_trust_our_authorities() {
        let service = |namespace: &str, bundle: &str| json!({"clientConfig": {"service": {"name": SERVICE, "namespace": namespace}, "caBundle": bundle}});
        let configuration = |bundle: &str| {
            Object(
                json!({"webhooks": [service("ours", bundle), service("theirs", "x"), {"clientConfig": {"url": "https://a", "caBundle": "x"}}]}),
            )
        };
        let changed = trusting(&configuration("old"), "ours", &json!("new")).expect("one of them");
        assert_eq!(json!(changed), configuration("new")["webhooks"]);
        assert_eq!(trusting(&configuration("new"), "ours", &json!("new")), None);
    }
}
