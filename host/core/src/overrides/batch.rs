//! Overrides as a question and an answer in JSON: one line of `decide override --batch`.

use super::apply;
use flotilla_api::cluster::Cluster;
use flotilla_api::object::Object;
use flotilla_api::policy::{self, ClusterOverridePolicy, OverridePolicy};
use serde::Deserialize;
use serde_json::{Value, json};

/// Answers `{object, cluster, overridePolicies}` with `{object, applied}`: the object for the cluster, and the rules in the order in
/// which they were applied; or with `{error: {class, message}}`.
pub fn answer(line: &Value) -> Value {
    match Question::read(line) {
        Ok(question) => question.answer(),
        Err(message) => json!({"error": {"class": "InvalidInput", "message": message}}),
    }
}

struct Question {
    object: Object,
    cluster: Cluster,
    cluster_overrides: Vec<ClusterOverridePolicy>,
    overrides: Vec<OverridePolicy>,
}

impl Question {
    fn read(line: &Value) -> Result<Self, String> {
        let field = |field: &str| line.get(field).ok_or_else(|| format!("`{field}` is missing"));
        let object = Object(field("object")?.clone());
        let cluster = Cluster::deserialize(field("cluster")?).map_err(|error| format!("`cluster`: {error}"))?;
        let (mut cluster_overrides, mut overrides) = (Vec::new(), Vec::new());
        for value in line.get("overridePolicies").and_then(Value::as_array).into_iter().flatten() {
            let named = Object(value.clone());
            let failed = |error: serde_json::Error| format!("{}: {error}", named.display());
            match named.kind() {
                "ClusterOverridePolicy" => cluster_overrides.push(policy::read(value).map_err(failed)?),
                "OverridePolicy" if named.namespace() != object.namespace() => {}
                "OverridePolicy" => overrides.push(policy::read(value).map_err(failed)?),
                other => return Err(format!("override policies have no kind `{other}`")),
            }
        }
        Ok(Self { object, cluster, cluster_overrides, overrides })
    }

    fn answer(mut self) -> Value {
        let (cluster_overrides, overrides): (Vec<_>, Vec<_>) = (self.cluster_overrides.iter().collect(), self.overrides.iter().collect());
        let applied = match apply(&mut self.object, &self.cluster, &cluster_overrides, &overrides, &|_| false) {
            Ok(applied) => applied,
            Err(error) => return json!({"error": {"class": error.cause.class(), "message": error.to_string()}}),
        };
        let rule = |(policy, overriders): &(super::PolicyRef<'_>, _)| {
            let mut rule = json!({"kind": policy.kind(), "name": policy.name, "overriders": overriders});
            if let Some(namespace) = policy.namespace {
                rule["namespace"] = json!(namespace);
            }
            rule
        };
        let applied: Vec<Value> = applied.0.iter().map(rule).collect();
        json!({"object": self.object, "applied": applied})
    }
}
