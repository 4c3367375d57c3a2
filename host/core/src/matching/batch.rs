//! Matching as a question and an answer in JSON: one line of `decide match --batch`.
//!
//! Asks [`decide`] as controllers do: once, again where a void claim was removed, then each policy that may take over.

use super::{Context, Policy, PolicyIndex, PolicyName, Verdict, claim, decide, is_skipped_by_default, preempt};
use crate::bind;
use flotilla_api::object::Object;
use flotilla_api::{labels, names, policy};
use serde_json::{Value, json};
use std::sync::Arc;

/// Answers `{object, policies, overridePolicies?, featureGates?, changedByKarmada?}` with `{considered, policy, binding}`, where
/// `policy` is the claim in the end and `binding` is what was written before any policy took over.
pub fn answer(line: &Value) -> Value {
    match Question::read(line) {
        Ok(question) => question.answer(),
        Err(message) => json!({"error": {"class": "InvalidInput", "message": message}}),
    }
}

struct Question {
    template: Object,
    /// As listed.
    policies: Vec<PolicyName>,
    index: PolicyIndex,
    overrides: Vec<(Option<String>, String)>,
    preemption: bool,
    by_us: bool,
}

impl Question {
    fn read(line: &Value) -> Result<Self, String> {
        let template = line.get("object").cloned().ok_or("`object` is missing")?;
        let list = |field: &str| line.get(field).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let policies = list("policies").iter().map(read_policy).collect::<Result<Vec<_>, _>>()?;
        let overrides = list("overridePolicies").iter().cloned().map(Object);
        Ok(Self {
            template: Object(template),
            policies: policies.iter().map(|policy| policy.name.clone()).collect(),
            index: PolicyIndex::new(policies),
            overrides: overrides.map(|policy| (policy.namespace().map(str::to_owned), policy.name().to_owned())).collect(),
            preemption: line.pointer("/featureGates/PropagationPolicyPreemption") == Some(&Value::Bool(true)),
            by_us: line.get("changedByKarmada") == Some(&Value::Bool(true)),
        })
    }

    fn answer(mut self) -> Value {
        let (mut verdict, mut answer) = (self.decide(), json!({"considered": true, "policy": null, "binding": null}));
        if let Verdict::Released(policy) = &verdict {
            release(&mut self.template, policy);
            answer["claimCleaned"] = json!(true);
            verdict = self.decide();
        }
        match &verdict {
            Verdict::Follows(policy) => {
                self.claim(&Arc::clone(policy));
                if policy.is_due(self.by_us) {
                    answer["binding"] = self.binding();
                }
            }
            Verdict::Ignored(super::Ignored::ClaimedBy(_)) => {}
            Verdict::Ignored(_) => answer["considered"] = json!(false),
            Verdict::Waiting(why) => answer["reconcileError"] = json!(why.reason()),
            Verdict::Released(_) | Verdict::Kept(_) | Verdict::Unmatched => {}
        }
        if self.preemption {
            self.preempt();
        }
        answer["policy"] = claim(&self.template).map_or(Value::Null, |policy| name(&policy));
        answer
    }

    fn decide(&self) -> Verdict {
        let has_override =
            |namespace: Option<&str>, name: &str| self.overrides.iter().any(|(of, called)| of.as_deref() == namespace && called == name);
        let context =
            Context { policies: &self.index, serves: &|_| false, has_override: &has_override, skips_namespace: &is_skipped_by_default };
        decide(&self.template, &context)
    }

    fn preempt(&mut self) {
        for name in self.policies.clone() {
            let policy = self.index.get(&name).filter(|policy| preempt::preempts(policy, &self.template, &self.index).is_ok());
            if let Some(policy) = policy.cloned() {
                self.claim(&policy);
            }
        }
    }

    fn claim(&mut self, policy: &Policy) {
        if let Some(patch) = bind::claim(&self.template, &policy.claimant()) {
            json_patch::merge(&mut self.template.0, &patch);
        }
    }

    fn binding(&self) -> Value {
        let name = names::binding_name(self.template.kind(), self.template.name());
        match self.template.namespace() {
            Some(namespace) => json!({"kind": "ResourceBinding", "namespace": namespace, "name": name}),
            None => json!({"kind": "ClusterResourceBinding", "name": name}),
        }
    }
}

fn read_policy(value: &Value) -> Result<Policy, String> {
    match value.get("kind").and_then(Value::as_str) {
        Some("PropagationPolicy") => policy::read::<policy::PropagationPolicy>(value).map(Policy::from),
        Some("ClusterPropagationPolicy") => policy::read::<policy::ClusterPropagationPolicy>(value).map(Policy::from),
        other => return Err(format!("policies have no kind `{}`", other.unwrap_or(""))),
    }
    .map_err(|error| format!("{}: {error}", Object(value.clone()).display()))
}

fn release(template: &mut Object, policy: &PolicyName) {
    let (label, annotations): (_, &[&str]) = match policy.namespace {
        Some(_) => (labels::PROPAGATION_POLICY_ID, &[labels::PROPAGATION_POLICY_NAMESPACE, labels::PROPAGATION_POLICY_NAME]),
        None => (labels::CLUSTER_PROPAGATION_POLICY_ID, &[labels::CLUSTER_PROPAGATION_POLICY_NAME]),
    };
    let mut patch = json!({"metadata": {"labels": {label: null}, "annotations": {}}});
    annotations.iter().for_each(|key| patch["metadata"]["annotations"][*key] = Value::Null);
    json_patch::merge(&mut template.0, &patch);
}

fn name(policy: &PolicyName) -> Value {
    json!({"kind": policy.kind(), "namespace": policy.namespace.as_deref().unwrap_or(""), "name": policy.name})
}
