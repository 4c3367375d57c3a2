//! The schema of a CRD as nodes. Expects a schema that [`super::structural`] found no fault with; value rules are in [`super::check`].

use super::built_in::{Builder, OBJECT_META, scalar_shape};
use super::node::{Arena, Field, Identity, Map, Node, NodeId, Patch, Scalar, Shape, Written};
use serde_json::Value;

/// The nodes of a schema, with `apiVersion`, `kind` and `metadata` as every resource has them.
pub(super) fn nodes(schema: &Value) -> (Arena, NodeId) {
    let mut builder = Builder::default();
    let root = node(&mut builder, schema, false);
    let resource = with_meta_fields(&mut builder, root);
    (builder.finish(), resource)
}

fn node(builder: &mut Builder, schema: &Value, open: bool) -> NodeId {
    let flag = |name: &str| schema[name].as_bool() == Some(true);
    let preserve = flag("x-kubernetes-preserve-unknown-fields");
    let embedded = flag("x-kubernetes-embedded-resource");
    let shape = shape(builder, schema, open || preserve);
    let made =
        Node { shape, nullable: flag("nullable"), default: schema.get("default").cloned(), embedded, preserve, go_type: Box::default() };
    let id = builder.arena.push(made);
    if embedded { with_meta_fields(builder, id) } else { id }
}

fn shape(builder: &mut Builder, schema: &Value, open: bool) -> Shape {
    if schema["x-kubernetes-int-or-string"].as_bool() == Some(true) {
        return Shape::Scalar(Scalar::IntOrString);
    }
    match schema["type"].as_str() {
        Some("object") => Shape::Map(map(builder, schema, open)),
        Some("array") => Shape::List { items: node(builder, &schema["items"], open), identity: identity(schema) },
        Some(scalar) => scalar_shape(scalar, schema["format"].as_str()).map_or(Shape::Any, Shape::Scalar),
        None => Shape::Any,
    }
}

fn map(builder: &mut Builder, schema: &Value, open: bool) -> Map {
    let mut made = Map { atomic: schema["x-kubernetes-map-type"].as_str() == Some("atomic"), ..Map::default() };
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        let node = node(builder, property, open);
        made.fields.insert(name.as_str().into(), Field { node, written: Written::default(), patch: Patch::default() });
    }
    made.values = match &schema["additionalProperties"] {
        values @ Value::Object(_) => Some(node(builder, values, open)),
        Value::Bool(true) => Some(NodeId::ANY),
        _ => None,
    };
    made.open = open || (made.fields.is_empty() && made.values.is_none());
    made
}

fn identity(schema: &Value) -> Identity {
    match schema["x-kubernetes-list-type"].as_str() {
        Some("set") => Identity::Value,
        Some("map") => {
            let keys = schema["x-kubernetes-list-map-keys"].as_array().into_iter().flatten();
            Identity::Keys(keys.filter_map(Value::as_str).map(Into::into).collect())
        }
        _ => Identity::Atomic,
    }
}

/// A resource has these fields whatever its schema says of them.
fn with_meta_fields(builder: &mut Builder, id: NodeId) -> NodeId {
    let metadata = builder.definition(OBJECT_META);
    let text = builder.arena.push(Node { shape: Shape::Scalar(Scalar::Text), ..Node::default() });
    if let Shape::Map(map) = &mut builder.arena.node_mut(id).shape {
        for (name, node) in [("apiVersion", text), ("kind", text), ("metadata", metadata)] {
            map.fields.insert(name.into(), Field { node, written: Written::default(), patch: Patch::default() });
        }
    }
    id
}
