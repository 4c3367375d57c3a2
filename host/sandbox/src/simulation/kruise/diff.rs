//! How far a CloneSet is from what it asks for: how many pods to make, to delete and to replace. The arithmetic is OpenKruise's.

use super::super::deployment::resolve;
use super::super::replicaset::number;
use super::clone_set::CloneSetSpec;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

/// What a pod is to the arithmetic.
#[derive(Debug, Clone, Copy)]
pub struct Member {
    /// Of the update revision.
    pub updated: bool,
    /// Named for deletion.
    pub doomed: bool,
    /// Ready for long enough.
    pub available: bool,
}

/// What to do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Diff {
    /// Pods to make now.
    pub create: i32,
    /// As many of those as possible are of the old revision.
    pub create_old: i32,
    /// Pods to delete beyond those that are named.
    pub delete: i32,
    /// As many of those as possible are of the old revision.
    pub delete_old: i32,
    /// Of the pods to delete, so many may be available ones.
    pub delete_available: i32,
    /// Pods to replace.
    pub update: i32,
    /// While replacing, so many may be missing.
    pub update_unavailable: i32,
}

/// `spec.updateStrategy.partition` in pods: a percentage below 100 leaves at least one to update.
pub fn partition(spec: &CloneSetSpec, replicas: i32) -> i32 {
    let partition = spec.update_strategy.rolling().partition.as_ref();
    let count = resolve(partition, replicas, true);
    let is_part = matches!(partition, Some(IntOrString::String(text)) if text != "100%");
    let count = if is_part { count.min(replicas - 1) } else { count };
    count.clamp(0, replicas.max(0))
}

/// Compares what there is with what is asked for.
pub fn diff(spec: &CloneSetSpec, members: &[Member]) -> Diff {
    let replicas = spec.replicas.unwrap_or(1);
    let rolling = spec.update_strategy.rolling();
    let partition = partition(spec, replicas);
    let surge = if rolling.paused { 0 } else { resolve(rolling.max_surge.as_ref(), replicas, true) };
    let usual = IntOrString::String("20%".to_owned());
    let max_unavailable = resolve(rolling.max_unavailable.as_ref().or(Some(&usual)), replicas, surge == 0);

    let count = |what: &dyn Fn(&Member) -> bool| number(members.iter().filter(|member| what(member)).count());
    let total = number(members.len());
    let (new, old) = (count(&|member| member.updated), count(&|member| !member.updated));
    let doomed_new = count(&|member| member.updated && member.doomed);
    let doomed_old = count(&|member| !member.updated && member.doomed);
    let doomed = doomed_new + doomed_old;
    let unavailable = count(&|member| !member.doomed && !member.available);
    let too_many_old = (old - partition).max(0);
    let too_few_new = (replicas - partition - new).max(0);

    let scale_surge = if doomed > 0 { (unavailable + doomed - max_unavailable).max(0).min(doomed) } else { 0 };
    let update_surge = too_many_old.min(too_few_new);
    let (used, used_old) = if scale_surge >= update_surge {
        (surge.min(scale_surge), surge.min((scale_surge - doomed_new).max(0)))
    } else {
        (surge.min(update_surge), 0)
    };

    let (wanted, wanted_old) = (replicas + used, partition + used_old);
    let mut diff = Diff::default();
    if total < wanted {
        let limit = spec.scale_strategy.max_unavailable.as_ref().map_or(i32::MAX, |max| resolve(Some(max), replicas, true));
        diff.create = (wanted - total).min((limit - unavailable).max(0));
        diff.create_old = (wanted_old - old).max(0);
    }
    if total - doomed > wanted {
        diff.delete = total - doomed - wanted;
        diff.delete_old = (old - doomed_old - wanted_old).max(0);
    }
    if doomed > 0 || diff.delete > 0 {
        diff.delete_available = (max_unavailable + (total - replicas) - unavailable).max(0);
    }
    diff.update = too_many_old.min(too_few_new);
    diff.update_unavailable = max_unavailable + total - replicas;
    diff
}
