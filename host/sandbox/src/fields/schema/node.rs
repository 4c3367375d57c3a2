//! The shape of a type: a graph of nodes in one vector, so that types may refer to themselves.
//!
//! Says what a value may contain and how it merges; value rules of CRDs (`minimum`, `pattern`, …) are in [`super::check`].

use serde_json::Value;
use std::collections::BTreeMap;

/// Where a node is in its [`Arena`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct NodeId(u32);

impl NodeId {
    /// The node that accepts everything, in every arena.
    pub(crate) const ANY: Self = Self(0);
}

/// All nodes of a type, or of all built-in types.
#[derive(Debug)]
pub(crate) struct Arena {
    nodes: Vec<Node>,
}

/// What one place of an object holds.
#[derive(Debug, Clone, Default)]
pub(crate) struct Node {
    pub shape: Shape,
    /// Whether `null` is a value here (CRDs).
    pub nullable: bool,
    /// `default` of a CRD; of built-in types only those that identify list items.
    pub default: Option<Value>,
    /// `x-kubernetes-embedded-resource`.
    pub embedded: bool,
    /// `x-kubernetes-preserve-unknown-fields`.
    pub preserve: bool,
    /// The name of a built-in definition as its server's decoder prints it (`v1.PodSpec`); empty for everything else.
    pub go_type: Box<str>,
}

/// Scalar, list, map, or anything.
#[derive(Debug, Clone, Default)]
pub(crate) enum Shape {
    /// Not described: kept as it is; maps merge by key, lists as a whole.
    #[default]
    Any,
    Scalar(Scalar),
    List {
        items: NodeId,
        identity: Identity,
    },
    Map(Map),
}

/// Scalars, as far as decoding tells them apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scalar {
    Text,
    /// Base64 text.
    Bytes,
    Time,
    MicroTime,
    Boolean,
    Int32,
    Int64,
    Number,
    IntOrString,
    Quantity,
}

/// What makes two items of a list the same item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Identity {
    /// Nothing: the list is one value.
    Atomic,
    /// Its value.
    Value,
    /// The values of these fields.
    Keys(Vec<Box<str>>),
}

/// A struct (fields), a map (values), or both.
#[derive(Debug, Clone, Default)]
pub(crate) struct Map {
    pub fields: BTreeMap<Box<str>, Field>,
    /// What keys that are no fields hold (`additionalProperties`).
    pub values: Option<NodeId>,
    /// Whether the map is one value when it merges.
    pub atomic: bool,
    /// Whether server-side apply takes keys that are neither fields nor values.
    pub open: bool,
}

/// A field of a struct.
#[derive(Debug, Clone)]
pub(crate) struct Field {
    pub node: NodeId,
    pub written: Written,
    pub patch: Patch,
}

/// How a server of built-in types writes a field that is absent or empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Written {
    /// As it was sent.
    #[default]
    AsSent,
    /// Left out when empty or zero.
    NotEmpty,
    /// `null` when absent.
    OrNull,
    /// Empty or zero when absent.
    Always,
}

/// How a strategic merge patch treats a field.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Patch {
    /// Whether a list merges item by item rather than being replaced.
    pub merge: bool,
    /// The field that identifies an item; none for lists of scalars.
    pub key: Option<Box<str>>,
    /// Whether clients are told to send `$retainKeys`.
    pub retain: bool,
    /// Whether a map is replaced rather than merged.
    pub replace: bool,
}

impl Default for Arena {
    fn default() -> Self {
        Self { nodes: vec![Node::default()] }
    }
}

impl Arena {
    pub(crate) fn push(&mut self, node: Node) -> NodeId {
        let id = u32::try_from(self.nodes.len()).expect("fewer than 2^32 nodes");
        self.nodes.push(node);
        NodeId(id)
    }

    pub(crate) fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.0 as usize]
    }

    pub(crate) fn node_mut(&mut self, id: NodeId) -> &mut Node {
        &mut self.nodes[id.0 as usize]
    }

    pub(crate) fn view(&self, id: NodeId) -> View<'_> {
        View { arena: self, node: self.node(id) }
    }
}

/// A node together with its arena.
#[derive(Debug, Clone, Copy)]
pub(crate) struct View<'a> {
    arena: &'a Arena,
    pub node: &'a Node,
}

impl<'a> View<'a> {
    pub(crate) fn at(self, id: NodeId) -> Self {
        self.arena.view(id)
    }

    pub(crate) fn map(self) -> Option<&'a Map> {
        match &self.node.shape {
            Shape::Map(map) => Some(map),
            _ => None,
        }
    }

    /// A declared field.
    pub(crate) fn field(self, name: &str) -> Option<&'a Field> {
        self.map()?.fields.get(name)
    }

    /// What is under a key: a field, a value of a map, or anything where the schema is open; `None` for an unknown field.
    pub(crate) fn child(self, key: &str) -> Option<Self> {
        let map = match &self.node.shape {
            Shape::Any => return Some(self),
            Shape::Map(map) => map,
            _ => return None,
        };
        let declared = map.fields.get(key).map(|field| field.node).or(map.values);
        declared.or(map.open.then_some(NodeId::ANY)).map(|id| self.at(id))
    }

    /// What the items of a list are; anything where that is not known.
    pub(crate) fn items(self) -> Self {
        match &self.node.shape {
            Shape::List { items, .. } => self.at(*items),
            _ => self.at(NodeId::ANY),
        }
    }
}
