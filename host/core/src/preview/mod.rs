//! What would become of templates: the whole way down, from the same functions that the controllers ask, without a cluster.
//!
//! Knows no time and no chance: permanent ids are derived from names, and nothing has a status. Nothing is left out silently: what
//! does not become a Work has a [`Reason`].

mod world;

pub use world::World;

use crate::bind::{self, BindError, Bound, Claimant};
use crate::binding::Binding;
use crate::matching::{self, Context, Policy, Verdict};
use crate::render::{self, RenderError, Rendered};
use crate::scheduling::wake::DEFAULT_SCHEDULER;
use crate::scheduling::{Decision, Options, Outcome};
use flotilla_api::interpretation::{Demand, Interpreter};
use flotilla_api::object::Object;
use flotilla_api::work::{TargetCluster, Work};
use flotilla_api::{labels, names};
use serde::Serialize;
use serde_json::{Value, json};

/// Where on its way down an object was when something was decided about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Stage {
    /// Which policy it follows.
    Match,
    /// Which clusters it goes to.
    Schedule,
    /// What override policies change.
    Override,
    /// What each cluster gets.
    Render,
}

/// Why something became of an object, or why not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reason {
    /// The template, as messages name it.
    pub object: String,
    /// Where it was.
    pub stage: Stage,
    /// The cluster, where it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster: Option<String>,
    /// A stable word.
    pub reason: String,
    /// A sentence.
    pub message: String,
}

/// What would become of templates.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Preview {
    /// Their bindings, of both scopes.
    pub bindings: Vec<Value>,
    /// The Works of their clusters.
    pub works: Vec<Work>,
    /// Why.
    pub reasons: Vec<Reason>,
}

/// Answers a `List` of templates, policies, clusters and bindings with `{"bindings", "works", "reasons"}`, or with `{"error"}`.
pub fn answer(list: &Value, interpreter: &dyn Interpreter) -> Value {
    match World::read(list) {
        Ok(world) => json!(preview(&world, interpreter)),
        Err(message) => json!({"error": {"class": "InvalidInput", "message": message}}),
    }
}

/// What would become of the templates of `world`.
pub fn preview(world: &World, interpreter: &dyn Interpreter) -> Preview {
    let mut preview = Preview::default();
    for template in &world.templates {
        let way = Way { world, template, interpreter };
        match template.namespace() {
            Some(_) => way.go(&world.bindings, &mut preview),
            None => way.go(&world.cluster_bindings, &mut preview),
        }
    }
    preview
}

/// The way of one template.
#[derive(Clone, Copy)]
struct Way<'a> {
    world: &'a World,
    template: &'a Object,
    interpreter: &'a dyn Interpreter,
}

impl<'a> Way<'a> {
    fn go<B: Binding>(self, existing: &[B], preview: &mut Preview) {
        let Some(policy) = self.policy(preview) else { return };
        let Some(binding) = self.binding(&policy, existing, preview) else { return };
        self.works(&binding, preview);
        preview.bindings.push(json!(binding));
    }

    fn policy(self, preview: &mut Preview) -> Option<std::sync::Arc<Policy>> {
        let is_override = |namespace: Option<&str>, name: &str| match namespace {
            None => self.world.cluster_overrides.iter().any(|policy| policy.metadata.name.as_deref() == Some(name)),
            Some(_) => self.overrides().any(|policy| policy.metadata.name.as_deref() == Some(name)),
        };
        let context = Context {
            policies: &self.world.policies,
            serves: &|_| false,
            has_override: &is_override,
            skips_namespace: &matching::is_skipped_by_default,
        };
        let verdict = matching::decide(self.template, &context);
        self.note(preview, Stage::Match, None, word(&verdict), verdict.to_string());
        for (policy, passed) in matching::explain(self.template, &verdict, &context) {
            self.note(preview, Stage::Match, None, "PassedOver", format!("{policy}: {passed}"));
        }
        match verdict {
            Verdict::Follows(policy) => Some(policy),
            _ => None,
        }
    }

    fn overrides(&self) -> impl Iterator<Item = &flotilla_api::policy::OverridePolicy> {
        self.world.overrides.iter().filter(|policy| policy.metadata.namespace.as_deref() == self.template.namespace())
    }

    fn binding<B: Binding>(self, policy: &Policy, existing: &[B], preview: &mut Preview) -> Option<B> {
        let demand = match self.interpreter.replicas(self.template) {
            Ok(demand) => demand.map(|answer| answer.value),
            Err(error) => {
                self.note(preview, Stage::Schedule, None, error.class.as_str(), error.to_string());
                return None;
            }
        };
        let bound = match self.bind(policy, existing, demand.as_ref()) {
            Ok(bound) => bound,
            Err(error) => {
                self.note(preview, Stage::Schedule, None, error.reason(), error.to_string());
                return None;
            }
        };
        match &bound.decision {
            Ok(decision) => self.note_decision(preview, decision),
            Err(why) => self.note(preview, Stage::Schedule, None, "NotOurs", why.to_string()),
        }
        Some(bound.binding)
    }

