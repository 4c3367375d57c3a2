//! What a cluster's API serves: kinds, their versions, and the paths they live under. A snapshot; refreshed when CRDs change.

use crate::cluster_api::{Discovery, Resource};
use flotilla_api::object::GroupVersionKind;
use std::collections::{BTreeSet, HashMap};

/// Group and kind, whatever the version.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct GroupKind {
    /// API group, empty for core.
    pub group: String,
    /// Kind.
    pub kind: String,
}

impl From<&GroupVersionKind> for GroupKind {
    fn from(gvk: &GroupVersionKind) -> Self {
        Self { group: gvk.group.clone(), kind: gvk.kind.clone() }
    }
}

impl std::fmt::Display for GroupKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.group.is_empty() { f.write_str(&self.kind) } else { write!(f, "{}.{}", self.kind, self.group) }
    }
}

/// Everything that one cluster serves.
#[derive(Debug, Default, PartialEq)]
pub struct Served {
    /// By group and kind: one resource a version, the preferred version first.
    kinds: HashMap<GroupKind, Vec<Resource>>,
    /// Group and version of what is not known at the moment.
    unknown: BTreeSet<(String, String)>,
}

impl Served {
    /// From discovery, whose order within a kind is the order of preference.
    pub fn new(discovery: Discovery) -> Self {
        let mut served = Self { kinds: HashMap::new(), unknown: discovery.unknown };
        discovery.resources.into_iter().for_each(|resource| served.add(resource));
        served
    }

    fn add(&mut self, resource: Resource) {
        self.kinds.entry(GroupKind::from(&resource.gvk())).or_default().push(resource);
    }

    /// With what was known before of the APIs that are not known now.
    pub fn or_as_before(mut self, before: &Self) -> Self {
        if self.kinds.is_empty() {
            // No API server serves nothing.
            self.kinds.clone_from(&before.kinds);
        }
        for resource in before.kinds.values().flatten() {
            if self.unknown.contains(&(resource.group.clone(), resource.version.clone())) && self.resource(&resource.gvk()).is_none() {
                self.add(resource.clone());
            }
        }
        self
    }

    /// Group and version of the APIs of which it is not known what they serve, sorted.
    pub fn unknown(&self) -> impl Iterator<Item = String> {
        self.unknown.iter().map(|(group, version)| format!("{group}/{version}"))
    }

    /// Whether the kind is certainly not served in this version: an API that does not answer may serve it.
    pub fn is_absent(&self, gvk: &GroupVersionKind) -> bool {
        let is_unknown = self.kinds.is_empty() || self.unknown.contains(&(gvk.group.clone(), gvk.version.clone()));
        !is_unknown && self.resource(gvk).is_none()
    }

    /// The resource of exactly this version.
    pub fn resource(&self, gvk: &GroupVersionKind) -> Option<&Resource> {
        self.versions(&GroupKind::from(gvk)).iter().find(|resource| resource.version == gvk.version)
    }

    /// The resource of this version, or of the preferred one where this version is not served.
    pub fn resource_or_preferred(&self, gvk: &GroupVersionKind) -> Option<&Resource> {
        self.resource(gvk).or_else(|| self.versions(&GroupKind::from(gvk)).first())
    }

    /// All versions of a kind, the preferred one first; empty when it is not served.
    pub fn versions(&self, kind: &GroupKind) -> &[Resource] {
        self.kinds.get(kind).map_or(&[], Vec::as_slice)
    }

    /// All resources, sorted by group, version and plural.
    pub fn all(&self) -> Vec<&Resource> {
        let mut all: Vec<&Resource> = self.kinds.values().flatten().collect();
        all.sort_by(|a, b| (&a.group, &a.version, &a.plural).cmp(&(&b.group, &b.version, &b.plural)));
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clone_sets(version: &str) -> Resource {
        Resource {
            group: "apps.kruise.io".into(),
            version: version.into(),
            kind: "CloneSet".into(),
            plural: "clonesets".into(),
            namespaced: true,
            has_status: true,
        }
    }

    #[test]
    fn an_unserved_version_of_a_served_kind_is_read_in_the_preferred_one() {
        let served = Served::new(Discovery { resources: vec![clone_sets("v1beta1"), clone_sets("v1alpha1")], ..Discovery::default() });
        let asked = |version| served.resource_or_preferred(&GroupVersionKind::new(&format!("apps.kruise.io/{version}"), "CloneSet"));
        assert_eq!(asked("v1alpha1").map(|resource| &*resource.version), Some("v1alpha1"));
        assert_eq!(asked("v2").map(|resource| &*resource.version), Some("v1beta1"));
        assert_eq!(served.resource_or_preferred(&GroupVersionKind::new("apps/v1", "CloneSet")), None);
    }

    #[test]
    fn what_an_api_that_does_not_answer_serves_stays_as_it_was() {
        let before = Served::new(Discovery { resources: vec![clone_sets("v1alpha1")], ..Discovery::default() });
        let unknown = BTreeSet::from([("apps.kruise.io".to_owned(), "v1alpha1".to_owned())]);
        let deployments = Resource { group: "apps".into(), version: "v1".into(), kind: "Deployment".into(), ..clone_sets("v1") };
        let now = Served::new(Discovery { resources: vec![deployments], unknown }).or_as_before(&before);
        let clone_set = GroupVersionKind::new("apps.kruise.io/v1alpha1", "CloneSet");
        assert!(now.resource(&clone_set).is_some());
        assert!(!now.is_absent(&clone_set) && now.is_absent(&GroupVersionKind::new("apps/v1", "CloneSet")));
    }

    #[test]
    fn a_server_that_says_it_serves_nothing_is_not_believed() {
        assert!(!Served::default().is_absent(&GroupVersionKind::new("apps/v1", "Deployment")));
    }
}
