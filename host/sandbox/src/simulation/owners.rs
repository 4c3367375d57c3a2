//! Which objects belong to an owner: those it controls whose labels match, and orphans that it adopts. Decides only.

use super::action::{Action, Target, to_json};
use super::kind::{Kind, Meta};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};
use kube::core::{Selector, SelectorExt as _};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A selector, read once for many objects. An empty, missing or wrong one matches nothing.
#[derive(Debug)]
pub struct Matcher(Option<Selector>);

impl Matcher {
    /// Reads a selector.
    pub fn new(selector: &LabelSelector) -> Self {
        let labels = selector.match_labels.as_ref().is_none_or(BTreeMap::is_empty);
        let expressions = selector.match_expressions.as_ref().is_none_or(Vec::is_empty);
        Self(if labels && expressions { None } else { Selector::try_from(selector.clone()).ok() })
    }

    /// Whether it matches an object's labels.
    pub fn matches(&self, meta: &ObjectMeta) -> bool {
        static NONE: BTreeMap<String, String> = BTreeMap::new();
        self.0.as_ref().is_some_and(|selector| selector.matches(meta.labels.as_ref().unwrap_or(&NONE)))
    }
}

/// The outcome of [`claim`].
#[derive(Debug)]
pub struct Claimed<K> {
    /// What belongs to the owner.
    pub objects: Vec<Arc<K>>,
    /// Adoptions and releases to write before anything else is decided.
    pub actions: Vec<Action>,
}

/// Sorts out what belongs to `owner`. An owner that is being deleted adopts and releases nothing.
pub fn claim<K: kube::Resource>(
    kind: &'static Kind,
    owner: (&'static Kind, &ObjectMeta),
    selector: &LabelSelector,
    owned: Vec<Arc<K>>,
    orphans: Vec<Arc<K>>,
) -> Claimed<K> {
    let deleting = owner.1.is_deleting();
    let matcher = Matcher::new(selector);
    let (mine, strays): (Vec<_>, Vec<_>) = owned.into_iter().partition(|object| matcher.matches(object.meta()));
    let mut actions: Vec<Action> = Vec::new();
    if !deleting {
        actions.extend(strays.iter().map(|object| release(kind, object.meta(), owner.1.uid())));
        let adoptable = orphans.iter().filter(|object| !object.meta().is_deleting() && matcher.matches(object.meta()));
        actions.extend(adoptable.map(|object| adopt(kind, object.meta(), owner)));
    }
    Claimed { objects: mine, actions }
}

fn adopt(kind: &'static Kind, meta: &ObjectMeta, (owner_kind, owner): (&'static Kind, &ObjectMeta)) -> Action {
    let mut references = meta.owner_references.clone().unwrap_or_default();
    references.push(owner_kind.controller_reference(owner));
    write_owners(kind, meta, to_json(&references))
}

fn release(kind: &'static Kind, meta: &ObjectMeta, owner: &str) -> Action {
    let others: Vec<_> = meta.owner_references.iter().flatten().filter(|reference| reference.uid != owner).cloned().collect();
    write_owners(kind, meta, if others.is_empty() { Value::Null } else { to_json(&others) })
}

fn write_owners(kind: &'static Kind, meta: &ObjectMeta, references: Value) -> Action {
    let patch = json!({"metadata": {"uid": meta.uid(), "ownerReferences": references}});
    Action::patch(Target::new(kind, meta), patch)
}

#[cfg(test)]
mod tests {
    use super::super::action::Request;
    use super::super::kind::{POD, REPLICA_SET};
    use super::super::sample::{pod, yaml};
    use super::*;

    #[test]
    fn owners_release_what_no_longer_matches_and_adopt_what_does() {
        let owner: ObjectMeta = yaml("{name: web-1, namespace: shop, uid: set}");
        let selector: LabelSelector = yaml("matchLabels: {app: web}");
        let owned = ["a: of set", "b: of set label app=other"].map(|text| Arc::new(pod(text))).to_vec();
        let orphans = ["c", "d: label app=other", "e: deleting"].map(|text| Arc::new(pod(text))).to_vec();
        let claimed = claim(&POD, (&REPLICA_SET, &owner), &selector, owned, orphans);
        assert_eq!(claimed.objects.len(), 1);
        let written: Vec<String> = claimed
            .actions
            .iter()
            .map(|action| match &action.request {
                Request::Patch { target, patch, .. } => format!("{} {}", target.key.name, patch["metadata"]["ownerReferences"]),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(written[0], "b null");
        assert!(written[1].starts_with("c [{") && written[1].contains(r#""uid":"set""#), "{}", written[1]);
        assert_eq!(written.len(), 2);
    }

    #[test]
    fn an_empty_selector_selects_nothing() {
        let matches = |selector: &str| Matcher::new(&yaml(selector)).matches(&ObjectMeta::default());
        assert!(!matches("{}"));
        assert!(matches("matchExpressions: [{key: a, operator: DoesNotExist}]"));
    }
}
