//! From a member's object, and what came of applying it, to the status of its Work.

use crate::conditions::{self, Finding};
use flotilla_api::interpretation::{Health, HookError, Interpreter};
use flotilla_api::object::Object;
use flotilla_api::work::{ManifestStatus, ResourceHealth, ResourceIdentifier, Work, WorkStatus};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

/// Type of the condition that says whether the member has what the Work says.
pub const APPLIED: &str = "Applied";
/// Type of the condition that says whether anything is sent to the member.
pub const DISPATCHING: &str = "Dispatching";

/// What is known of a member's object.
#[derive(Debug, Clone, PartialEq)]
pub struct Reflected {
    /// For the Work.
    pub status: ManifestStatus,
    /// Why it is not healthy: the plugin's words, or the error that makes its health unknown.
    pub unwell: Option<Result<String, HookError>>,
}

/// What of a member's object is carried back. `plural` is the resource that its API server serves the kind as.
///
/// Health that cannot be told is `Unknown`, without failing; a kind that nobody can judge is healthy.
///
/// # Errors
/// When the status gives no answer: then what was carried back before stays.
pub fn reflect(observed: &Object, plural: &str, interpreter: &dyn Interpreter) -> Result<Reflected, HookError> {
    let status = interpreter.reflect(observed)?.and_then(|answer| answer.value).filter(|status| !status.is_null());
    let (health, unwell) = match interpreter.health(observed).map(|answer| answer.map(|answer| answer.value)) {
        Ok(None | Some(Health::Healthy)) => (ResourceHealth::Healthy, None),
        Ok(Some(Health::Unhealthy(why))) => (ResourceHealth::Unhealthy, Some(Ok(why))),
        Ok(Some(Health::Unknown(why))) => (ResourceHealth::Unknown, Some(Ok(why))),
        Err(error) => (ResourceHealth::Unknown, Some(Err(error))),
    };
    let status = ManifestStatus { identifier: identify(observed, plural), status, health: Some(health) };
    Ok(Reflected { status, unwell })
}

/// How the status of a Work names an object.
pub fn identify(object: &Object, plural: &str) -> ResourceIdentifier {
    let gvk = object.gvk();
    ResourceIdentifier {
        ordinal: 0,
        group: Some(gvk.group).filter(|group| !group.is_empty()),
        version: gvk.version,
        kind: gvk.kind,
        resource: plural.to_owned(),
        namespace: object.namespace().map(str::to_owned),
        name: object.name().to_owned(),
    }
}

/// What came of one turn of a Work. What is `None` was not looked at, and stays as it is.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Report {
    /// Whether anything may be sent to the member.
    pub is_dispatching: Option<bool>,
    /// Whether all manifests are in the member, or why not.
    pub applied: Option<Result<(), String>>,
    /// Generation of the Work that `applied` speaks of.
    pub generation: Option<i64>,
    /// What the member's object says.
    pub reflected: Option<ManifestStatus>,
}

impl Report {
    /// Whether the object is known not to be well.
    pub fn is_unhealthy(&self) -> bool {
        self.reflected.as_ref().is_some_and(|status| status.health == Some(ResourceHealth::Unhealthy))
    }
}

/// The status that a Work should have; `None` when it has it.
pub fn work_status(before: Option<&WorkStatus>, report: &Report, now: &Time) -> Option<WorkStatus> {
    let before = before.cloned().unwrap_or_default();
    let mut status = before.clone();
    if let Some(is_dispatching) = report.is_dispatching {
        conditions::set(&mut status.conditions, &dispatching(is_dispatching), now);
    }
    if let Some(applied) = &report.applied {
        conditions::set(&mut status.conditions, &finding(applied), now);
        let condition = status.conditions.iter_mut().find(|condition| condition.type_ == APPLIED);
        condition.expect("set above").observed_generation = report.generation;
    }
    if let Some(reflected) = &report.reflected {
        status.manifest_statuses = vec![reflected.clone()];
    }
    (status != before).then_some(status)
}

/// Whether the status of a Work speaks of the Work as it is now.
pub fn has_reported(work: &Work) -> bool {
    applied(work).is_some_and(|condition| condition.observed_generation == work.metadata.generation)
}

/// Whether the status of a Work says that the Work, as it is now, is in the member.
pub fn is_applied(work: &Work) -> bool {
    has_reported(work) && applied(work).is_some_and(|condition| condition.status == "True")
}

fn applied(work: &Work) -> Option<&Condition> {
    work.status.iter().flat_map(|status| &status.conditions).find(|condition| condition.type_ == APPLIED)
}

fn dispatching(is_dispatching: bool) -> Finding {
    let (reason, message) = match is_dispatching {
        true => ("Dispatching", "changes are sent to the member"),
        false => ("SuspendDispatching", "`suspendDispatching` holds changes back"),
    };
    Finding { kind: DISPATCHING, holds: is_dispatching, reason, message: message.to_owned() }
}

fn finding(applied: &Result<(), String>) -> Finding {
    let (reason, message) = match applied {
        Ok(()) => ("AppliedSuccessful", "the member has what the Work says".to_owned()),
        Err(why) => ("AppliedFailed", why.clone()),
    };
    Finding { kind: APPLIED, holds: applied.is_ok(), reason, message }
}
