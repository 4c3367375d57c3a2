//! What the server warns of in a PodSpec, without refusing it.

use super::defaults::CONTAINER_LISTS;
use crate::kinds::reach::{list, text};
use crate::kinds::refusal::quoted;
use serde_json::Value;

/// Node labels that have a newer name, with the version that deprecated them.
const OLD_NODE_LABELS: [(&str, &str, &str); 6] = [
    ("beta.kubernetes.io/arch", "v1.14", "kubernetes.io/arch"),
    ("beta.kubernetes.io/os", "v1.14", "kubernetes.io/os"),
    ("failure-domain.beta.kubernetes.io/region", "v1.17", "topology.kubernetes.io/region"),
    ("failure-domain.beta.kubernetes.io/zone", "v1.17", "topology.kubernetes.io/zone"),
    ("failure-domain.kubernetes.io/region", "v1.17", "topology.kubernetes.io/region"),
    ("failure-domain.kubernetes.io/zone", "v1.17", "topology.kubernetes.io/zone"),
];

/// Warnings about the PodSpec at `pointer`, which prints as `path`.
pub(in crate::kinds) fn warnings(object: &Value, pointer: &str) -> Vec<String> {
    let path = pointer[1..].replace('/', ".");
    let Some(spec) = object.pointer(pointer) else { return Vec::new() };
    let mut warnings = Vec::new();
    for (old, since, new) in OLD_NODE_LABELS {
        if spec.get("nodeSelector").and_then(|labels| labels.get(old)).is_some() {
            warnings.push(format!("{path}.nodeSelector[{old}]: deprecated since {since}; use {} instead", quoted(new)));
        }
    }
    for field in CONTAINER_LISTS {
        for (index, container) in list(spec, &format!("/{field}")).iter().enumerate() {
            warnings.extend(hidden_variables(container, &format!("{path}.{field}[{index}]")));
        }
    }
    warnings
}

fn hidden_variables(container: &Value, path: &str) -> Vec<String> {
    let variables = list(container, "/env");
    let hides = |index: usize| {
        let name = text(&variables[index], "/name");
        let earlier = variables[..index].iter().rfind(|variable| text(variable, "/name") == name)?;
        // A value that refers to the earlier one does not hide it.
        let refers = text(&variables[index], "/value").contains(&format!("$({name})"));
        (!refers && !earlier.is_null())
            .then(|| format!("{path}.env[{index}]: hides previous definition of {}, which may be dropped when using apply", quoted(name)))
    };
    (0..variables.len()).filter_map(hides).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_variable_that_hides_another_is_told() {
        let pod = json!({"spec": {"nodeSelector": {"beta.kubernetes.io/os": "linux"}, "containers": [{"env": [
            {"name": "A", "value": "1"}, {"name": "A", "value": "$(A)2"}, {"name": "A", "value": "3"}]}]}});
        assert_eq!(
            warnings(&pod, "/spec"),
            [
                "spec.nodeSelector[beta.kubernetes.io/os]: deprecated since v1.14; use \"kubernetes.io/os\" instead",
                "spec.containers[0].env[2]: hides previous definition of \"A\", which may be dropped when using apply",
            ]
        );
    }
}
