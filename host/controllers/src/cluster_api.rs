//! One cluster's API: reads and writes of objects of any kind, each with a deadline.
//!
//! The only place that builds requests, so that every write passes the [`WriteGate`] and is counted. Knows nothing of what is read or
//! written.

use crate::gate::WriteGate;
use crate::live_object::LiveObject;
use crate::metrics::{ClusterRole, Metrics};
use crate::pulse::Pulse;
use flotilla_api::object::{GroupVersionKind, Object};
use http::Request as HttpRequest;
use kube::Client;
use kube::core::discovery::v2::{APIGroupDiscovery, APIResourceDiscovery};
use kube::core::params::{DeleteParams, GetParams, Patch, PatchParams, PostParams};
use kube::core::request::Request;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Name under which the controllers write; shows in `managedFields` and in the API server's audit log.
pub const FIELD_MANAGER: &str = "flotilla";

/// A served resource: what a path is made of.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Resource {
    /// API group, empty for core.
    pub group: String,
    /// Served version.
    pub version: String,
    /// Kind.
    pub kind: String,
    /// Plural, the path segment.
    pub plural: String,
    /// Whether objects live in namespaces.
    pub namespaced: bool,
    /// Whether `/status` is served.
    pub has_status: bool,
}

impl Resource {
    /// apiVersion of its objects.
    pub fn api_version(&self) -> String {
        self.gvk().api_version()
    }

    /// Group, version and kind.
    pub fn gvk(&self) -> GroupVersionKind {
        GroupVersionKind { group: self.group.clone(), version: self.version.clone(), kind: self.kind.clone() }
    }

    /// The resource as kube names it.
    pub fn to_kube(&self) -> kube::core::ApiResource {
        kube::core::ApiResource {
            group: self.group.clone(),
            version: self.version.clone(),
            api_version: self.api_version(),
            kind: self.kind.clone(),
            plural: self.plural.clone(),
        }
    }

    /// `deployments.apps` or `works.work.karmada.io/status`: how metrics and logs call it.
    pub fn label(&self, is_status: bool) -> String {
        let group = if self.group.is_empty() { String::new() } else { format!(".{}", self.group) };
        format!("{}{group}{}", self.plural, if is_status { "/status" } else { "" })
    }

    /// The path of its collection; in this namespace, or in all.
    pub fn path(&self, namespace: Option<&str>) -> String {
        let root = if self.group.is_empty() { "/api".to_owned() } else { format!("/apis/{}", self.group) };
        match namespace.filter(|_| self.namespaced) {
            Some(namespace) => format!("{root}/{}/namespaces/{namespace}/{}", self.version, self.plural),
            None => format!("{root}/{}/{}", self.version, self.plural),
        }
    }
}

/// Where an object is: namespace (none for cluster scope) and name.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectKey {
    /// Namespace, `None` for a cluster-scoped object.
    pub namespace: Option<Arc<str>>,
    /// Name.
    pub name: Arc<str>,
}

impl ObjectKey {
    /// From a namespace (empty means none) and a name.
    pub fn new(namespace: Option<&str>, name: &str) -> Self {
        Self { namespace: namespace.filter(|namespace| !namespace.is_empty()).map(Into::into), name: name.into() }
    }

    /// Where this object is.
    pub fn of(object: &Object) -> Self {
        Self::new(object.namespace(), object.name())
    }

    /// The namespace, borrowed.
    pub fn namespace(&self) -> Option<&str> {
        self.namespace.as_deref()
    }
}

impl fmt::Debug for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.namespace {
            Some(namespace) => write!(f, "{namespace}/{}", self.name),
            None => f.write_str(&self.name),
        }
    }
}

/// Why a cluster's API did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// The API server answered with a refusal.
    #[error("{}", .0.message)]
    Refused(Box<kube::core::Status>),
    /// No answer within the deadline.
    #[error("no answer within {0:?}")]
    Deadline(Duration),
    /// The connection failed or the answer could not be read.
    #[error("{0}")]
    Unreachable(String),
    /// A write that was not sent, or whose answer is not waited for, because this process does not lead.
    #[error("this process does not lead: nothing is written")]
    NotLeading,
}

impl ApiError {
    /// What came of it in one word, for metrics: the HTTP status, or what stands for it.
    pub fn label(&self) -> String {
        match self {
            Self::Refused(status) => status.code.to_string(),
            Self::Deadline(_) => "Deadline".to_owned(),
            Self::Unreachable(_) => "Unreachable".to_owned(),
            Self::NotLeading => "NotLeading".to_owned(),
        }
    }

