//! Stands in for `crate::affinity` until that lands: knows names of clusters only, and selects nothing by labels or fields.

use flotilla_api::cluster::Cluster;
use flotilla_api::policy::ClusterAffinity;

/// A cluster affinity.
pub struct Affinity<'a>(&'a ClusterAffinity);

impl<'a> Affinity<'a> {
    /// Of a placement.
    pub fn compile(affinity: &'a ClusterAffinity) -> Self {
        Self(affinity)
    }

    /// Whether the cluster is selected.
    pub fn matches(&self, cluster: &Cluster) -> bool {
        let is_named = |names: &[String]| names.iter().any(|name| name == cluster.name());
        self.0.label_selector.is_none()
            && self.0.field_selector.is_none()
            && !is_named(&self.0.exclude)
            && (self.0.cluster_names.is_empty() || is_named(&self.0.cluster_names))
    }
}
