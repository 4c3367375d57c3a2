//! All policies, ordered so that finding the best one for a template costs the same for ten policies and for ten thousand.

use super::policy::{Policy, PolicyName, Rank};
use super::selects::{Specificity, given, group, selects};
use flotilla_api::object::{GroupVersionKind, Object};
use flotilla_api::policy::ResourceSelector;
use std::collections::HashMap;
use std::sync::Arc;

/// All policies of both scopes.
#[derive(Debug, Clone, Default)]
pub struct PolicyIndex {
    policies: HashMap<PolicyName, Arc<Policy>>,
    /// Selectors by what an object must have to be meant; the best policies come first.
    selectors: HashMap<String, Vec<Entry>>,
}

#[derive(Debug, Clone)]
struct Entry {
    policy: Arc<Policy>,
    selector: usize,
}

impl Entry {
    fn selector(&self) -> &ResourceSelector {
        &self.policy.spec.resource_selectors[self.selector]
    }

    /// The rank that the policy has if this selector means the template.
    fn rank(&self) -> Rank<'_> {
        let selector = self.selector();
        let specificity = match (given(&selector.name), &selector.label_selector) {
            (Some(_), _) => Specificity::Name,
            (None, Some(_)) => Specificity::Labels,
            (None, None) => Specificity::Kind,
        };
        self.policy.rank(specificity)
    }
}

impl PolicyIndex {
    /// The index of these policies.
    pub fn new(policies: impl IntoIterator<Item = Policy>) -> Self {
        let mut index = Self::default();
        for policy in policies {
            index.list(policy);
        }
        index.selectors.values_mut().for_each(|entries| entries.sort_by(|one, other| other.rank().cmp(&one.rank())));
        index
    }

    /// Adds a policy, in the place of the one of this name.
    pub fn insert(&mut self, policy: Policy) {
        self.remove(&policy.name);
        for key in self.list(policy) {
            let entries = self.selectors.entry(key).or_default();
            entries.sort_by(|one, other| other.rank().cmp(&one.rank()));
        }
    }

    /// Removes a policy.
    pub fn remove(&mut self, name: &PolicyName) -> Option<Arc<Policy>> {
        let policy = self.policies.remove(name)?;
        for selector in &policy.spec.resource_selectors {
            let key = key_of(&policy.name, selector);
            if let Some(entries) = self.selectors.get_mut(&key) {
                entries.retain(|entry| entry.policy.name != *name);
                if entries.is_empty() {
                    self.selectors.remove(&key);
                }
            }
        }
        Some(policy)
    }

    /// The policy of this name.
    pub fn get(&self, name: &PolicyName) -> Option<&Arc<Policy>> {
        self.policies.get(name)
    }

    /// All policies, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Policy>> {
        self.policies.values()
    }

    /// The policy that an unclaimed template follows. Those that are being deleted do not count.
    pub fn best(&self, template: &Object, serves: &dyn Fn(&GroupVersionKind) -> bool) -> Option<&Arc<Policy>> {
        let namespaced = template.namespace().and_then(|namespace| self.best_of(Some(namespace), template, serves));
        namespaced.or_else(|| self.best_of(None, template, serves))
    }

    fn best_of(&self, scope: Option<&str>, template: &Object, serves: &dyn Fn(&GroupVersionKind) -> bool) -> Option<&Arc<Policy>> {
        let namespaces = [Some(""), template.namespace()].into_iter().flatten();
        let places = namespaces.flat_map(|namespace| ["", template.name()].map(|name| (namespace, name)));
        let first = |(namespace, name)| {
            let entries = self.selectors.get(&key(scope, template.api_version(), template.kind(), namespace, name))?;
            entries.iter().find(|entry| !entry.policy.is_deleting && selects(entry.selector(), template, serves).is_ok())
        };
        places.filter_map(first).max_by(|one, other| one.rank().cmp(&other.rank())).map(|entry| &entry.policy)
    }

    /// Lists a policy under the keys of its selectors, last in each, and returns the keys.
    fn list(&mut self, policy: Policy) -> Vec<String> {
        let policy = Arc::new(policy);
        self.policies.insert(policy.name.clone(), Arc::clone(&policy));
        let mut keys = Vec::new();
        for (selector, key) in policy.spec.resource_selectors.iter().map(|selector| key_of(&policy.name, selector)).enumerate() {
            self.selectors.entry(key.clone()).or_default().push(Entry { policy: Arc::clone(&policy), selector });
            keys.push(key);
        }
        keys
    }
}

fn key_of(policy: &PolicyName, selector: &ResourceSelector) -> String {
    let (namespace, name) = (given(&selector.namespace).unwrap_or(""), given(&selector.name).unwrap_or(""));
    key(policy.namespace.as_deref(), &selector.api_version, &selector.kind, namespace, name)
}

/// Kinds are told apart by group, not by version. Empty texts stand for any.
fn key(scope: Option<&str>, api_version: &str, kind: &str, namespace: &str, name: &str) -> String {
    [scope.unwrap_or(""), group(api_version), kind, namespace, name].join("\0")
}
