//! The eight questions that are asked about the *meaning* of a kind, and what may come back.
//!
//! `flotilla-interpreter` answers them from plugins; `flotilla-core` asks them through [`Interpreter`] and knows nothing of
//! WebAssembly. Source: interpretation operations of Karmada's `config.karmada.io/v1alpha1`.

use crate::object::Object;
use crate::work::{AggregatedStatusItem, Component, DependentObjectReference, ReplicaRequirements};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// One of Karmada's eight interpretation operations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Operation {
    /// How many replicas, and what each needs. Hook `replicas`.
    InterpretReplica,
    /// The sets of pods of a template with more than one. Hook `components`.
    InterpretComponent,
    /// Write the replicas of one cluster into the template. Hook `revision`.
    ReviseReplica,
    /// Keep what a member may change. Hook `retention`.
    Retain,
    /// Sum up the clusters' statuses. Hook `aggregation`.
    AggregateStatus,
    /// The status worth carrying back. Hook `reflection`.
    InterpretStatus,
    /// Is it working? Hook `health`.
    InterpretHealth,
    /// What must be sent along. Hook `dependencies`.
    InterpretDependency,
}

impl Operation {
    /// All operations, in the order in which they are listed to users.
    pub const ALL: [Operation; 8] = [
        Self::InterpretReplica,
        Self::InterpretComponent,
        Self::ReviseReplica,
        Self::Retain,
        Self::InterpretStatus,
        Self::AggregateStatus,
        Self::InterpretHealth,
        Self::InterpretDependency,
    ];

    /// Karmada's name of the operation.
    pub fn name(self) -> &'static str {
        self.names().0
    }

    /// The name of the hook (the WIT interface) that answers it.
    pub fn hook(self) -> &'static str {
        self.names().1
    }

    /// The operation that the hook (WIT interface) of this name answers.
    pub fn of_hook(hook: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|operation| operation.hook() == hook)
    }

    fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::InterpretReplica => ("InterpretReplica", "replicas"),
            Self::InterpretComponent => ("InterpretComponent", "components"),
            Self::ReviseReplica => ("ReviseReplica", "revision"),
            Self::Retain => ("Retain", "retention"),
            Self::AggregateStatus => ("AggregateStatus", "aggregation"),
            Self::InterpretStatus => ("InterpretStatus", "reflection"),
            Self::InterpretHealth => ("InterpretHealth", "health"),
            Self::InterpretDependency => ("InterpretDependency", "dependencies"),
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Operation {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|operation| operation.name().eq_ignore_ascii_case(text) || operation.hook() == text)
            .ok_or_else(|| format!("unknown operation `{text}`, known are {}", Self::ALL.map(Self::name).join(", ")))
    }
}

/// The stable word for why a hook gave no answer: event reason, metric label, `class` in batch answers.
/// Renaming one is a breaking change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ErrorClass {
    /// No layer answers this operation for this kind.
    NoInterpreter,
    /// The plugin looked at the object and refused it; the user's to mend.
    InvalidObject,
    /// The plugin said that it failed.
    PluginFailed,
    /// The call passed its deadline.
    Deadline,
    /// The call wanted more memory than it may have.
    Memory,
    /// The plugin trapped.
    Trap,
    /// The answer is not of the shape that the operation asks for.
    BadOutput,
    /// The answer changes a field that the plugin did not declare.
    UndeclaredWrite,
    /// The plugin that should answer is known but not loaded.
    NotLoaded,
}

impl ErrorClass {
    /// The word itself.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NoInterpreter => "NoInterpreter",
            Self::InvalidObject => "InvalidObject",
            Self::PluginFailed => "PluginFailed",
            Self::Deadline => "Deadline",
            Self::Memory => "Memory",
            Self::Trap => "Trap",
            Self::BadOutput => "BadOutput",
            Self::UndeclaredWrite => "UndeclaredWrite",
            Self::NotLoaded => "NotLoaded",
        }
    }
}

impl fmt::Display for ErrorClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a hook gave no answer. Holds the object still: nothing is decided without the answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct HookError {
    /// The class, stable.
    pub class: ErrorClass,
    /// Who was asked; absent when nobody was.
    pub plugin: Option<Arc<Origin>>,
    /// What was asked.
    pub operation: Operation,
    /// One line for the user: names plugin, hook and, for an invalid object, the field.
    pub message: String,
}

/// Who answered.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Origin {
    /// Which layer: loaded by an operator, built in, or the generic default.
    pub layer: Layer,
    /// Name of the plugin; `generic` for the default.
    pub plugin: String,
    /// Its version; empty for the default.
    pub version: String,
    /// `sha256:…` of the component; empty for the default.
    pub digest: String,
}

/// The layers of interpretation, in the order in which they are asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Layer {
    /// A plugin that an operator loaded.
    Loaded,
    /// A plugin that comes with Flotilla.
    BuiltIn,
    /// What holds for every kind: the whole status is carried back.
    Generic,
}

/// An answer and who gave it.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer<T> {
    /// The answer.
    pub value: T,
    /// Who gave it.
    pub by: Arc<Origin>,
}

/// How many replicas a template asks for, and what each needs.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Demand {
    /// Replicas; never negative.
    pub replicas: i64,
    /// What one replica needs; `None`: nothing in particular.
    pub requirements: Option<ReplicaRequirements>,
}

/// Is it working? The text is for the user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Health {
    /// It works.
    Healthy,
    /// It does not, and why.
    Unhealthy(String),
    /// It cannot be told, and why.
    Unknown(String),
}

/// `Ok(None)`: no layer answers this operation for this kind. An error is final and holds the object still.
pub type Asked<T> = Result<Option<Answer<T>>, HookError>;

/// Whoever can answer for kinds. Calls are synchronous and short (microseconds to the deadline of a plugin); they may be made
/// from any thread.
pub trait Interpreter: Send + Sync {
    /// Whether some layer would answer; cheap, asks no plugin.
    fn is_supported(&self, object: &Object, operation: Operation) -> Result<bool, HookError>;
    /// InterpretReplica.
    fn replicas(&self, template: &Object) -> Asked<Demand>;
    /// InterpretComponent.
    fn components(&self, template: &Object) -> Asked<Vec<Component>>;
    /// ReviseReplica: the changed template.
    fn revise(&self, template: &Object, replicas: i64) -> Asked<Object>;
    /// Retain: the changed desired object.
    fn retain(&self, desired: &Object, observed: &Object) -> Asked<Object>;
    /// InterpretStatus: the status to carry back, `None` while there is none. Always supported: the generic default copies `.status`.
    fn reflect(&self, observed: &Object) -> Asked<Option<serde_json::Value>>;
    /// AggregateStatus: the changed template; only its `.status` may differ. `None` and an empty list of items are different.
    fn aggregate(&self, template: &Object, items: Option<&[AggregatedStatusItem]>) -> Asked<Object>;
    /// InterpretHealth.
    fn health(&self, observed: &Object) -> Asked<Health>;
    /// InterpretDependency, sorted by apiVersion, kind, namespace, name.
    fn dependencies(&self, template: &Object) -> Asked<Vec<DependentObjectReference>>;
}
