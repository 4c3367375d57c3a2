//! Which clusters a cluster affinity means: used by placement, by static weights and by override policies alike.

use flotilla_api::cluster::{Cluster, ClusterSpec};
use flotilla_api::policy::{ClusterAffinity, FieldSelector};
use flotilla_api::selector::{self, InvalidSelector};
use k8s_openapi::api::core::v1::NodeSelectorRequirement;

/// Why a cluster is not meant. Order of variants is the order of checks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rejected {
    /// It is listed in `exclude`.
    #[error("cluster is excluded by name")]
    Excluded,
    /// Its labels are others.
    #[error("labels do not match")]
    Labels,
    /// The label selector is not valid.
    #[error("label selector is not valid: {0}")]
    InvalidLabelSelector(InvalidSelector),
    /// Its zones are others, or the operator is not known for zones.
    #[error("zones do not match")]
    Zones,
    /// Its provider or region is another.
    #[error("provider or region do not match")]
    Fields,
    /// The field selector is not valid.
    #[error("field selector is not valid: {0}")]
    InvalidFieldSelector(InvalidSelector),
    /// Clusters are listed in `clusterNames`, and it is not one of them.
    #[error("cluster is not listed by name")]
    NotNamed,
}

/// Whether the affinity means the cluster: it is not excluded, and every condition that is given holds. Source: spec 3.2.
pub fn matches(cluster: &Cluster, affinity: &ClusterAffinity) -> Result<(), Rejected> {
    let is_listed = |names: &[String]| names.iter().any(|name| name == cluster.name());
    if is_listed(&affinity.exclude) {
        return Err(Rejected::Excluded);
    }
    if let Some(labels) = &affinity.label_selector {
        let label = |key: &str| cluster.metadata.labels.as_ref()?.get(key).map(String::as_str);
        let is_match = selector::matches(labels, label).map_err(Rejected::InvalidLabelSelector)?;
        is_match.then_some(()).ok_or(Rejected::Labels)?;
    }
    if let Some(fields) = &affinity.field_selector {
        match_fields(&cluster.spec, fields)?;
    }
    match affinity.cluster_names.is_empty() || is_listed(&affinity.cluster_names) {
        true => Ok(()),
        false => Err(Rejected::NotNamed),
    }
}

/// [`matches`] where an absent affinity means every cluster.
pub fn matches_optional(cluster: &Cluster, affinity: Option<&ClusterAffinity>) -> Result<(), Rejected> {
    affinity.map_or(Ok(()), |affinity| matches(cluster, affinity))
}

fn match_fields(cluster: &ClusterSpec, fields: &FieldSelector) -> Result<(), Rejected> {
    let is_zone = |requirement: &&NodeSelectorRequirement| requirement.key == "zone";
    let requirements = || fields.match_expressions.iter();
    if !requirements().filter(is_zone).all(|requirement| zones_match(cluster, requirement)) {
        return Err(Rejected::Zones);
    }
    let field = |key: &str| {
        let field = match key {
            "provider" => &cluster.provider,
            "region" => &cluster.region,
            _ => &None,
        };
        field.as_deref().filter(|value| !value.is_empty())
    };
    let is_match =
        selector::all_hold(requirements().filter(|requirement| !is_zone(requirement)), field).map_err(Rejected::InvalidFieldSelector)?;
    is_match.then_some(()).ok_or(Rejected::Fields)
}

/// A cluster has many zones: `In` wants one of them listed, `NotIn` none.
fn zones_match(cluster: &ClusterSpec, requirement: &NodeSelectorRequirement) -> bool {
    let listed = requirement.values.as_deref().unwrap_or_default();
    let overlaps = || cluster.all_zones().any(|zone| listed.iter().any(|value| value == zone));
    match requirement.operator.as_str() {
        "In" => overlaps(),
        "NotIn" => !overlaps(),
        "Exists" => cluster.all_zones().next().is_some(),
        "DoesNotExist" => cluster.all_zones().next().is_none(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(cluster: &str, affinity: &str, expect: Result<(), &str>) {
        let spec = format!("{{metadata: {{name: a, labels: {{tier: gold}}}}, spec: {{syncMode: Push, {cluster}}}}}");
        let cluster: Cluster = serde_saphyr::from_str(&spec).unwrap();
        let affinity: ClusterAffinity = serde_saphyr::from_str(affinity).unwrap();
        let answer = matches(&cluster, &affinity).map_err(|why| why.to_string());
        assert_eq!(answer, expect.map_err(str::to_owned));
    }

    #[test]
    fn names_and_labels() {
        check("", "{}", Ok(()));
        check("", "{clusterNames: [b, a]}", Ok(()));
        check("", "{clusterNames: [b]}", Err("cluster is not listed by name"));
        check("", "{clusterNames: [a], exclude: [a]}", Err("cluster is excluded by name"));
        check("", "{labelSelector: {matchLabels: {tier: gold}}}", Ok(()));
        check("", "{labelSelector: {matchLabels: {tier: tin}}, clusterNames: [a]}", Err("labels do not match"));
        check(
            "",
            "{labelSelector: {matchExpressions: [{key: tier, operator: Near}]}}",
            Err("label selector is not valid: operator `Near` of key `tier` is not one of In, NotIn, Exists, DoesNotExist"),
        );
    }

    #[track_caller]
    fn check_field(cluster: &str, requirement: &str, expect: Result<(), &str>) {
        check(cluster, &format!("{{fieldSelector: {{matchExpressions: [{{{requirement}}}]}}}}"), expect);
    }

    #[test]
    fn zones_overlap() {
        let zones = Err("zones do not match");
        check_field("zones: [x, y]", "key: zone, operator: In, values: [y, z]", Ok(()));
        check_field("zones: [x, y]", "key: zone, operator: NotIn, values: [y, z]", zones);
        check_field("zones: [x]", "key: zone, operator: In, values: [y]", zones);
        check_field("", "key: zone, operator: In, values: [y]", zones);
        check_field("", "key: zone, operator: NotIn, values: [y]", Ok(()));
        check_field("zones: [x]", "key: zone, operator: Exists", Ok(()));
        check_field("", "key: zone, operator: DoesNotExist", Ok(()));
        check_field("zones: [x]", "key: zone, operator: Gt, values: ['1']", zones);
        check_field("zone: y", "key: zone, operator: In, values: [y]", Ok(()));
    }

    #[test]
    fn provider_and_region() {
        let fields = Err("provider or region do not match");
        check_field("provider: p", "key: provider, operator: In, values: [p]", Ok(()));
        check_field("", "key: provider, operator: In, values: [p]", fields);
        check_field("", "key: provider, operator: NotIn, values: [p]", Ok(()));
        check_field("region: ''", "key: region, operator: Exists", fields);
        check_field("region: r", "key: region, operator: Exists", Ok(()));
        check_field("region: r", "key: planet, operator: Exists", fields);
        check_field(
            "region: r",
            "key: region, operator: In",
            Err("field selector is not valid: operator `In` of key `region` wants at least one value"),
        );
    }
}
