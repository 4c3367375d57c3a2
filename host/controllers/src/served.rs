//! What a cluster's API serves: kinds, their versions, and the paths they live under. A snapshot; refreshed when CRDs change.

use crate::cluster_api::Resource;
use flotilla_api::object::GroupVersionKind;
use std::collections::HashMap;

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
}

impl Served {
    /// From discovery, whose order within a kind is the order of preference.
    pub fn new(resources: Vec<Resource>) -> Self {
        let mut kinds: HashMap<GroupKind, Vec<Resource>> = HashMap::new();
        for resource in resources {
            kinds.entry(GroupKind::from(&resource.gvk())).or_default().push(resource);
        }
        Self { kinds }
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
        let served = Served::new(vec![clone_sets("v1beta1"), clone_sets("v1alpha1")]);
        let asked = |version| served.resource_or_preferred(&GroupVersionKind::new(&format!("apps.kruise.io/{version}"), "CloneSet"));
        assert_eq!(asked("v1alpha1").map(|resource| &*resource.version), Some("v1alpha1"));
        assert_eq!(asked("v2").map(|resource| &*resource.version), Some("v1beta1"));
        assert_eq!(served.resource_or_preferred(&GroupVersionKind::new("apps/v1", "CloneSet")), None);
    }
}
