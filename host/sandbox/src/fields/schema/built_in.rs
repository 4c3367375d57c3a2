//! Built-in types: definitions of `k8s-openapi` and our facts about them, as nodes. Made once, for all types together.

use super::facts::{self, Facts};
use super::node::{Arena, Field, Identity, Map, Node, NodeId, Patch, Scalar, Shape, Written};
use super::types::{DEFINITIONS, REFERENCE};
use serde_json::Value;
use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

/// All built-in types in one arena, and where each starts.
pub(crate) struct BuiltIns {
    pub arena: Arc<Arena>,
    roots: HashMap<(&'static str, &'static str), NodeId>,
}

pub(crate) static BUILT_INS: LazyLock<BuiltIns> = LazyLock::new(|| {
    let mut builder = Builder::default();
    let roots = DEFINITIONS.types.iter().map(|t| ((t.api_version, t.kind), builder.definition(&t.definition))).collect();
    BuiltIns { arena: Arc::new(builder.finish()), roots }
});

impl BuiltIns {
    pub(crate) fn root(&self, api_version: &str, kind: &str) -> Option<NodeId> {
        self.roots.get(&(api_version, kind)).copied()
    }
}

/// The definition of `metadata`.
pub(crate) const OBJECT_META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta";

/// Turns definitions into nodes; a definition that is used twice becomes one node.
#[derive(Default)]
pub(crate) struct Builder {
    pub arena: Arena,
    done: HashMap<String, NodeId>,
    /// Fields that merge by key although their type is atomic.
    granular: Vec<(NodeId, String)>,
}

impl Builder {
    /// The node of a definition, made on first use.
    pub(crate) fn definition(&mut self, name: &str) -> NodeId {
        if let Some(id) = self.done.get(name) {
            return *id;
        }
        let id = self.arena.push(Node::default());
        self.done.insert(name.to_owned(), id);
        let node = match well_known(name) {
            Some(shape) => Node { shape, ..Node::default() },
            None => self.described(name, id),
        };
        *self.arena.node_mut(id) = Node { go_type: go_type(name).into(), ..node };
        id
    }

    /// All nodes, with what depended on other nodes resolved.
    pub(crate) fn finish(mut self) -> Arena {
        for (owner, field) in std::mem::take(&mut self.granular) {
            let target = self.arena.view(owner).field(&field).expect("recorded while it was made").node;
            let mut own = self.arena.node(target).clone();
            if let Shape::Map(map) = &mut own.shape {
                map.atomic = false;
            }
            let own = self.arena.push(own);
            if let Shape::Map(map) = &mut self.arena.node_mut(owner).shape {
                map.fields.get_mut(field.as_str()).expect("looked up above").node = own;
            }
        }
        self.arena
    }

    fn described(&mut self, name: &str, id: NodeId) -> Node {
        let schema = DEFINITIONS.schemas.get(name).expect("references lead to definitions");
        let Some(properties) = schema["properties"].as_object() else {
            return Node { shape: self.shape(schema, None), ..Node::default() };
        };
        let type_facts = facts::of(name);
        let top_level = properties.get("metadata").is_some_and(|metadata| reference(metadata) == Some(OBJECT_META));
        let required: Vec<&str> = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let mut map = Map { atomic: type_facts.is_some_and(|facts| facts.atomic), ..Map::default() };
        for (field, property) in properties {
            let facts = type_facts.and_then(|facts| facts.fields.get(field.as_str()));
            if facts.is_some_and(|facts| facts.granular) {
                self.granular.push((id, field.clone()));
            }
            let node = self.property(property, facts);
            let implied = top_level && matches!(field.as_str(), "metadata" | "spec" | "status");
            let written = self.written(node, facts, required.contains(&field.as_str()), implied);
            map.fields.insert(field.as_str().into(), Field { node, written, patch: patch(facts) });
        }
        Node { shape: Shape::Map(map), ..Node::default() }
    }

    fn property(&mut self, schema: &Value, facts: Option<&Facts>) -> NodeId {
        if let Some(name) = reference(schema) {
            return self.definition(name);
        }
        let shape = self.shape(schema, facts);
        let default = facts.and_then(|facts| facts.default).map(Value::from);
        self.arena.push(Node { shape, default, ..Node::default() })
    }

