//! Keeps each Cluster object true: is the member well, what does it serve, what room has it; and makes its execution space.
//!
//! Schedules nothing and deletes nothing in members. Source: controlplane.md §5.1, §5.2.

mod status;

use crate::capacity::{self, Capacity};
use crate::cluster_api::{ApiError, ClusterApi, ObjectKey, Resource};
use crate::context::{Context, Error, now, typed, writing};
use crate::events::Severity;
use crate::health::Watch;
use crate::lasting::Watching;
use crate::members::Member;
use crate::queue::Next;
use crate::served::Served;
use crate::watch::{Own, cluster_entry};
use flotilla_api::cluster::{Cluster, ClusterStatus, READY};
use flotilla_api::object::Object;
use flotilla_api::{labels, names};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde_json::{Value, json};
use status::{Health, Observation};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::time::Instant;

/// What the controller remembers of a member between two probes.
#[derive(Default)]
struct Memory {
    /// Since when probes say something else than the Cluster object.
    crossing_since: Option<Instant>,
    followed: Option<Followed>,
}

/// What is watched in a member for its Cluster object.
struct Followed {
    member: Arc<Member>,
    capacity: Arc<Mutex<Capacity>>,
    /// They end with this.
    watches: Vec<Watching>,
}

/// The controller.
pub struct Clusters {
    context: Arc<Context>,
    memory: Mutex<HashMap<Arc<str>, Memory>>,
}

impl Clusters {
    /// A controller that knows nothing yet.
    pub fn new(context: Arc<Context>) -> Arc<Self> {
        Arc::new(Self { context, memory: Mutex::default() })
    }

    /// What is watched in members for their Cluster objects.
    pub fn watches(&self) -> Vec<Watch> {
        let memory = self.memory.lock().expect("no code panics while it holds the memory");
        memory.values().flat_map(|memory| &memory.followed).flat_map(|followed| &followed.watches).map(Watching::observe).collect()
    }

    /// Called when the Cluster object changes, when something in the member that concerns it changes, and every probe period.
    pub async fn reconcile(self: Arc<Self>, name: Arc<str>) -> Result<Next, Error> {
        let context = &self.context;
        let Some(cached) = context.control.own(Own::Cluster).get(&ObjectKey::new(None, &name))? else {
            self.forget(&name);
            return Ok(Next::Wait);
        };
        let object = cached.parse();
        let cluster: Cluster = typed(&object)?;
        if cluster.is_deleting() {
            return self.remove(&cluster, &object).await;
        }
        self.prepare(&cluster, &object).await?;
        if cluster.spec.sync_mode.as_str() == "Pull" {
            return Ok(Next::Wait);
        }
        let observation = self.observe(&name, &cluster).await;
        self.write_status(&name, &cluster, &object, &observation).await?;
        Ok(Next::After(if observation.health == Health::Well {
            context.options.probe_every
        } else {
            context.options.probe_every.min(Duration::from_secs(2))
        }))
    }

    /// Finalizer and execution space, before anything is sent there.
    async fn prepare(&self, cluster: &Cluster, object: &Object) -> Result<(), Error> {
        let control = &self.context.control;
        let space = names::execution_namespace(cluster.name());
        let key = ObjectKey::new(None, &space);
        if control.own(Own::Namespace).get(&key)?.is_none() {
            let namespace = Object(json!({
                "apiVersion": "v1", "kind": "Namespace",
                "metadata": {"name": space, "labels": {labels::SYSTEM: labels::SYSTEM_VALUE}},
            }));
            match control.api.create(&Own::Namespace.resource(), &namespace).await {
                Ok(created) => control.own(Own::Namespace).observe(&created),
                Err(error) if error.is_already_exists() => {}
                Err(error) => return Err(writing(format!("Namespace {space}"))(error)),
            }
        }
        let finalizers = object.at(&["metadata", "finalizers"]).and_then(Value::as_array).cloned().unwrap_or_default();
        if !finalizers.iter().any(|finalizer| finalizer == labels::CLUSTER_FINALIZER) {
            let mut finalizers = finalizers;
            finalizers.push(labels::CLUSTER_FINALIZER.into());
            let patch = json!({"metadata": {"finalizers": finalizers, "resourceVersion": object.resource_version()}});
            self.patch(cluster.name(), &patch).await?;
        }
        Ok(())
    }

