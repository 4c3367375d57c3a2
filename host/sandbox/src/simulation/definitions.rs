//! Which of OpenKruise's definitions the API server serves, and in which version its controllers are to speak. Decides only.

use super::kind::{CLONE_SET_V1ALPHA1, CLONE_SET_V1BETA1, KRUISE_STATEFUL_SET, Kind};
use kube::core::{ApiResource, GroupVersionKind, Object};
use serde::Deserialize;

/// As much of a CustomResourceDefinition as is looked at.
pub type Definition = Object<DefinitionSpec, DefinitionStatus>;

/// Its versions.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct DefinitionSpec {
    versions: Vec<Version>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct Version {
    name: String,
    served: bool,
}

/// Its conditions.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct DefinitionStatus {
    conditions: Vec<Condition>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct Condition {
    #[serde(rename = "type")]
    kind: String,
    status: String,
}

/// The kinds that are followed when they are defined, each by the versions that are spoken, the preferred one first.
pub const FOLLOWED: [&[&Kind]; 2] = [&[&CLONE_SET_V1ALPHA1, &CLONE_SET_V1BETA1], &[&KRUISE_STATEFUL_SET]];

/// The name of the definition of these kinds.
pub fn name(kinds: &[&Kind]) -> String {
    format!("{}.{}", kinds[0].plural, kinds[0].group)
}

/// Where definitions are.
pub fn resource() -> ApiResource {
    ApiResource::from_gvk(&GroupVersionKind::gvk("apiextensions.k8s.io", "v1", "CustomResourceDefinition"))
}

/// The first of `kinds` that is served.
pub fn served(definition: &Definition, kinds: &[&'static Kind]) -> Option<&'static Kind> {
    let conditions = definition.status.iter().flat_map(|status| &status.conditions);
    let established = conditions.into_iter().any(|condition| condition.kind == "Established" && condition.status == "True");
    let serves = |kind: &&&'static Kind| definition.spec.versions.iter().any(|version| version.served && version.name == kind.version);
    if established && definition.metadata.deletion_timestamp.is_none() { kinds.iter().find(serves).copied() } else { None }
}

#[cfg(test)]
mod tests {
    use super::super::sample::yaml;
    use super::*;

    #[test]
    fn a_version_is_spoken_once_it_is_served() {
        let text = |status: &str| {
            format!(
                "{{metadata: {{name: clonesets.apps.kruise.io}}, \
                 spec: {{versions: [{{name: v1beta1, served: true}}, {{name: v1alpha1, served: false}}]}}, \
                 status: {{conditions: [{{type: Established, status: '{status}'}}]}}}}"
            )
        };
        assert_eq!(served(&yaml(&text("True")), FOLLOWED[0]), Some(&CLONE_SET_V1BETA1));
        assert_eq!(served(&yaml(&text("False")), FOLLOWED[0]), None);
        assert_eq!(name(FOLLOWED[1]), "statefulsets.apps.kruise.io");
    }
}
