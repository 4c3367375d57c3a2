//! One line of `flotilla decide schedule --batch`: a binding and clusters as JSON, the decision as JSON.
//!
//! Decides nothing itself. The shapes are those of the behaviour vectors.

use super::{Decision, Options, Outcome, schedule};
use crate::binding::Binding;
use flotilla_api::cluster::Cluster;
use flotilla_api::work::{ClusterResourceBinding, ResourceBinding, TargetCluster};
use serde::Deserialize;
use serde_json::{Value, json};

/// Answers `{"binding", "clusters", "options"?}` with `{"clusters", "scheduled"?, "rejected"?}` or `{"error", "clustersAfter"}`.
pub fn answer(line: &Value) -> Value {
    let kind = line.pointer("/binding/kind").and_then(Value::as_str);
    let answer = match kind {
        Some("ClusterResourceBinding") => answer_for::<ClusterResourceBinding>(line),
        _ => answer_for::<ResourceBinding>(line),
    };
    answer.unwrap_or_else(|message| json!({"error": {"class": "InvalidObject", "message": message}, "clustersAfter": "kept"}))
}

fn answer_for<B: Binding>(line: &Value) -> Result<Value, String> {
    let binding = B::deserialize(&line["binding"]).map_err(|error| format!("`binding`: {error}"))?;
    let clusters = match &line["clusters"] {
        Value::Null => Vec::new(),
        clusters => Vec::<Cluster>::deserialize(clusters).map_err(|error| format!("`clusters`: {error}"))?,
    };
    let options = Options { keeps_empty_clusters: line.pointer("/options/enableEmptyWorkloadPropagation") == Some(&json!(true)) };
    let decision = schedule(&binding, &clusters, options);
    Ok(to_json(&decision, binding.spec().targets()))
}

fn to_json(decision: &Decision<'_>, before: &[TargetCluster]) -> Value {
    let mut answer = match &decision.outcome {
        Outcome::Unchanged => json!({"clusters": targets(before), "scheduled": false}),
        Outcome::Scheduled(clusters) => json!({"clusters": targets(clusters)}),
        Outcome::Failed { why, clusters } => json!({
            "error": {"class": why.reason(), "message": why.to_string()},
            "clustersAfter": match (before.is_empty(), clusters.is_empty()) {
                (true, true) => "empty",
                (false, true) => "cleared",
                _ => "kept",
            },
        }),
    };
    answer["trigger"] = json!(decision.trigger.to_string());
    let rejected = decision.rejected.iter().map(|(cluster, why)| json!({"cluster": cluster, "reason": why.to_string()}));
    answer["rejected"] = rejected.collect();
    answer
}

fn targets(clusters: &[TargetCluster]) -> Value {
    clusters.iter().map(|target| json!({"name": target.name, "replicas": target.replicas})).collect()
}
