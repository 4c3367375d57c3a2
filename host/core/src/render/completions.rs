//! The completions of a Job that runs in several clusters: divided among them like its replicas.
//!
//! Source: controlplane.md §1.4, step 5b.

use crate::scheduling::webster::{Ties, dispense};
use flotilla_api::object::Object;
use flotilla_api::work::TargetCluster;
use serde_json::Value;

/// Writes the share of `cluster` into `spec.completions` of a Job, where it has any; the replicas of `targets` are the weights.
pub fn divide(manifest: &mut Object, template_uid: &str, targets: &[TargetCluster], cluster: &str) {
    let completions = manifest.at(&["spec", "completions"]).and_then(Value::as_i64);
    let (Some(completions), "Job") = (completions, manifest.kind()) else { return };
    let mut targets: Vec<&TargetCluster> = targets.iter().collect();
    targets.sort_by_key(|target| &target.name);
    let votes: Vec<i64> = targets.iter().map(|target| target.replicas.into()).collect();
    let shares = dispense(completions, &votes, Ties::of_uid(template_uid));
    let share = targets.iter().zip(shares).find(|(target, _)| target.name == cluster);
    if let Some((_, share)) = share {
        manifest["spec"]["completions"] = share.into();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn target(name: &str, replicas: i32) -> TargetCluster {
        TargetCluster { name: name.to_owned(), replicas, ..TargetCluster::default() }
    }

    #[track_caller]
    fn check(job: Value, cluster: &str, expected: Value) {
        let mut job = Object(job);
        divide(&mut job, "", &[target("m2", 1), target("m1", 3)], cluster);
        assert_eq!(job.0, expected);
    }

    #[test]
    fn completions_follow_replicas() {
        let job = json!({"kind": "Job", "spec": {"completions": 8, "parallelism": 4}});
        check(job.clone(), "m1", json!({"kind": "Job", "spec": {"completions": 6, "parallelism": 4}}));
        check(job, "m2", json!({"kind": "Job", "spec": {"completions": 2, "parallelism": 4}}));
    }

    #[test]
    fn what_is_left_over_goes_by_name() {
        let job = json!({"kind": "Job", "spec": {"completions": 2}});
        check(job.clone(), "m1", json!({"kind": "Job", "spec": {"completions": 1}}));
        check(job, "m2", json!({"kind": "Job", "spec": {"completions": 1}}));
    }

    #[test]
    fn what_has_no_completions_is_left_alone() {
        for object in [json!({"kind": "Job", "spec": {"parallelism": 4}}), json!({"kind": "Tally", "spec": {"completions": 8}})] {
            check(object.clone(), "m1", object);
        }
    }
}
