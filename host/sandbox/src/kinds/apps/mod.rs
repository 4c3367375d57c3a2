//! The `apps` group (and the ReplicationController it grew from): workloads that keep pods running.

mod daemon_sets;
mod deployments;
mod replica_sets;
mod stateful_sets;

pub(super) use daemon_sets::DaemonSets;
pub(super) use deployments::Deployments;
pub(super) use replica_sets::{ReplicaSets, ReplicationControllers};
pub(super) use stateful_sets::StatefulSets;

use super::Behaviour;
use serde_json::Value;

/// ControllerRevisions: their `data` is another object, kept as it is.
pub(super) struct ControllerRevisions;

impl Behaviour for ControllerRevisions {
    fn default(&self, _object: &mut Value) {}
}
