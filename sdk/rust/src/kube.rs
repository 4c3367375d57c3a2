//! Kubernetes arithmetic that the host does, so that no plugin needs to write it again. Panics in a native test.

use crate::bindings::kube;
use crate::host::needs_host;
use crate::{Error, Json, Result};
use std::cmp::Ordering;

/// What one pod of this template needs, as ReplicaRequirements; none when it needs nothing in particular.
pub fn pod_requirements(pod_template: &Json) -> Result<Option<Json>> {
    needs_host("pod_requirements");
    let needs = kube::pod_requirements(pod_template.as_text()).map_err(Error::InvalidObject)?;
    Ok(needs.map(Json::from_text))
}

/// The sum of quantities (`100m`, `1Gi`), in the format of the first that is not zero; `0` for an empty list.
pub fn quantity_sum(quantities: &[String]) -> Result<String> {
    needs_host("quantity_sum");
    kube::quantity_sum(quantities).map_err(Error::InvalidObject)
}

/// Compares two quantities by value.
pub fn quantity_compare(a: &str, b: &str) -> Result<Ordering> {
    needs_host("quantity_compare");
    Ok(kube::quantity_compare(a, b).map_err(Error::InvalidObject)?.cmp(&0))
}

/// A quantity as a number, to the nearest double.
pub fn quantity_value(quantity: &str) -> Result<f64> {
    needs_host("quantity_value");
    kube::quantity_value(quantity).map_err(Error::InvalidObject)
}
