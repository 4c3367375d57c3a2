//! OverridePolicy and ClusterOverridePolicy.

use super::{ClusterAffinity, ResourceSelector};
use crate::kind::{kind, words};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

kind!(
    /// Changes objects of its own namespace on their way to member clusters.
    OverridePolicy, "overridepolicies", "policy.karmada.io", "v1alpha1", NamespaceResourceScope, OverrideSpec
);

kind!(
    /// Changes objects of any namespace, or of none, on their way to member clusters; applied before every OverridePolicy.
    ClusterOverridePolicy, "clusteroverridepolicies", "policy.karmada.io", "v1alpha1", ClusterResourceScope, OverrideSpec
);

words!(
    /// What an overrider does with its value.
    OverriderOperator {
        /// Adds it.
        Add = "add",
        /// Removes what is there.
        Remove = "remove",
        /// Puts it in the place of what is there.
        Replace = "replace",
    }
);

words!(
    /// A part of the name of an image.
    ImageComponent {
        /// The host, with its port.
        Registry = "Registry",
        /// The path on that host.
        Repository = "Repository",
        /// The tag or the digest.
        Tag = "Tag",
    }
);

/// Which objects are changed, and how, for which clusters.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OverrideSpec {
    /// The objects that are changed: those that any of the selectors matches. Absent or empty: every object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource_selectors: Option<Vec<ResourceSelector>>,
    /// What is changed for which clusters; rules are applied in order. Excludes `targetCluster` and `overriders`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub override_rules: Vec<RuleWithCluster>,
    /// The clusters of `overriders`. Superseded by `overrideRules`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_cluster: Option<ClusterAffinity>,
    /// What is changed. Superseded by `overrideRules`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overriders: Option<Overriders>,
}

/// What is changed for some clusters.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RuleWithCluster {
    /// The clusters. Absent: every cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_cluster: Option<ClusterAffinity>,
    /// What is changed.
    #[serde(default)]
    pub overriders: Overriders,
}

/// Changes by what they apply to, in the order in which they are applied: image, command, args, labels, annotations, field,
/// plaintext.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Overriders {
    /// Changes at any place, as JSON patch operations.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub plaintext: Vec<PlaintextOverrider>,
    /// Changes to the images of containers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub image_overrider: Vec<ImageOverrider>,
    /// Changes to the commands of containers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub command_overrider: Vec<CommandArgsOverrider>,
    /// Changes to the arguments of containers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub args_overrider: Vec<CommandArgsOverrider>,
    /// Changes to the object's labels.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels_overrider: Vec<LabelAnnotationOverrider>,
    /// Changes to the object's annotations.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub annotations_overrider: Vec<LabelAnnotationOverrider>,
    /// Changes inside of strings that hold JSON or YAML documents.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub field_overrider: Vec<FieldOverrider>,
}

/// One JSON patch operation on the object.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PlaintextOverrider {
    /// JSON pointer of the place.
    #[serde(default)]
    pub path: String,
    /// What is done there.
    #[serde(default)]
    pub operator: OverriderOperator,
    /// The value to add or to put; not with `remove`. `null` is the same as none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::schema::any_value")]
    pub value: Option<Value>,
}

/// A change to one part of an image's name.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ImageOverrider {
    /// Where the image is. Absent: the containers of Pods and of workloads of Kubernetes' own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub predicate: Option<ImagePredicate>,
    /// The part of the name that is changed.
    #[serde(default)]
    pub component: ImageComponent,
    /// What is done with it.
    #[serde(default)]
    pub operator: OverriderOperator,
    /// What is appended (`add`) or put (`replace`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
}

/// Where an image is.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ImagePredicate {
    /// Path of the image in the object, for instance `/spec/template/spec/containers/0/image`.
    #[serde(default)]
    pub path: String,
}

/// A change to the command or the arguments of one container.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CommandArgsOverrider {
    /// Name of the container.
    #[serde(default)]
    pub container_name: String,
    /// Whether the values are appended or removed.
    #[serde(default)]
    #[schemars(extend("enum" = ["add", "remove"]))]
    pub operator: OverriderOperator,
    /// The values.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub value: Vec<String>,
}

/// A change to the labels or the annotations of the object.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LabelAnnotationOverrider {
    /// What is done: `replace` and `remove` leave keys alone that are not there.
    #[serde(default)]
    pub operator: OverriderOperator,
    /// The keys and their values; `remove` goes by the keys.
    #[serde(default)]
    pub value: Option<BTreeMap<String, String>>,
}

/// A change inside of a string that holds a JSON or YAML document.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FieldOverrider {
    /// JSON pointer of the string.
    #[serde(default)]
    pub field_path: String,
    /// Operations on the document, which is JSON.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub json: Vec<DocumentPatchOperation>,
    /// Operations on the document, which is YAML. Its keys come out sorted, and without comments.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub yaml: Vec<DocumentPatchOperation>,
}

/// One JSON patch operation on a document.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DocumentPatchOperation {
    /// JSON pointer of the place in the document.
    #[serde(default)]
    pub sub_path: String,
    /// What is done there.
    #[serde(default)]
    pub operator: OverriderOperator,
    /// The value to add or to put; not with `remove`. `null` is the same as none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::schema::any_value")]
    pub value: Option<Value>,
}
