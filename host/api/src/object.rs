//! Any Kubernetes object, of a kind that the host need not know.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::fmt;
use std::ops::{Deref, DerefMut};

/// A Kubernetes object as JSON. Reads never fail: a field that is absent or of another type reads as `None`, `""` or 0, so
/// that a broken object can still be named in the message about it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
#[serde(transparent)]
pub struct Object(pub Value);

/// Group, version and kind of an object.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct GroupVersionKind {
    /// API group, empty for the core group.
    pub group: String,
    /// Version in the group, for instance `v1`.
    pub version: String,
    /// Kind, for instance `Deployment`.
    pub kind: String,
}

impl GroupVersionKind {
    /// From an `apiVersion` (`apps/v1`, `v1`) and a kind.
    pub fn new(api_version: &str, kind: &str) -> Self {
        let (group, version) = api_version.rsplit_once('/').unwrap_or(("", api_version));
        Self { group: group.to_owned(), version: version.to_owned(), kind: kind.to_owned() }
    }

    /// The `apiVersion` of objects of this kind.
    pub fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.clone() } else { format!("{}/{}", self.group, self.version) }
    }
}

impl fmt::Display for GroupVersionKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.api_version(), self.kind)
    }
}

impl Object {
    /// `apiVersion`, or `""`.
    pub fn api_version(&self) -> &str {
        self.text(&["apiVersion"])
    }

    /// `kind`, or `""`.
    pub fn kind(&self) -> &str {
        self.text(&["kind"])
    }

    /// Group, version and kind.
    pub fn gvk(&self) -> GroupVersionKind {
        GroupVersionKind::new(self.api_version(), self.kind())
    }

    /// `metadata.name`, or `""`.
    pub fn name(&self) -> &str {
        self.text(&["metadata", "name"])
    }

    /// `metadata.namespace`; `None` when absent or empty: a cluster-scoped object.
    pub fn namespace(&self) -> Option<&str> {
        Some(self.text(&["metadata", "namespace"])).filter(|namespace| !namespace.is_empty())
    }

    /// `metadata.uid`, or `""`.
    pub fn uid(&self) -> &str {
        self.text(&["metadata", "uid"])
    }

    /// `metadata.resourceVersion`, or `""`.
    pub fn resource_version(&self) -> &str {
        self.text(&["metadata", "resourceVersion"])
    }

    /// `metadata.generation`, or 0.
    pub fn generation(&self) -> i64 {
        self.at(&["metadata", "generation"]).and_then(Value::as_i64).unwrap_or(0)
    }

    /// Whether `metadata.deletionTimestamp` is set.
    pub fn is_deleting(&self) -> bool {
        self.at(&["metadata", "deletionTimestamp"]).is_some_and(|time| !time.is_null())
    }

    /// The value of a label.
    pub fn label(&self, key: &str) -> Option<&str> {
        self.at(&["metadata", "labels", key]).and_then(Value::as_str)
    }

    /// The value of an annotation.
    pub fn annotation(&self, key: &str) -> Option<&str> {
        self.at(&["metadata", "annotations", key]).and_then(Value::as_str)
    }

    /// `metadata.labels`, where they are a map.
    pub fn labels(&self) -> Option<&Map<String, Value>> {
        self.at(&["metadata", "labels"]).and_then(Value::as_object)
    }

    /// `metadata.annotations`, where they are a map.
    pub fn annotations(&self) -> Option<&Map<String, Value>> {
        self.at(&["metadata", "annotations"]).and_then(Value::as_object)
    }

    /// Sets a label; makes `metadata.labels` where it is missing or not a map.
    pub fn set_label(&mut self, key: &str, value: impl Into<String>) {
        self.metadata_map("labels").insert(key.to_owned(), Value::String(value.into()));
    }

    /// Sets an annotation; makes `metadata.annotations` where it is missing or not a map.
    pub fn set_annotation(&mut self, key: &str, value: impl Into<String>) {
        self.metadata_map("annotations").insert(key.to_owned(), Value::String(value.into()));
    }

    /// The value at a path of keys (lists are not entered).
    pub fn at(&self, path: &[&str]) -> Option<&Value> {
        path.iter().try_fold(&self.0, |value, key| value.get(key))
    }

    /// How messages name the object: `Deployment shop/web`, `Namespace shop`.
    pub fn display(&self) -> String {
        match self.namespace() {
            Some(namespace) => format!("{} {namespace}/{}", self.kind(), self.name()),
            None => format!("{} {}", self.kind(), self.name()),
        }
    }

    fn text(&self, path: &[&str]) -> &str {
        self.at(path).and_then(Value::as_str).unwrap_or("")
    }

    fn metadata_map(&mut self, field: &str) -> &mut Map<String, Value> {
        let metadata = entry_map(as_map(&mut self.0), "metadata");
        entry_map(metadata, field)
    }
}

fn as_map(value: &mut Value) -> &mut Map<String, Value> {
    if !value.is_object() {
        *value = Value::Object(Map::new());
    }
    value.as_object_mut().expect("made an object above")
}

fn entry_map<'a>(map: &'a mut Map<String, Value>, key: &str) -> &'a mut Map<String, Value> {
    as_map(map.entry(key).or_insert(Value::Null))
}

impl Deref for Object {
    type Target = Value;
    fn deref(&self) -> &Value {
        &self.0
    }
}

impl DerefMut for Object {
    fn deref_mut(&mut self) -> &mut Value {
        &mut self.0
    }
}

impl From<Value> for Object {
    fn from(value: Value) -> Self {
        Self(value)
    }
}
