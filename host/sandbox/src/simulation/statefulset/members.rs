//! Which pods of a StatefulSet are made, deleted and replaced, and in which order.

use super::super::action::{Action, Target};
use super::super::events::{About, Event};
use super::super::kind::{CLAIM, Key, Meta, POD};
use super::super::revisions::{POD_LABEL, Plan};
use super::super::{pods, template};
use super::{Seen, Wanted};
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, PersistentVolumeClaimVolumeSource, Pod, Volume};
use k8s_openapi::jiff::Timestamp;
use std::sync::Arc;

/// A place in the set: its number, and the pod that has it.
struct Place<'a> {
    ordinal: i64,
    pod: Option<&'a Arc<Pod>>,
}

/// Makes what is missing, then deletes what is too many, then replaces what is old; the next step waits where one has to.
pub fn manage(seen: Seen, plan: &Plan, now: Timestamp) -> Vec<Action> {
    let wanted = seen.wanted;
    if wanted.meta.is_deleting() {
        return Vec::new();
    }
    let (places, condemned) = places(seen);
    let is_available = |pod: &Pod| is_running_and_available(wanted, pod, now);
    let (mut actions, blocked) = fill(seen, plan, &places, &is_available);
    if !blocked {
        let (deletions, waits) = shrink(wanted, &places, &condemned, &is_available);
        actions.extend(deletions);
        if !waits && wanted.rolling {
            actions.extend(replace(wanted, plan, &places, &is_available));
        }
    }
    actions
}

fn is_running_and_available(wanted: &Wanted, pod: &Pod, now: Timestamp) -> bool {
    pods::phase(pod) == "Running" && pods::is_available(pod, wanted.min_ready, now)
}

/// The set's places in order, and the pods beyond them, the highest first.
fn places<'a>(seen: Seen<'a>) -> (Vec<Place<'a>>, Vec<&'a Arc<Pod>>) {
    let wanted = seen.wanted;
    let prefix = format!("{}-", wanted.meta.name());
    let ordinal = |pod: &Pod| pod.metadata.name().strip_prefix(&prefix).and_then(|number| number.parse::<i64>().ok());
    let mut numbered: Vec<(i64, &Arc<Pod>)> = seen.pods.iter().filter_map(|pod| Some((ordinal(pod)?, pod))).collect();
    let count = usize::try_from(wanted.replicas).unwrap_or(0);
    let ordinals = (wanted.start..).filter(|ordinal| !wanted.reserved.contains(ordinal)).take(count);
    let places: Vec<Place> = ordinals
        .map(|ordinal| {
            let at = numbered.iter().position(|(number, _)| *number == ordinal);
            Place { ordinal, pod: at.map(|at| numbered.swap_remove(at).1) }
        })
        .collect();
    numbered.sort_by_key(|(number, _)| std::cmp::Reverse(*number));
    (places, numbered.into_iter().map(|(_, pod)| pod).collect())
}

/// Makes the pods that are missing; true when one has to be waited for before anything is deleted.
fn fill(seen: Seen, plan: &Plan, places: &[Place], is_available: &dyn Fn(&Pod) -> bool) -> (Vec<Action>, bool) {
    let wanted = seen.wanted;
    let mut actions = Vec::new();
    for (index, place) in places.iter().enumerate() {
        let waits = match place.pod {
            None => {
                actions.extend(create(seen, plan, place.ordinal, index));
                true
            }
            Some(pod) if pods::is_finished(pod) => {
                if !pod.metadata.is_deleting() {
                    actions.push(delete(wanted, pod));
                }
                true
            }
            Some(pod) => pod.metadata.is_deleting() || !is_available(pod),
        };
        if waits && !wanted.parallel {
            return (actions, true);
        }
    }
    (actions, false)
}

/// Deletes pods beyond the places; true when nothing is to be replaced meanwhile.
fn shrink(wanted: &Wanted, places: &[Place], condemned: &[&Arc<Pod>], is_available: &dyn Fn(&Pod) -> bool) -> (Vec<Action>, bool) {
    let mut actions = Vec::new();
    let all_well = places.iter().all(|place| place.pod.is_some_and(|pod| is_available(pod)));
    let first_unhealthy = condemned.iter().rev().find(|pod| !is_available(pod)).filter(|_| all_well);
    for pod in condemned {
        if pod.metadata.is_deleting() {
            if !wanted.parallel {
                return (actions, true);
            }
            continue;
        }
        let may_go = is_available(pod) || first_unhealthy.is_some_and(|first| Arc::ptr_eq(first, pod));
        if may_go || wanted.parallel {
            actions.push(delete(wanted, pod));
        }
        if !wanted.parallel {
            return (actions, true);
        }
    }
    (actions, false)
}