    /// The HTTP status of a refusal.
    pub fn code(&self) -> Option<u16> {
        match self {
            Self::Refused(status) => Some(status.code),
            _ => None,
        }
    }

    /// Whether the object (or its type) is not there.
    pub fn is_not_found(&self) -> bool {
        self.code() == Some(404)
    }

    /// Whether an object of that name exists already.
    pub fn is_already_exists(&self) -> bool {
        matches!(self, Self::Refused(status) if status.code == 409 && status.reason == "AlreadyExists")
    }

    /// Whether the write was based on an old state.
    pub fn is_conflict(&self) -> bool {
        matches!(self, Self::Refused(status) if status.code == 409 && status.reason == "Conflict")
    }
}

impl From<kube::Error> for ApiError {
    fn from(error: kube::Error) -> Self {
        match error {
            kube::Error::Api(status) => Self::Refused(status),
            other => Self::Unreachable(error_chain(&other)),
        }
    }
}

fn error_chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}

/// The API of one cluster.
#[derive(Clone)]
pub struct ClusterApi {
    client: Client,
    deadline: Duration,
    role: ClusterRole,
    gate: WriteGate,
    metrics: Metrics,
    answered: Pulse,
}

impl ClusterApi {
    /// `deadline` bounds every single request (watches excepted). Writes always pass; see [`ClusterApi::behind`].
    pub fn new(client: Client, deadline: Duration) -> Self {
        let (gate, metrics, answered) = (WriteGate::default(), Metrics::default(), Pulse::default());
        Self { client, deadline, role: ClusterRole::Control, gate, metrics, answered }
    }

    /// The same API, whose writes pass this gate.
    pub fn behind(self, gate: WriteGate) -> Self {
        Self { gate, ..self }
    }

    /// The same API as that of a member: it passes the gate of the control plane, and is counted with it.
    pub fn as_member_of(self, control: &Self) -> Self {
        Self { role: ClusterRole::Member, gate: control.gate.clone(), metrics: control.metrics.clone(), ..self }
    }

    /// The same API past the gate, with another deadline: for what decides whether the gate is open.
    pub fn ungated(&self, deadline: Duration) -> Self {
        Self { gate: WriteGate::default(), deadline, ..self.clone() }
    }

    /// The client, for watches.
    pub fn client(&self) -> Client {
        self.client.clone()
    }

    /// The control plane, or a member.
    pub fn role(&self) -> ClusterRole {
        self.role
    }

    /// The gate that writes pass.
    pub fn gate(&self) -> &WriteGate {
        &self.gate
    }

    /// Where everything about this fleet is counted.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// When a request was last answered, refusals included (watches excepted).
    pub fn answered(&self) -> &Pulse {
        &self.answered
    }