    /// Asks the member. Never fails: a member that cannot be asked is an observation too.
    async fn observe(&self, name: &Arc<str>, cluster: &Cluster) -> Observation {
        let member = match self.context.members.connect(cluster).await {
            Ok(member) => member,
            Err(why) => return Observation::of(Health::Unreachable(why)),
        };
        match member.api.get_text("/readyz").await {
            Ok(_) => {}
            Err(error) if error.code().is_some_and(|code| code == 401 || code == 403) => {
                // The token may have been replaced: the next probe reads the Secret again.
                self.context.members.disconnect(name);
                return Observation::of(Health::Unreachable(unwelcome(cluster, &error)));
            }
            Err(error) if error.code().is_some() => return Observation::of(Health::Unwell(error.to_string())),
            Err(error) => return Observation::of(Health::Unreachable(error.to_string())),
        }
        let mut observation = Observation::of(Health::Well);
        observation.version = member.api.get_text("/version").await.ok().and_then(|text| version_of(&text));
        if let Some(version) = observation.version.clone().filter(|version| status::is_too_old(version)) {
            observation.health = Health::TooOld(version);
            return observation;
        }
        // Not every account may read it; then it is not compared.
        observation.id = identity(&member.api).await.ok().flatten();
        if let Some(id) = observation.id.clone().filter(|id| cluster.spec.id.as_ref().is_some_and(|known| !known.is_empty() && known != id))
        {
            observation.health = Health::Other(id);
            return observation;
        }
        match member.api.discover().await {
            Ok(discovery) => {
                if member.set_served(Served::new(discovery)) {
                    tracing::info!(cluster = &**name, "the member serves other APIs than before");
                }
                if let Some(served) = member.served() {
                    let unknown: Vec<String> = served.unknown().collect();
                    observation.apis_error = (!unknown.is_empty()).then(|| format!("no answer from the servers of {}", unknown.join(", ")));
                    observation.apis = Some(status::api_enablements(&served));
                }
            }
            Err(error) => observation.apis_error = Some(error.to_string()),
        }
        observation.room = self.capacity_of(name, &member).lock().ok().and_then(|capacity| status::room(&capacity));
        observation
    }

    /// The sums over nodes and pods of the member, followed from the first call on; its CRDs too, so that a new one is noticed at once.
    fn capacity_of(&self, name: &Arc<str>, member: &Arc<Member>) -> Arc<Mutex<Capacity>> {
        let mut memory = self.memory.lock().expect("no code panics while it holds the memory");
        let memory = memory.entry(name.clone()).or_default();
        if let Some(followed) = memory.followed.as_ref().filter(|followed| Arc::ptr_eq(&followed.member, member)) {
            return followed.capacity.clone();
        }
        memory.followed = None;
        let (queues, key) = (self.context.queues.clone(), name.clone());
        let news: Arc<dyn Fn() + Send + Sync> = Arc::new(move || queues.clusters.add(key.clone()));
        let (capacity, mut watches) = capacity::follow(&member.api, news.clone());
        watches.push(crate::definitions::follow(&member.api, news));
        memory.followed = Some(Followed { member: member.clone(), capacity: capacity.clone(), watches });
        capacity
    }

    async fn write_status(&self, name: &Arc<str>, cluster: &Cluster, object: &Object, observation: &Observation) -> Result<(), Error> {
        let adopted = self.adopt(name, cluster, observation);
        let new = status::status(cluster.status.as_ref(), adopted, observation, &Time(now()));
        let taints = status::taints(&cluster.spec.taints, &new);
        let control = &self.context.control;
        if cluster.status.as_ref() != Some(&new) {
            let old = object.get("status").cloned().unwrap_or(Value::Null);
            let new = serde_json::to_value(&new).expect("a status always prints");
            let patch = json!({"status": crate::merge::difference(&old, &new)});
            let key = ObjectKey::new(None, name);
            let written = control
                .api
                .patch_status(&Own::Cluster.resource(), &key, &patch)
                .await
                .map_err(writing(format!("status of Cluster {name}")))?;
            control.own(Own::Cluster).observe(&written);
        }
        let mut spec = json!({});
        if let Some(taints) = taints {
            spec["taints"] = json!(taints);
        }
        if let Some(id) = observation.id.as_ref().filter(|_| cluster.spec.id.as_ref().is_none_or(String::is_empty)) {
            spec["id"] = id.as_str().into();
        }
        if spec != json!({}) {
            self.patch(name, &json!({"spec": spec})).await?;
        }
        self.tell(cluster, object, &new).await;
        Ok(())
    }