/// Deletes pods of other revisions, the highest first, while not too many are missing.
fn replace(wanted: &Wanted, plan: &Plan, places: &[Place], is_available: &dyn Fn(&Pod) -> bool) -> Vec<Action> {
    let mut actions = Vec::new();
    let mut missing = 0;
    let protected = usize::try_from(wanted.partition).unwrap_or(0);
    for pod in places.iter().skip(protected).rev().map(|place| place.pod) {
        if missing >= wanted.max_unavailable {
            break;
        }
        match pod {
            Some(pod) if !plan.update.is_of(&pod.metadata) && !pod.metadata.is_deleting() => {
                actions.push(delete(wanted, pod));
                missing += 1;
            }
            Some(pod) if is_available(pod) && !pod.metadata.is_deleting() => {}
            _ => missing += 1,
        }
    }
    actions
}

fn delete(wanted: &Wanted, pod: &Pod) -> Action {
    Action::delete(Target::new(&POD, &pod.metadata))
        .saying(event(
            wanted,
            false,
            "SuccessfulDelete",
            format!("Delete Pod {} in StatefulSet {} successful", pod.metadata.name(), wanted.meta.name()),
        ))
        .complaining(event(
            wanted,
            true,
            "FailedDelete",
            format!("Delete Pod {} in StatefulSet {} failed error: ", pod.metadata.name(), wanted.meta.name()),
        ))
}

fn event(wanted: &Wanted, warning: bool, reason: &'static str, message: String) -> Event {
    let about = About::new(wanted.kind, wanted.meta);
    if warning { about.warning(wanted.component, reason, message) } else { about.normal(wanted.component, reason, message) }
}

/// Makes a pod and the claims that it lacks.
fn create(seen: Seen, plan: &Plan, ordinal: i64, index: usize) -> Vec<Action> {
    let wanted = seen.wanted;
    let set = wanted.meta.name();
    let pod = new_pod(wanted, plan, ordinal, index);
    let name = pod.metadata.name();
    let mut actions = Vec::new();
    for claim in claims(wanted, ordinal).filter(|claim| !(seen.has_claim)(&Key::of(&claim.metadata))) {
        let said = format!("Create Claim {} Pod {name} in StatefulSet {set} success", claim.metadata.name());
        let failed = format!("Create Claim {} for Pod {name} in StatefulSet {set} failed error: ", claim.metadata.name());
        let action = Action::create(&CLAIM, &claim).saying(event(wanted, false, "SuccessfulCreate", said));
        actions.push(action.complaining(event(wanted, true, "FailedCreate", failed)));
    }
    let said = format!("Create Pod {name} in StatefulSet {set} successful");
    let failed = format!("Create Pod {name} in StatefulSet {set} failed error: ");
    let action = Action::create(&POD, &pod).saying(event(wanted, false, "SuccessfulCreate", said));
    actions.push(action.complaining(event(wanted, true, "FailedCreate", failed)));
    actions
}

fn new_pod(wanted: &Wanted, plan: &Plan, ordinal: i64, index: usize) -> Pod {
    let set = wanted.meta.name();
    let name = format!("{set}-{ordinal}");
    let protected = wanted.rolling && index < usize::try_from(wanted.partition).unwrap_or(0);
    let revision = if protected { &plan.current } else { &plan.update };
    let owner = wanted.kind.controller_reference(wanted.meta);
    let mut pod = template::pod(&revision.template, wanted.meta.namespace(), name.clone(), owner);
    pod.metadata.generate_name = Some(format!("{set}-"));
    for (key, value) in [
        ("statefulset.kubernetes.io/pod-name", name.clone()),
        ("apps.kubernetes.io/pod-index", ordinal.to_string()),
        (POD_LABEL, revision.name.clone()),
    ] {
        template::set_label(&mut pod.metadata.labels, key, value);
    }
    let spec = pod.spec.get_or_insert_default();
    spec.hostname = Some(name);
    spec.subdomain = wanted.service.filter(|service| !service.is_empty()).map(str::to_owned);
    for claim in wanted.claims {
        let volumes = spec.volumes.get_or_insert_default();
        volumes.retain(|volume| volume.name != claim.metadata.name());
        let claim_name = claim_name(wanted, claim, ordinal);
        volumes.push(Volume {
            name: claim.metadata.name().to_owned(),
            persistent_volume_claim: Some(PersistentVolumeClaimVolumeSource { claim_name, read_only: None }),
            ..Volume::default()
        });
    }
    pod
}

fn claim_name(wanted: &Wanted, claim: &PersistentVolumeClaim, ordinal: i64) -> String {
    format!("{}-{}-{ordinal}", claim.metadata.name(), wanted.meta.name())
}

fn claims<'a>(wanted: &'a Wanted, ordinal: i64) -> impl Iterator<Item = PersistentVolumeClaim> + 'a {
    wanted.claims.iter().map(move |template| {
        let mut claim = template.clone();
        claim.metadata.name = Some(claim_name(wanted, template, ordinal));
        claim.metadata.namespace = wanted.meta.namespace.clone();
        let labels = claim.metadata.labels.get_or_insert_default();
        labels.extend(wanted.selector.match_labels.clone().unwrap_or_default());
        claim.status = None;
        claim
    })
}