    fn shape(&mut self, schema: &Value, facts: Option<&Facts>) -> Shape {
        match schema["type"].as_str() {
            Some("array") => Shape::List { items: self.property(&schema["items"], None), identity: identity(facts) },
            Some("object") if schema.get("additionalProperties").is_some() => {
                let values = self.property(&schema["additionalProperties"], None);
                Shape::Map(Map { values: Some(values), atomic: facts.is_some_and(|facts| facts.atomic), ..Map::default() })
            }
            Some(scalar) => scalar_shape(scalar, schema["format"].as_str()).map_or(Shape::Any, Shape::Scalar),
            None => Shape::Any,
        }
    }

    /// How the field is written when empty; see the table in [`super::facts`].
    fn written(&self, node: NodeId, facts: Option<&Facts>, required: bool, implied: bool) -> Written {
        let has = |fact: fn(&Facts) -> bool| facts.is_some_and(fact);
        if has(|facts| facts.null) {
            return Written::OrNull;
        }
        match &self.arena.node(node).shape {
            Shape::Scalar(Scalar::Time | Scalar::MicroTime) => Written::AsSent,
            Shape::Scalar(_) if has(|facts| facts.written) || (required && !has(|facts| facts.unwritten)) => Written::Always,
            Shape::Scalar(Scalar::Quantity | Scalar::IntOrString) => Written::AsSent,
            Shape::Scalar(Scalar::Text | Scalar::Bytes) if !has(|facts| facts.keep) => Written::NotEmpty,
            Shape::Scalar(_) if has(|facts| facts.drop) => Written::NotEmpty,
            Shape::List { .. } => Written::NotEmpty,
            Shape::Map(map) if map.fields.is_empty() && map.values.is_some() => Written::NotEmpty,
            _ if implied || has(|facts| facts.structure) => Written::Always,
            _ => Written::AsSent,
        }
    }
}

/// The name of the definition that a schema refers to.
pub(crate) fn reference(schema: &Value) -> Option<&str> {
    schema["$ref"].as_str()?.strip_prefix(REFERENCE)
}

fn patch(facts: Option<&Facts>) -> Patch {
    let Some(facts) = facts else {
        return Patch::default();
    };
    Patch { merge: facts.merge.is_some(), key: facts.merge.flatten().map(Into::into), retain: facts.retain, replace: facts.replace }
}

fn identity(facts: Option<&Facts>) -> Identity {
    match facts {
        Some(facts) if !facts.keys.is_empty() => Identity::Keys(facts.keys.iter().map(|key| (*key).into()).collect()),
        Some(facts) if facts.set => Identity::Value,
        _ => Identity::Atomic,
    }
}

fn well_known(definition: &str) -> Option<Shape> {
    let scalar = match definition {
        // Another object: one value when it merges.
        "io.k8s.apimachinery.pkg.runtime.RawExtension" => {
            return Some(Shape::Map(Map { atomic: true, values: Some(NodeId::ANY), ..Map::default() }));
        }
        "io.k8s.apimachinery.pkg.api.resource.Quantity" => Scalar::Quantity,
        "io.k8s.apimachinery.pkg.util.intstr.IntOrString" => Scalar::IntOrString,
        "io.k8s.apimachinery.pkg.apis.meta.v1.Time" => Scalar::Time,
        "io.k8s.apimachinery.pkg.apis.meta.v1.MicroTime" => Scalar::MicroTime,
        _ => return None,
    };
    Some(Shape::Scalar(scalar))
}

/// The scalar of an OpenAPI type and format; `None` for `object` without properties and other things that are not described.
pub(crate) fn scalar_shape(scalar: &str, format: Option<&str>) -> Option<Scalar> {
    Some(match (scalar, format) {
        ("string", Some("byte")) => Scalar::Bytes,
        ("string", Some("date-time")) => Scalar::Time,
        ("string", _) => Scalar::Text,
        ("boolean", _) => Scalar::Boolean,
        ("integer", Some("int32")) => Scalar::Int32,
        ("integer", _) => Scalar::Int64,
        ("number", _) => Scalar::Number,
        _ => return None,
    })
}

/// `io.k8s.api.core.v1.PodSpec` → `v1.PodSpec`.
fn go_type(definition: &str) -> &str {
    definition.rmatch_indices('.').nth(1).map_or(definition, |(dot, _)| &definition[dot + 1..])
}
