//! Amounts of resources: what pods ask for and nodes have. Exact, in thousandths.

use flotilla_api::quantity::Amount;
use k8s_openapi::api::core::v1::{Container, PodSpec, ResourceRequirements};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use std::collections::BTreeMap;

/// Thousandths by name of the resource.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Resources(pub BTreeMap<String, i128>);

impl Resources {
    /// From a node's or container's list; what is no quantity counts as 0.
    pub fn new(list: Option<&BTreeMap<String, Quantity>>) -> Self {
        let milli = |text: &Quantity| Amount::try_from(text).map_or(0, |amount| i128::from(amount.milli_value()));
        Self(list.into_iter().flatten().map(|(name, text)| (name.clone(), milli(text))).collect())
    }

    /// What a pod takes of its node: the sum of its containers, or what its init containers need where that is more; one of `pods`.
    pub fn requests(spec: &PodSpec) -> Self {
        let mut total = Self::default();
        spec.containers.iter().for_each(|container| total.add(&Self::of(container.resources.as_ref())));
        let (mut sidecars, mut start) = (Self::default(), Self::default());
        for container in spec.init_containers.iter().flatten() {
            let own = Self::of(container.resources.as_ref());
            if is_sidecar(container) {
                total.add(&own);
                sidecars.add(&own);
                start.raise(&sidecars);
            } else {
                let mut running = sidecars.clone();
                running.add(&own);
                start.raise(&running);
            }
        }
        total.raise(&start);
        Self::of(spec.resources.as_ref()).0.into_iter().for_each(|(name, amount)| {
            total.0.insert(name, amount);
        });
        total.add(&Self::new(spec.overhead.as_ref()));
        total.0.insert("pods".to_owned(), 1000);
        total
    }

    fn of(requirements: Option<&ResourceRequirements>) -> Self {
        Self::new(requirements.and_then(|requirements| requirements.requests.as_ref()))
    }

    /// One amount, 0 where it is not listed.
    pub fn get(&self, name: &str) -> i128 {
        self.0.get(name).copied().unwrap_or(0)
    }

    /// Adds each amount.
    pub fn add(&mut self, other: &Self) {
        other.0.iter().for_each(|(name, amount)| *self.0.entry(name.clone()).or_default() += amount);
    }

    /// Takes each amount away.
    pub fn subtract(&mut self, other: &Self) {
        other.0.iter().for_each(|(name, amount)| *self.0.entry(name.clone()).or_default() -= amount);
    }

    fn raise(&mut self, other: &Self) {
        for (name, amount) in &other.0 {
            let known = self.0.entry(name.clone()).or_default();
            *known = (*known).max(*amount);
        }
    }
}

fn is_sidecar(container: &Container) -> bool {
    container.restart_policy.as_deref() == Some("Always")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulation::sample::yaml;

    #[test]
    fn a_pod_takes_the_larger_of_its_start_and_its_run() {
        let spec: PodSpec = yaml(
            r#"
initContainers:
- {name: side, restartPolicy: Always, resources: {requests: {cpu: 100m}}}
- {name: init, resources: {requests: {cpu: "2", memory: 1Gi}}}
containers:
- {name: a, resources: {requests: {cpu: 500m, memory: 2Gi}}}
- {name: b, resources: {requests: {cpu: 500m, "example.com/gpu": "1"}}}
overhead: {cpu: 10m}
"#,
        );
        let requests = Resources::requests(&spec);
        assert_eq!(requests.get("cpu"), 2110);
        assert_eq!(requests.get("memory"), 2 * 1024 * 1024 * 1024 * 1000);
        assert_eq!((requests.get("example.com/gpu"), requests.get("pods")), (1000, 1000));
    }
}
