//! The last step down: from a manifest and the member's object to what is asked of the member's API server.
//!
//! Never talks to a member; never takes over or deletes an object that is not marked as ours. Source: controlplane.md §1.6.

mod agreed;

pub use agreed::{Agreed, Known};

use crate::render::prune::prune;
use flotilla_api::interpretation::{HookError, Interpreter};
use flotilla_api::labels;
use flotilla_api::object::Object;
use serde_json::{Map, Value};

/// Labels by which an object in a member is ours.
const OUR_LABELS: [&str; 6] = [
    labels::MANAGED,
    labels::PROPAGATION_POLICY_ID,
    labels::CLUSTER_PROPAGATION_POLICY_ID,
    labels::RESOURCE_BINDING_ID,
    labels::CLUSTER_RESOURCE_BINDING_ID,
    labels::WORK_ID,
];

/// Annotations that lead from an object in a member back to the control plane.
const OUR_ANNOTATIONS: [&str; 13] = [
    labels::PROPAGATION_POLICY_NAMESPACE,
    labels::PROPAGATION_POLICY_NAME,
    labels::CLUSTER_PROPAGATION_POLICY_NAME,
    labels::RESOURCE_BINDING_NAMESPACE,
    labels::RESOURCE_BINDING_NAME,
    labels::CLUSTER_RESOURCE_BINDING_NAME,
    labels::WORK_NAMESPACE,
    labels::WORK_NAME,
    labels::CONFLICT_RESOLUTION,
    labels::TEMPLATE_UID,
    labels::TEMPLATE_GENERATION,
    labels::MANAGED_ANNOTATIONS,
    labels::MANAGED_LABELS,
];

/// What to ask of the member.
#[derive(Debug, Clone, PartialEq)]
pub enum Apply {
    /// The object is not there: create the manifest as it is.
    Create,
    /// Replace the member's object by this one (its resourceVersion guards against a change in between).
    Update(Object),
    /// The member's object says what the manifest says; what to remember of both.
    Unchanged(Agreed),
}

/// Why nothing is asked of the member.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Somebody else made the member's object, and the policy does not say that it may be overwritten.
    #[error(
        "{object}: the member has an object of this name that Karmada does not manage; set `conflictResolution: Overwrite` in the policy to take it over"
    )]
    NotManaged {
        /// The object.
        object: String,
    },
    /// The plugin that knows what to keep of the member's object gave no answer.
    #[error("{object}: {source}")]
    Hook {
        /// The object.
        object: String,
        /// Why not.
        source: HookError,
    },
}

impl Refused {
    /// The stable word for events and metrics.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::NotManaged { .. } => "NotManaged",
            Self::Hook { source, .. } => source.class.as_str(),
        }
    }
}

/// Decides what to ask of a member for one manifest; `observed` is the member's object, `known` what is known of both from before.
///
/// # Errors
/// When the object is not ours, or the Retain hook gives no answer: then nothing may be written.
pub fn apply(manifest: &Object, observed: Option<&Object>, known: Known, interpreter: &dyn Interpreter) -> Result<Apply, Refused> {
    let Some(observed) = observed else {
        return Ok(Apply::Create);
    };
    if !is_managed(observed) && manifest.annotation(labels::CONFLICT_RESOLUTION) != Some(labels::CONFLICT_OVERWRITE) {
        return Err(Refused::NotManaged { object: manifest.display() });
    }
    let mut body = manifest.clone();
    keep_metadata(&mut body, observed);
    let retained = interpreter.retain(&body, observed);
    let retained = retained.map_err(|source| Refused::Hook { object: manifest.display(), source })?;
    let body = retained.map_or(body, |answer| answer.value);
    let agreed = agreed::agree(&body, observed, known).filter(|_| is_marked_the_same(&body, observed));
    Ok(agreed.map_or(Apply::Update(body), Apply::Unchanged))
}

/// Whether an object in a member is ours to change and delete.
pub fn is_managed(observed: &Object) -> bool {
    observed.label(labels::MANAGED) == Some(labels::MANAGED_VALUE)
}

/// Whether labels and annotations are the same but for what the member's controllers keep to themselves.
fn is_marked_the_same(one: &Object, other: &Object) -> bool {
    let entries = |object: &Object, field: &str| -> Map<String, Value> {
        let mut marks = Value::Object(Map::from_iter([("kind".to_owned(), object.kind().into())]));
        marks["metadata"][field] = object.at(&["metadata", field]).cloned().unwrap_or_default();
        prune(&mut marks);
        let mut entries = marks["metadata"][field].as_object().cloned().unwrap_or_default();
        entries.retain(|_, value| !value.is_null());
        entries
    };
    ["labels", "annotations"].iter().all(|field| entries(one, field) == entries(other, field))
}

/// What to ask of a member when a Work goes.
#[derive(Debug, Clone, PartialEq)]
pub enum Removal {
    /// Delete the object, with background propagation.
    Delete,
    /// Leave the object there, replaced by this one, which bears no mark of ours.
    Release(Object),
    /// The object is not there, or was never ours.
    Nothing,
}

/// Decides what becomes of a member's object when its Work is deleted; `preserve` is the Work's `preserveResourcesOnDeletion`.
pub fn remove(preserve: bool, observed: Option<&Object>) -> Removal {
    match observed.filter(|observed| is_managed(observed)) {
        None => Removal::Nothing,
        Some(_) if !preserve => Removal::Delete,
        Some(observed) => {
            let mut body = observed.clone();
            remove_keys(&mut body, "labels", &OUR_LABELS);
            remove_keys(&mut body, "annotations", &OUR_ANNOTATIONS);
            Removal::Release(body)
        }
    }
}

/// Keeps of the member's metadata what the manifest does not speak of, except the labels and annotations that the template had
/// and has no more.
fn keep_metadata(body: &mut Object, observed: &Object) {
    let records =
        [("annotations", observed.annotation(labels::MANAGED_ANNOTATIONS)), ("labels", observed.annotation(labels::MANAGED_LABELS))];
    let metadata = metadata_of(body);
    for field in ["resourceVersion", "finalizers", "ownerReferences"] {
        if let Some(value) = observed.at(&["metadata", field]) {
            metadata.insert(field.to_owned(), value.clone());
        }
    }
    for (field, record) in records {
        let Some(theirs) = observed.at(&["metadata", field]).and_then(Value::as_object) else {
            continue;
        };
        let was_ours = |key: &str| record.is_some_and(|keys| keys.split(',').any(|managed| managed == key));
        let kept = theirs.iter().filter(|(key, _)| !was_ours(key));
        let ours = map_at(metadata, field);
        for (key, value) in kept {
            ours.entry(key.clone()).or_insert_with(|| value.clone());
        }
    }
}

fn metadata_of(object: &mut Object) -> &mut Map<String, Value> {
    if !object.is_object() {
        object.0 = Value::Object(Map::new());
    }
    map_at(object.as_object_mut().expect("made an object above"), "metadata")
}

fn map_at<'a>(map: &'a mut Map<String, Value>, key: &str) -> &'a mut Map<String, Value> {
    let value = map.entry(key).or_insert(Value::Null);
    if !value.is_object() {
        *value = Value::Object(Map::new());
    }
    value.as_object_mut().expect("made an object above")
}

fn remove_keys(object: &mut Object, field: &str, keys: &[&str]) {
    let map = object.get_mut("metadata").and_then(|metadata| metadata.get_mut(field)).and_then(Value::as_object_mut);
    if let Some(map) = map {
        keys.iter().for_each(|key| drop(map.remove(*key)));
    }
}
