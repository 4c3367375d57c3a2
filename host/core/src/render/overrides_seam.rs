//! Stands in for `crate::overrides` until that lands: refuses objects for which there are override policies.

use flotilla_api::cluster::Cluster;
use flotilla_api::object::Object;
use flotilla_api::policy::{ClusterOverridePolicy, OverridePolicy};
use std::collections::BTreeMap;

/// Why a manifest could not be changed for a cluster.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("override policies are not applied yet")]
pub struct OverrideError;

/// Changes a manifest for a cluster; the answer is what the Work notes as annotations.
pub fn apply(
    _: &mut Object,
    _: &Cluster,
    cluster_overrides: &[&ClusterOverridePolicy],
    overrides: &[&OverridePolicy],
) -> Result<BTreeMap<String, String>, OverrideError> {
    if cluster_overrides.is_empty() && overrides.is_empty() { Ok(BTreeMap::new()) } else { Err(OverrideError) }
}
