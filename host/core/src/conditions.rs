//! Conditions: one entry a type, whose time changes only when its status does.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

/// What a condition is to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Type of the condition.
    pub kind: &'static str,
    /// Whether it holds.
    pub holds: bool,
    /// Why, in one word.
    pub reason: &'static str,
    /// Why, for people.
    pub message: String,
}

/// Writes what was found into `conditions`. The time of an entry is kept while its status is the same.
pub fn set(conditions: &mut Vec<Condition>, finding: &Finding, now: &Time) {
    let status = if finding.holds { "True" } else { "False" };
    let place = conditions.iter().position(|condition| condition.type_ == finding.kind);
    let before = place.map(|place| &conditions[place]).filter(|condition| condition.status == status);
    let condition = Condition {
        last_transition_time: before.map_or_else(|| now.clone(), |condition| condition.last_transition_time.clone()),
        message: finding.message.clone(),
        observed_generation: before.and_then(|condition| condition.observed_generation),
        reason: finding.reason.to_owned(),
        status: status.to_owned(),
        type_: finding.kind.to_owned(),
    };
    match place {
        Some(place) => conditions[place] = condition,
        None => conditions.push(condition),
    }
}

/// Whether the condition of this type says `True`. Not known is not true.
pub fn is_true(conditions: &[Condition], kind: &str) -> bool {
    conditions.iter().any(|condition| condition.type_ == kind && condition.status == "True")
}