    /// Reads an object; `None` when it is not there.
    pub async fn get(&self, resource: &Resource, key: &ObjectKey) -> Result<Option<Object>, ApiError> {
        let request = self.request(resource, key).get(&key.name, &GetParams::default());
        match self.send(request).await {
            Ok(LiveObject { object, .. }) => Ok(Some(object)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Creates an object.
    pub async fn create(&self, resource: &Resource, object: &Object) -> Result<Object, ApiError> {
        let key = ObjectKey::of(object);
        let params = PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..Default::default() };
        self.write("create", &key, resource, false, self.request(resource, &key).create(&params, bytes(object))).await
    }

    /// Replaces an object; its resourceVersion must be current.
    pub async fn replace(&self, resource: &Resource, object: &Object) -> Result<Object, ApiError> {
        let key = ObjectKey::of(object);
        let params = PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..Default::default() };
        self.write("update", &key, resource, false, self.request(resource, &key).replace(&key.name, &params, bytes(object))).await
    }

    /// Merges a patch (RFC 7386) into an object.
    pub async fn patch(&self, resource: &Resource, key: &ObjectKey, patch: &Value) -> Result<Object, ApiError> {
        self.write("patch", key, resource, false, self.request(resource, key).patch(&key.name, &patch_params(), &Patch::Merge(patch))).await
    }

    /// Merges a patch into the status of an object; into the object itself where the resource serves no `/status`.
    pub async fn patch_status(&self, resource: &Resource, key: &ObjectKey, patch: &Value) -> Result<Object, ApiError> {
        if !resource.has_status {
            return self.patch(resource, key, patch).await;
        }
        let request = self.request(resource, key).patch_subresource("status", &key.name, &patch_params(), &Patch::Merge(patch));
        self.write("patch", key, resource, true, request).await
    }

    /// Deletes an object in the background, if it still is the one with this uid; absent is fine.
    pub async fn delete(&self, resource: &Resource, key: &ObjectKey, uid: Option<&str>) -> Result<(), ApiError> {
        let mut params = DeleteParams::background();
        if let Some(uid) = uid {
            params = params.preconditions(kube::core::params::Preconditions { uid: Some(uid.to_owned()), resource_version: None });
        }
        match self.write("delete", key, resource, false, self.request(resource, key).delete(&key.name, &params)).await {
            Ok(_) => Ok(()),
            Err(error) if error.is_not_found() => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// GET of any path, as text.
    pub async fn get_text(&self, path: &str) -> Result<String, ApiError> {
        let request = HttpRequest::get(path).body(Vec::new()).map_err(|error| ApiError::Unreachable(error.to_string()))?;
        self.within_deadline(self.client.request_text(request)).await
    }

    /// Everything that the cluster serves.
    pub async fn discover(&self) -> Result<Discovery, ApiError> {
        let groups = self.within_deadline(self.client.list_api_groups_aggregated()).await?;
        let core = self.within_deadline(self.client.list_core_api_versions_aggregated()).await?;
        let mut discovery = Discovery::default();
        core.items.iter().chain(&groups.items).for_each(|group| discovery.add(group));
        Ok(discovery)
    }

    fn request(&self, resource: &Resource, key: &ObjectKey) -> Request {
        Request::new(resource.path(key.namespace()))
    }

    async fn write(
        &self,
        verb: &'static str,
        key: &ObjectKey,
        resource: &Resource,
        is_status: bool,
        request: Result<HttpRequest<Vec<u8>>, kube::core::request::Error>,
    ) -> Result<Object, ApiError> {
        let result = self.gate.write(self.send::<LiveObject>(request)).await.map(|live| live.object);
        let code = result.as_ref().err().map_or_else(|| "ok".to_owned(), ApiError::label);
        let resource = resource.label(is_status);
        tracing::debug!(cluster = self.role.label(), verb, resource, object = %key, code, "write");
        self.metrics.wrote(self.role, verb, resource, code);
        result
    }

    async fn send<T: serde::de::DeserializeOwned>(
        &self,
        request: Result<HttpRequest<Vec<u8>>, kube::core::request::Error>,
    ) -> Result<T, ApiError> {
        let request = request.map_err(|error| ApiError::Unreachable(error.to_string()))?;
        self.within_deadline(self.client.request(request)).await
    }

    async fn within_deadline<T>(&self, call: impl Future<Output = Result<T, kube::Error>>) -> Result<T, ApiError> {
        let result = match tokio::time::timeout(self.deadline, call).await {
            Ok(result) => result.map_err(ApiError::from),
            Err(_) => Err(ApiError::Deadline(self.deadline)),
        };
        if matches!(result, Ok(_) | Err(ApiError::Refused(_))) {
            self.answered.beat();
        }
        result
    }
}

fn patch_params() -> PatchParams {
    PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..Default::default() }
}

fn bytes(object: &Object) -> Vec<u8> {
    serde_json::to_vec(object).expect("JSON values always print")
}

/// What a cluster says it serves.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Discovery {
    /// What can be listed, watched and deleted; the preferred version of a kind first.
    pub resources: Vec<Resource>,
    /// Group and version of APIs whose own server does not answer at the moment: what they serve is not known.
    pub unknown: BTreeSet<(String, String)>,
}

impl Discovery {
    fn add(&mut self, group: &APIGroupDiscovery) {
        let group_name = group.metadata.as_ref().and_then(|metadata| metadata.name.clone()).unwrap_or_default();
        for served in &group.versions {
            let version = served.version.clone().unwrap_or_default();
            if served.freshness.as_deref() == Some("Stale") {
                self.unknown.insert((group_name.clone(), version.clone()));
            }
            self.resources.extend(served.resources.iter().filter_map(|resource| resource_of(&group_name, &version, resource)));
        }
    }
}

fn resource_of(group: &str, version: &str, resource: &APIResourceDiscovery) -> Option<Resource> {
    let is_usable = ["list", "watch", "delete"].iter().all(|verb| resource.verbs.iter().any(|known| known == verb));
    let kind = resource.response_kind.as_ref()?.kind.clone()?;
    is_usable.then_some(Resource {
        group: group.to_owned(),
        version: version.to_owned(),
        kind,
        plural: resource.resource.clone()?,
        namespaced: resource.scope.as_deref() == Some("Namespaced"),
        has_status: resource.subresources.iter().any(|sub| sub.subresource.as_deref() == Some("status")),
    })
}
