//! StatefulSets.

use crate::kinds::Behaviour;
use crate::kinds::core::claim_spec;
use crate::kinds::pod_spec::defaults;
use crate::kinds::reach::{each, fill, fill_zero, given, inner};
use crate::kinds::tidy::tidy;
use serde_json::Value;

/// StatefulSets.
pub(in crate::kinds) struct StatefulSets;

impl Behaviour for StatefulSets {
    fn default(&self, object: &mut Value) {
        tidy(object);
        let status = inner(object, "status");
        fill(status, "replicas", 0);
        fill(status, "availableReplicas", 0);
        let spec = inner(object, "spec");
        fill(spec, "replicas", 1);
        fill(spec, "revisionHistoryLimit", 10);
        fill_zero(spec, "podManagementPolicy", "OrderedReady");
        update_strategy(inner(spec, "updateStrategy"));
        let retention = inner(spec, "persistentVolumeClaimRetentionPolicy");
        fill_zero(retention, "whenDeleted", "Retain");
        fill_zero(retention, "whenScaled", "Retain");
        defaults::template(inner(spec, "template"));
        each(spec, "/volumeClaimTemplates").for_each(claim_template);
    }
}

/// `rollingUpdate` is made only when the type was left out too.
fn update_strategy(strategy: &mut Value) {
    if strategy.get("type").is_none_or(|kind| kind == "") {
        fill_zero(strategy, "type", "RollingUpdate");
        inner(strategy, "rollingUpdate");
    }
    if strategy["type"] == "RollingUpdate"
        && let Some(rolling) = given(strategy, "rollingUpdate")
    {
        fill(rolling, "partition", 0);
    }
}

fn claim_template(claim: &mut Value) {
    fill(claim, "apiVersion", "v1");
    fill(claim, "kind", "PersistentVolumeClaim");
    inner(claim, "metadata");
    claim_spec(inner(claim, "spec"));
    fill_zero(inner(claim, "status"), "phase", "Pending");
}
