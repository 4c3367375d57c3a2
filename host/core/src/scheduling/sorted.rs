//! A cluster affinity made ready for many clusters: long lists of names cost a decision, not each cluster.

use crate::affinity::{self, Rejected};
use flotilla_api::cluster::Cluster;
use flotilla_api::policy::ClusterAffinity;

/// Answers as [`affinity::matches`] does.
pub struct SortedAffinity<'a> {
    exclude: Vec<&'a str>,
    names: Vec<&'a str>,
    /// What is not a list of names.
    conditions: ClusterAffinity,
}

impl<'a> SortedAffinity<'a> {
    /// Sorts the names of an affinity.
    pub fn new(affinity: &'a ClusterAffinity) -> Self {
        let sorted = |names: &'a [String]| {
            let mut names: Vec<&str> = names.iter().map(String::as_str).collect();
            names.sort_unstable();
            names
        };
        let ClusterAffinity { label_selector, field_selector, .. } = affinity;
        Self {
            exclude: sorted(&affinity.exclude),
            names: sorted(&affinity.cluster_names),
            conditions: ClusterAffinity {
                label_selector: label_selector.clone(),
                field_selector: field_selector.clone(),
                ..ClusterAffinity::default()
            },
        }
    }

    /// Whether the cluster is meant.
    pub fn matches(&self, cluster: &Cluster) -> Result<(), Rejected> {
        let is_in = |names: &[&str]| names.binary_search(&cluster.name()).is_ok();
        if is_in(&self.exclude) {
            return Err(Rejected::Excluded);
        }
        affinity::matches(cluster, &self.conditions)?;
        if self.names.is_empty() || is_in(&self.names) { Ok(()) } else { Err(Rejected::NotNamed) }
    }
}