    fn bind<B: Binding>(self, policy: &Policy, existing: &[B], demand: Option<&Demand>) -> Result<Bound<'a, B>, BindError> {
        let (world, template) = (self.world, self.template);
        let name = names::binding_name(template.kind(), template.name());
        let is_same = |binding: &&B| binding.name() == name && binding.namespace() == template.namespace();
        let policy_id = derived_id(policy.name.kind(), policy.name.namespace.as_deref(), &policy.name.name);
        bind::bind(&bind::Input {
            template,
            policy: Claimant { id: if policy.id.is_empty() { &policy_id } else { &policy.id }, ..policy.claimant() },
            demand,
            existing: existing.iter().find(is_same),
            priority_class: &|class| world.priorities.get(class).copied(),
            new_id: &|| derived_id(B::SCOPE.kind(), template.namespace(), &name),
            clusters: &world.clusters,
            scheduler_name: DEFAULT_SCHEDULER,
            options: Options::default(),
        })
    }

    fn works<B: Binding>(self, binding: &B, preview: &mut Preview) {
        let cluster_overrides: Vec<_> = self.world.cluster_overrides.iter().collect();
        let overrides: Vec<_> = self.overrides().collect();
        let rendered = render::render(&render::Input {
            binding,
            template: self.template,
            cluster_overrides: &cluster_overrides,
            overrides: &overrides,
            cluster: &|name| self.world.clusters.iter().find(|cluster| cluster.name() == name),
            work_id: &|cluster| derived_id("Work", Some(cluster), binding.id()),
            serves: &|_| false,
            interpreter: self.interpreter,
        });
        for Rendered { cluster, work } in rendered {
            match work {
                Ok(work) => {
                    self.note_overrides(preview, &cluster, &work);
                    preview.works.push(work);
                }
                Err(error) => {
                    let stage = if matches!(error, RenderError::Override { .. }) { Stage::Override } else { Stage::Render };
                    self.note(preview, stage, Some(cluster), error.reason(), error.to_string());
                }
            }
        }
    }

    /// A Work notes which override policies changed it.
    fn note_overrides(self, preview: &mut Preview, cluster: &str, work: &Work) {
        let kinds = [(labels::APPLIED_CLUSTER_OVERRIDES, "ClusterOverridePolicy"), (labels::APPLIED_OVERRIDES, "OverridePolicy")];
        for (key, kind) in kinds {
            let noted = work.metadata.annotations.as_ref().and_then(|annotations| annotations.get(key));
            let applied: Vec<Value> = noted.and_then(|noted| serde_json::from_str(noted).ok()).unwrap_or_default();
            for policy in applied.iter().filter_map(|applied| applied["policyName"].as_str()) {
                self.note(preview, Stage::Override, Some(cluster.to_owned()), "Overridden", format!("changed by {kind} {policy}"));
            }
        }
    }

    fn note_decision(self, preview: &mut Preview, decision: &Decision<'_>) {
        let (word, message) = match &decision.outcome {
            Outcome::Unchanged => ("Unchanged", decision.trigger.to_string()),
            Outcome::Scheduled(clusters) => ("Scheduled", format!("goes to {}: {}", named(clusters), decision.trigger)),
            Outcome::Failed { why, .. } => (why.reason(), why.to_string()),
        };
        self.note(preview, Stage::Schedule, None, word, message);
        for (cluster, why) in &decision.rejected {
            self.note(preview, Stage::Schedule, Some((*cluster).to_owned()), why.reason(), why.to_string());
        }
    }

    fn note(self, preview: &mut Preview, stage: Stage, cluster: Option<String>, reason: &str, message: String) {
        let object = self.template.display();
        preview.reasons.push(Reason { object, stage, cluster, reason: reason.to_owned(), message });
    }
}

fn word(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Ignored(_) => "Ignored",
        Verdict::Follows(_) => "Follows",
        Verdict::Released(_) => "Released",
        Verdict::Kept(_) => "Kept",
        Verdict::Waiting(why) => why.reason(),
        Verdict::Unmatched => "Unmatched",
    }
}

/// `member1 (1), member2 (2)`; without numbers where nothing is counted.
fn named(clusters: &[TargetCluster]) -> String {
    let name = |target: &TargetCluster| match target.replicas {
        0 => target.name.clone(),
        replicas => format!("{} ({replicas})", target.name),
    };
    if clusters.is_empty() { "no cluster".to_owned() } else { clusters.iter().map(name).collect::<Vec<_>>().join(", ") }
}

/// An id in the shape of a UUID that is always the same for a name: two FNV-1a hashes of it.
fn derived_id(kind: &str, namespace: Option<&str>, name: &str) -> String {
    let text = format!("{kind}/{}/{name}", namespace.unwrap_or(""));
    let hash = |seed: u64| text.bytes().fold(seed, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    let digits = format!("{:016x}{:016x}", hash(0xcbf2_9ce4_8422_2325), hash(0x8422_2325_cbf2_9ce4));
    [&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]].join("-")
}
