//! What a manifest bears besides what the user wrote: whose it is, where it came from, and what of it is ours.
//!
//! The webhook for Works seals manifests with the same function, so that both write the same text.
//! Source: controlplane.md §1.1 and §1.4, steps 5d and 6.

use super::prune::prune;
use flotilla_api::labels;
use flotilla_api::object::Object;
use serde_json::{Map, Value};

/// Makes a manifest ready for its Work: prunes it, writes the Work's permanent id and what labels and annotations are ours. Doing it
/// twice changes nothing more.
pub fn seal(manifest: &mut Object, work_id: &str) {
    prune(manifest);
    manifest.set_label(labels::WORK_ID, work_id);
    manifest.set_annotation(labels::MANAGED_ANNOTATIONS, "");
    manifest.set_annotation(labels::MANAGED_LABELS, "");
    let annotations = joined_keys(manifest.annotations());
    let labels = joined_keys(manifest.labels());
    manifest.set_annotation(labels::MANAGED_ANNOTATIONS, annotations);
    manifest.set_annotation(labels::MANAGED_LABELS, labels);
}

/// Sorted and separated by commas.
fn joined_keys(map: Option<&Map<String, Value>>) -> String {
    let mut keys: Vec<&str> = map.into_iter().flat_map(Map::keys).map(String::as_str).collect();
    keys.sort_unstable();
    keys.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn sealed_manifests_record_what_is_ours() {
        let mut manifest = Object(json!({
            "kind": "ConfigMap",
            "metadata": {"name": "web", "uid": "u-1", "labels": {"app": "web"}, "annotations": {"note": "x", "a": "b"}},
        }));
        seal(&mut manifest, "w-1");
        let sealed = json!({
            "kind": "ConfigMap",
            "metadata": {
                "name": "web",
                "labels": {"app": "web", "work.karmada.io/permanent-id": "w-1"},
                "annotations": {
                    "a": "b",
                    "note": "x",
                    "resourcetemplate.karmada.io/managed-annotations":
                        "a,note,resourcetemplate.karmada.io/managed-annotations,resourcetemplate.karmada.io/managed-labels",
                    "resourcetemplate.karmada.io/managed-labels": "app,work.karmada.io/permanent-id",
                },
            },
        });
        assert_eq!(manifest.0, sealed);
        seal(&mut manifest, "w-1");
        assert_eq!(manifest.0, sealed, "sealing twice");
    }
}
