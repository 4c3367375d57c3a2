//! Schemas of fields whose shape is not ours: Kubernetes' own types, and values of any shape.

use schemars::{Schema, SchemaGenerator, json_schema};
use serde_json::{Value, json};

/// What the reason of a condition or of an eviction looks like.
pub const REASON: &str = "^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$";

const QUANTITY: &str = r"^(\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))(([KMGTPE]i)|[numkMGTPE]|([eE](\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))))?$";

const CONDITION_TYPE: &str =
    r"^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])$";

/// An object of any shape, kept as it is.
pub fn any_object(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "object", "x-kubernetes-preserve-unknown-fields": true})
}

/// Objects of any shape.
pub fn any_objects(generator: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "array", "items": any_object(generator)})
}

/// An object's metadata, which the API server itself knows.
pub fn metadata(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "object"})
}

/// A value of any type.
pub fn any_value(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"x-kubernetes-preserve-unknown-fields": true})
}

/// A whole number, as the API declares those of no particular width.
pub fn integer(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "integer"})
}

/// A whole number that is not negative.
pub fn natural(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "integer", "minimum": 0})
}

/// A point in time.
pub fn time(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "string", "format": "date-time"})
}

/// An amount of a resource.
pub fn quantity(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "anyOf": [{"type": "integer"}, {"type": "string"}],
        "pattern": QUANTITY,
        "x-kubernetes-int-or-string": true,
    })
}

/// Amounts by the name of the resource.
pub fn resource_list(generator: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "object", "additionalProperties": quantity(generator)})
}

/// Kubernetes' LabelSelector.
pub fn label_selector(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "properties": {
            "matchExpressions": {
                "description": "Conditions on labels; all must hold.",
                "type": "array",
                "items": requirement("The label.", "`In`, `NotIn`, `Exists` or `DoesNotExist`."),
                "x-kubernetes-list-type": "atomic",
            },
            "matchLabels": {
                "description": "Labels with the values that they must have.",
                "type": "object",
                "additionalProperties": {"type": "string"},
            },
        },
        "x-kubernetes-map-type": "atomic",
    })
}

/// Conditions as of Kubernetes' NodeSelector.
pub fn node_selector_requirements(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "array", "items": node_requirement()})
}

/// Kubernetes' NodeSelector.
pub fn node_selector(_: &mut SchemaGenerator) -> Schema {
    let requirements = |description: &str| {
        json!({
            "description": description,
            "type": "array",
            "items": node_requirement(),
            "x-kubernetes-list-type": "atomic",
        })
    };
    json_schema!({
        "type": "object",
        "required": ["nodeSelectorTerms"],
        "properties": {
            "nodeSelectorTerms": {
                "description": "Sets of conditions; one of them must hold.",
                "type": "array",
                "items": {
                    "description": "Conditions on a node; all must hold.",
                    "type": "object",
                    "properties": {
                        "matchExpressions": requirements("Conditions on labels."),
                        "matchFields": requirements("Conditions on fields."),
                    },
                    "x-kubernetes-map-type": "atomic",
                },
                "x-kubernetes-list-type": "atomic",
            },
        },
        "x-kubernetes-map-type": "atomic",
    })
}

/// Kubernetes' tolerations.
pub fn tolerations(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "items": {
            "description": "Tolerates the taints that it matches.",
            "type": "object",
            "properties": {
                "effect": text("Effect of the taint; absent: any."),
                "key": text("Key of the taint; absent, with `Exists`: any."),
                "operator": text("`Equal` (the default) compares the values, `Exists` does not."),
                "tolerationSeconds": {
                    "description": "For how long `NoExecute` is tolerated; absent: for ever.",
                    "type": "integer",
                    "format": "int64",
                },
                "value": text("Value of the taint."),
            },
        },
    })
}

/// Kubernetes' taints.
pub fn taints(generator: &mut SchemaGenerator) -> Schema {
    let mut added = time(generator);
    added.insert("description".into(), "When a `NoExecute` taint was added.".into());
    json_schema!({
        "type": "array",
        "items": {
            "description": "Keeps objects away that do not tolerate it.",
            "type": "object",
            "required": ["effect", "key"],
            "properties": {
                "effect": text("`NoSchedule`, `PreferNoSchedule` or `NoExecute`."),
                "key": text("Key of the taint."),
                "timeAdded": added,
                "value": text("Value of the taint."),
            },
        },
    })
}

/// Kubernetes' conditions.
pub fn conditions(generator: &mut SchemaGenerator) -> Schema {
    let mut changed = time(generator);
    changed.insert("description".into(), "When the status of the condition changed last.".into());
    json_schema!({
        "type": "array",
        "items": {
            "description": "One aspect of what was found.",
            "type": "object",
            "required": ["lastTransitionTime", "message", "reason", "status", "type"],
            "properties": {
                "lastTransitionTime": changed,
                "message": {"description": "Why, for people.", "type": "string", "maxLength": 32768},
                "observedGeneration": {
                    "description": "The generation of the object that the condition is about.",
                    "type": "integer",
                    "format": "int64",
                    "minimum": 0,
                },
                "reason": {
                    "description": "Why, in one word.",
                    "type": "string",
                    "minLength": 1,
                    "maxLength": 1024,
                    "pattern": REASON,
                },
                "status": {
                    "description": "Whether it is so.",
                    "type": "string",
                    "enum": ["True", "False", "Unknown"],
                },
                "type": {
                    "description": "What it is about.",
                    "type": "string",
                    "maxLength": 316,
                    "pattern": CONDITION_TYPE,
                },
            },
        },
    })
}

fn node_requirement() -> Value {
    requirement("The label or field.", "`In`, `NotIn`, `Exists`, `DoesNotExist`, `Gt` or `Lt`.")
}

fn requirement(key: &str, operator: &str) -> Value {
    json!({
        "description": "One condition.",
        "type": "object",
        "required": ["key", "operator"],
        "properties": {
            "key": text(key),
            "operator": text(operator),
            "values": {
                "description": "The values that `In` and `NotIn` compare with.",
                "type": "array",
                "items": {"type": "string"},
                "x-kubernetes-list-type": "atomic",
            },
        },
    })
}

fn text(description: &str) -> Value {
    json!({"description": description, "type": "string"})
}
