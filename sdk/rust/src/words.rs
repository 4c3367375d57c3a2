//! The contract's own words for answers, with the ways to make them.

pub use crate::bindings::types::{Component, Demand, Dependency, Reference, Requirements, Verdict};
use crate::json::Json;

impl Demand {
    /// So many replicas that need nothing in particular.
    pub fn new(replicas: i64) -> Self {
        Self { replicas, requirements: Requirements::None }
    }

    /// Each replica is a pod of the template at this field; the host works out what it needs, the template is not handed over.
    pub fn pods_of(self, field: &str) -> Self {
        Self { requirements: Requirements::PodTemplate(field.to_owned()), ..self }
    }

    /// What each replica needs, as a ReplicaRequirements object of `work.karmada.io/v1alpha2`.
    pub fn needing(self, requirements: Json) -> Self {
        Self { requirements: Requirements::Explicit(requirements.into_text()), ..self }
    }
}

impl Component {
    /// A set of so many pods that need nothing in particular; the name is unique in the object.
    pub fn new(name: impl Into<String>, replicas: i64) -> Self {
        Self { name: name.into(), replicas, requirements: Requirements::None }
    }

    /// Its pods are of the template at this field; the host works out what each needs.
    pub fn pods_of(self, field: &str) -> Self {
        Self { requirements: Requirements::PodTemplate(field.to_owned()), ..self }
    }

    /// What each of its pods needs, as a ReplicaRequirements object of `work.karmada.io/v1alpha2`.
    pub fn needing(self, requirements: Json) -> Self {
        Self { requirements: Requirements::Explicit(requirements.into_text()), ..self }
    }
}

impl Reference {
    /// A cluster-scoped object by name; see [`Reference::within`] for one in a namespace.
    pub fn new(api_version: &str, kind: &str, name: impl Into<String>) -> Self {
        Self { api_version: api_version.to_owned(), kind: kind.to_owned(), namespace: None, name: Some(name.into()), label_selector: None }
    }

    /// All objects that a label selector (of meta/v1) names.
    pub fn selected(api_version: &str, kind: &str, selector: Json) -> Self {
        Self { name: None, label_selector: Some(selector.into_text()), ..Self::new(api_version, kind, "") }
    }

    /// In this namespace, where there is one.
    pub fn within(self, namespace: Option<impl Into<String>>) -> Self {
        Self { namespace: namespace.map(Into::into), ..self }
    }
}

impl Dependency {
    /// Everything that the pod template at this field refers to; the host works it out, the template is not handed over.
    pub fn pods_of(field: &str) -> Self {
        Self::PodTemplate(field.to_owned())
    }
}

impl From<Reference> for Dependency {
    fn from(reference: Reference) -> Self {
        Self::Object(reference)
    }
}

impl Verdict {
    /// Healthy when it holds, else unhealthy for this reason.
    pub fn healthy_if(holds: bool, otherwise: impl FnOnce() -> String) -> Self {
        if holds { Self::Healthy } else { Self::Unhealthy(otherwise()) }
    }
}
