//! What a preview is made from: the objects of a `List`, sorted into what decisions ask for.
//!
//! Decides nothing. Objects of Karmada's own kinds are inputs; everything else is a template.

use crate::matching::{Policy, PolicyIndex};
use flotilla_api::cluster::Cluster;
use flotilla_api::object::Object;
use flotilla_api::policy::{self, ClusterOverridePolicy, ClusterPropagationPolicy, OverridePolicy, PropagationPolicy};
use flotilla_api::work::{ClusterResourceBinding, ResourceBinding};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::collections::BTreeMap;

/// The objects of a list.
#[derive(Debug, Default)]
pub struct World {
    /// What users wrote, in their order.
    pub templates: Vec<Object>,
    /// All policies.
    pub policies: PolicyIndex,
    /// All OverridePolicies.
    pub overrides: Vec<OverridePolicy>,
    /// All ClusterOverridePolicies.
    pub cluster_overrides: Vec<ClusterOverridePolicy>,
    /// All clusters, sorted by name.
    pub clusters: Vec<Cluster>,
    /// Bindings that are there.
    pub bindings: Vec<ResourceBinding>,
    /// Cluster-scoped bindings that are there.
    pub cluster_bindings: Vec<ClusterResourceBinding>,
    /// Values of PriorityClasses by name.
    pub priorities: BTreeMap<String, i32>,
}

impl World {
    /// Sorts the items of a list; objects of kinds that a preview has no use for are left out.
    ///
    /// # Errors
    /// One line that names the object which cannot be read.
    pub fn read(list: &Value) -> Result<Self, String> {
        let items = list.get("items").and_then(Value::as_array).ok_or("`items` is missing: a preview is made of a `List`")?;
        let mut world = Self::default();
        let mut policies = Vec::new();
        for item in items {
            let object = Object(item.clone());
            if object.kind().is_empty() {
                return Err(format!("every item needs a `kind`: {}", shortened(item)));
            }
            match (object.gvk().group.as_str(), object.kind()) {
                ("policy.karmada.io", "PropagationPolicy") => policies.push(Policy::from(read::<PropagationPolicy>(object)?)),
                ("policy.karmada.io", "ClusterPropagationPolicy") => {
                    policies.push(Policy::from(read::<ClusterPropagationPolicy>(object)?));
                }
                ("policy.karmada.io", "OverridePolicy") => world.overrides.push(read(object)?),
                ("policy.karmada.io", "ClusterOverridePolicy") => world.cluster_overrides.push(read(object)?),
                ("cluster.karmada.io", "Cluster") => world.clusters.push(read(object)?),
                ("work.karmada.io", "ResourceBinding") => world.bindings.push(read(object)?),
                ("work.karmada.io", "ClusterResourceBinding") => world.cluster_bindings.push(read(object)?),
                (group, _) if is_of_control_plane(group) => {}
                _ => world.keep_template(object),
            }
        }
        world.policies = PolicyIndex::new(policies);
        world.clusters.sort_by(|one, other| one.name().cmp(other.name()));
        Ok(world)
    }

    /// A PriorityClass is both: an object that can be propagated, and what policies may name.
    fn keep_template(&mut self, object: Object) {
        if object.kind() == "PriorityClass" {
            let value = object.get("value").and_then(Value::as_i64).and_then(|value| i32::try_from(value).ok());
            self.priorities.extend(value.map(|value| (object.name().to_owned(), value)));
        }
        self.templates.push(object);
    }
}

/// Groups of which nothing is ever propagated.
fn is_of_control_plane(group: &str) -> bool {
    group.ends_with(".karmada.io") && group != "search.karmada.io"
}

/// Conditions say when they last changed, which people who write a `List` by hand leave out, and a preview does not ask.
fn read<T: DeserializeOwned>(mut object: Object) -> Result<T, String> {
    if let Some(status) = object.get_mut("status").and_then(Value::as_object_mut) {
        status.remove("conditions");
    }
    policy::read(&object.0).map_err(|error| format!("{}: {error}", object.display()))
}

fn shortened(item: &Value) -> String {
    item.to_string().chars().take(80).collect()
}