    /// An Event when the cluster stops being ready, or is again.
    async fn tell(&self, cluster: &Cluster, object: &Object, new: &ClusterStatus) {
        let said = cluster.condition(READY).map(|condition| (condition.status.as_str(), condition.reason.as_str()));
        let Some(now) = new.conditions.iter().find(|condition| condition.type_ == READY) else { return };
        let severity = match (said, now.status.as_str()) {
            (said, _) if said == Some((now.status.as_str(), now.reason.as_str())) => return,
            // That a new cluster is ready is no news.
            (None, "True") => return,
            (Some(_), "True") => Severity::Normal,
            _ => Severity::Warning,
        };
        self.context.events.publish(object, severity, &now.reason, &now.message).await;
    }

    /// Whether the observation is taken for true already, or the Cluster object keeps saying what it said.
    fn adopt(&self, name: &Arc<str>, cluster: &Cluster, observation: &Observation) -> bool {
        let is_well = observation.health == Health::Well;
        let is_certain = observation.health.is_certain();
        let said = cluster.condition(READY).map(|condition| condition.status == "True");
        let mut memory = self.memory.lock().expect("no code panics while it holds the memory");
        let memory = memory.entry(name.clone()).or_default();
        match said {
            Some(said) if said != is_well => {
                let since = *memory.crossing_since.get_or_insert_with(Instant::now);
                // Well again is believed at once; out of reach is believed when it lasts.
                is_certain || since.elapsed() >= self.context.options.failure_threshold
            }
            _ => {
                memory.crossing_since = None;
                true
            }
        }
    }

    /// Removes the execution space, waits until nothing is bound to the cluster any more, then lets it go.
    async fn remove(&self, cluster: &Cluster, object: &Object) -> Result<Next, Error> {
        let control = &self.context.control;
        let finalizers = object.at(&["metadata", "finalizers"]).and_then(Value::as_array).cloned().unwrap_or_default();
        if !finalizers.iter().any(|finalizer| finalizer == labels::CLUSTER_FINALIZER) {
            return Ok(Next::Wait);
        }
        let space = ObjectKey::new(None, &names::execution_namespace(cluster.name()));
        if let Some(namespace) = control.own(Own::Namespace).get(&space)? {
            if !namespace.is_deleting {
                control
                    .api
                    .delete(&Own::Namespace.resource(), &space, Some(&namespace.uid))
                    .await
                    .map_err(writing(format!("Namespace {space}")))?;
            }
            return Ok(Next::After(Duration::from_secs(1)));
        }
        for kind in [Own::ResourceBinding, Own::ClusterResourceBinding] {
            if let Some((key, _)) = control.own(kind).indexed(&cluster_entry(cluster.name()))?.first() {
                tracing::info!(cluster = cluster.name(), binding = %key, "the cluster is still bound to");
                return Ok(Next::After(Duration::from_secs(1)));
            }
        }
        let left: Vec<&Value> = finalizers.iter().filter(|finalizer| *finalizer != labels::CLUSTER_FINALIZER).collect();
        self.patch(cluster.name(), &json!({"metadata": {"finalizers": left, "resourceVersion": object.resource_version()}})).await?;
        Ok(Next::Wait)
    }

    async fn patch(&self, name: &str, patch: &Value) -> Result<(), Error> {
        let control = &self.context.control;
        let resource: Resource = Own::Cluster.resource();
        let written = control.api.patch(&resource, &ObjectKey::new(None, name), patch).await.map_err(writing(format!("Cluster {name}")))?;
        control.own(Own::Cluster).observe(&written);
        Ok(())
    }

    fn forget(&self, name: &Arc<str>) {
        self.context.members.disconnect(name);
        self.memory.lock().expect("no code panics while it holds the memory").remove(name);
    }
}

/// Why the API server lets nobody in, and what helps.
fn unwelcome(cluster: &Cluster, error: &ApiError) -> String {
    let secret = cluster.spec.secret_ref.as_ref().map(|secret| format!("Secret {}/{}", secret.namespace, secret.name));
    match (error.code(), secret) {
        (Some(401), Some(secret)) => {
            format!("it does not accept the token of {secret} (401); put a valid one there")
        }
        (Some(401), None) => "it does not accept the token (401); name a Secret that holds one in `spec.secretRef`".to_owned(),
        _ => error.to_string(),
    }
}

/// What tells a cluster from every other: the UID of its namespace `kube-system`; `None` where it has none.
pub async fn identity(api: &ClusterApi) -> Result<Option<String>, ApiError> {
    let namespace = api.get(&Own::Namespace.resource(), &ObjectKey::new(None, "kube-system")).await?;
    Ok(namespace.map(|namespace| namespace.uid().to_owned()).filter(|uid| !uid.is_empty()))
}

fn version_of(text: &str) -> Option<String> {
    let version: Value = serde_json::from_str(text).ok()?;
    version.get("gitVersion")?.as_str().map(str::to_owned)
}
