//! What is admitted: policies and Clusters as `core::admission` reviews them, and plugin ConfigMaps whose plugin loads.
//!
//! Loads a plugin to try it, in a store of its own: nothing that serves is touched.

use crate::{Admission, Admitted, Denied};
use flotilla_api::labels;
use flotilla_api::object::Object;
use flotilla_core::admission::{self, Context, FieldError, PolicyKind, Problem};
use flotilla_interpreter::{Chain, LoadOutcome, PluginStore};
use k8s_openapi::jiff::Timestamp;
use std::sync::Arc;

/// The namespace that plugins are read from.
pub const PLUGIN_NAMESPACE: &str = "flotilla-system";

/// Reviews the four kinds of `policy.karmada.io`, Clusters and plugin ConfigMaps; admits everything else as it is.
pub struct PolicyAdmission {
    /// What a plugin is tried on.
    chain: Arc<Chain>,
}

impl PolicyAdmission {
    /// Tries plugins on this chain.
    pub fn new(chain: Arc<Chain>) -> Self {
        Self { chain }
    }

    fn try_plugin(&self, old: Option<&Object>, new: &Object) -> Result<(), Denied> {
        let is_plugin = new.gvk().to_string() == "v1 ConfigMap"
            && new.namespace() == Some(PLUGIN_NAMESPACE)
            && new.label(labels::PLUGIN_ENABLED) == Some("true");
        let is_same = old.is_some_and(|old| {
            let digest = |object: &Object| object.annotation(labels::PLUGIN_DIGEST).map(str::to_owned);
            let is_enabled = old.label(labels::PLUGIN_ENABLED) == Some("true");
            is_enabled && digest(old) == digest(new) && ["data", "binaryData"].iter().all(|field| old.get(field) == new.get(field))
        });
        if !is_plugin || is_same || new.is_deleting() {
            return Ok(());
        }
        match PluginStore::new((*self.chain).clone()).apply_config_map(new) {
            LoadOutcome::Loaded { .. } => Ok(()),
            LoadOutcome::Refused(why) => {
                let detail = format!("the plugin cannot be loaded: {}: {}", why.reason, why.message);
                Err(denial(new, admission::Denied(vec![FieldError { field: "data".into(), problem: Problem::Unreadable, detail }])))
            }
        }
    }
}

impl Admission for PolicyAdmission {
    fn review(&self, old: Option<&Object>, new: &Object) -> Result<Admitted, Denied> {
        let object = match policy_kind(new) {
            Some(kind) => {
                let namespace = new.namespace().unwrap_or_default();
                let context = Context { namespace, new_id: &|| uuid::Uuid::new_v4().to_string() };
                admission::review(kind, old, new, &context).map_err(|denied| denial(new, denied))?
            }
            None if is_cluster(new) => {
                let now = Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
                admission::review_cluster(old, new, &now).map_err(|denied| denial(new, denied))?
            }
            None => {
                self.try_plugin(old, new)?;
                new.clone()
            }
        };
        Ok(Admitted { object, warnings: Vec::new() })
    }

    fn check(&self, old: Option<&Object>, new: &Object) -> Result<(), Denied> {
        match policy_kind(new) {
            Some(kind) => admission::validate(kind, old, new).map_err(|denied| denial(new, denied)),
            None if is_cluster(new) => admission::validate_cluster(new).map_err(|denied| denial(new, denied)),
            None => self.try_plugin(old, new),
        }
    }

    fn check_deletion(&self, object: &Object) -> Result<(), Denied> {
        admission::check_deletion(object).map_err(|denied| denial(object, denied))
    }
}

/// The kind of a policy that is reviewed; one that is being deleted only loses its finalizers.
fn policy_kind(object: &Object) -> Option<PolicyKind> {
    let is_ours = object.gvk().group == "policy.karmada.io" && !object.is_deleting();
    PolicyKind::of(object.kind()).filter(|_| is_ours)
}

/// One that is being deleted only loses its finalizers, too.
fn is_cluster(object: &Object) -> bool {
    object.gvk().group == "cluster.karmada.io" && object.kind() == "Cluster" && !object.is_deleting()
}

fn denial(object: &Object, reasons: admission::Denied) -> Denied {
    Denied { object: object.display(), reasons }
}
