//! Sets of fields, as `metadata.managedFields` records them (FieldsV1). Knows no schema.

use serde_json::{Map, Value};
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt;

/// One step from an object or list to what is in it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Step {
    /// A field or the key of a map.
    Field(Box<str>),
    /// The list item whose key fields have these values; sorted by field.
    Keys(Vec<(Box<str>, Scalar)>),
    /// The list item with this value.
    Value(Scalar),
    /// The list item at this place.
    Index(usize),
}

/// A JSON value that orders; numbers before text before the rest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Scalar(pub Value);

impl Scalar {
    fn rank(&self) -> u8 {
        match &self.0 {
            Value::Number(_) => 0,
            Value::String(_) => 1,
            Value::Bool(_) => 2,
            _ => 3,
        }
    }
}

impl Ord for Scalar {
    fn cmp(&self, other: &Self) -> Ordering {
        let of_kind = match (&self.0, &other.0) {
            (Value::Number(a), Value::Number(b)) => {
                a.as_f64().unwrap_or_default().total_cmp(&b.as_f64().unwrap_or_default()).then_with(|| a.to_string().cmp(&b.to_string()))
            }
            (Value::String(a), Value::String(b)) => a.cmp(b),
            (Value::Bool(a), Value::Bool(b)) => a.cmp(b),
            (a, b) => a.to_string().cmp(&b.to_string()),
        };
        self.rank().cmp(&other.rank()).then(of_kind)
    }
}

impl PartialOrd for Scalar {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Step {
    /// As conflicts print it: `.image`, `[name="main"]`, `[="x"]`, `[0]`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Field(name) => write!(f, ".{name}"),
            Self::Keys(keys) => {
                let keys: Vec<String> = keys.iter().map(|(name, value)| format!("{name}={}", value.0)).collect();
                write!(f, "[{}]", keys.join(","))
            }
            Self::Value(value) => write!(f, "[={}]", value.0),
            Self::Index(index) => write!(f, "[{index}]"),
        }
    }
}

impl Step {
    pub(crate) fn field(name: &str) -> Self {
        Self::Field(name.into())
    }

    /// `f:image`, `k:{"name":"main"}`, `v:"x"`, `i:0`.
    fn to_key(&self) -> String {
        match self {
            Self::Field(name) => format!("f:{name}"),
            Self::Keys(keys) => {
                let keys: Map<String, Value> = keys.iter().map(|(name, value)| (name.to_string(), value.0.clone())).collect();
                format!("k:{}", Value::Object(keys))
            }
            Self::Value(value) => format!("v:{}", value.0),
            Self::Index(index) => format!("i:{index}"),
        }
    }

    fn from_key(key: &str) -> Option<Self> {
        let (kind, rest) = key.split_once(':')?;
        match kind {
            "f" => Some(Self::field(rest)),
            "v" => serde_json::from_str(rest).ok().map(Scalar).map(Self::Value),
            "i" => rest.parse().ok().map(Self::Index),
            "k" => {
                let keys: Map<String, Value> = serde_json::from_str(rest).ok()?;
                Some(Self::Keys(keys.into_iter().map(|(name, value)| (name.into(), Scalar(value))).collect()))
            }
            _ => None,
        }
    }
}

/// A set of paths.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct FieldSet {
    pub steps: BTreeMap<Step, Entry>,
}

/// What a set says of one step: whether the path that ends here is in the set, and which longer ones are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Entry {
    pub member: bool,
    pub below: FieldSet,
}

impl Entry {
    fn is_empty(&self) -> bool {
        !self.member && self.below.is_empty()
    }
}

impl FieldSet {
    pub(crate) fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// Adds a path; the empty path is no field.
    pub(crate) fn insert(&mut self, path: &[Step]) {
        let Some((step, rest)) = path.split_first() else {
            return;
        };
        if !self.steps.contains_key(step) {
            self.steps.insert(step.clone(), Entry::default());
        }
        let entry = self.steps.get_mut(step).expect("inserted above");
        if rest.is_empty() { entry.member = true } else { entry.below.insert(rest) }
    }

    /// Adds a path of field names.
    pub(crate) fn insert_fields(&mut self, path: &[&str]) {
        let path: Vec<Step> = path.iter().map(|name| Step::field(name)).collect();
        self.insert(&path);
    }

    pub(crate) fn contains(&self, step: &Step) -> bool {
        self.steps.get(step).is_some_and(|entry| entry.member)
    }

    /// What is below a step, where anything is.
    pub(crate) fn below(&self, step: &Step) -> Option<&Self> {
        self.steps.get(step).map(|entry| &entry.below).filter(|below| !below.is_empty())
    }

    /// Adds all paths of another set.
    pub(crate) fn add(&mut self, other: &Self) {
        for (step, theirs) in &other.steps {
            match self.steps.get_mut(step) {
                Some(entry) => {
                    entry.member |= theirs.member;
                    entry.below.add(&theirs.below);
                }
                None => {
                    self.steps.insert(step.clone(), theirs.clone());
                }
            }
        }
    }

    /// Removes the paths of another set; what is below a removed path stays.
    pub(crate) fn subtract(&mut self, other: &Self) {
        self.steps.retain(|step, entry| {
            if let Some(theirs) = other.steps.get(step) {
                entry.member &= !theirs.member;
                entry.below.subtract(&theirs.below);
            }
            !entry.is_empty()
        });
    }

    /// Removes the paths of another set and everything below them.
    pub(crate) fn subtract_trees(&mut self, other: &Self) {
        self.steps.retain(|step, entry| match other.steps.get(step) {
            Some(theirs) if theirs.member => false,
            Some(theirs) => {
                entry.below.subtract_trees(&theirs.below);
                !entry.is_empty()
            }
            None => true,
        });
    }

    /// The paths that are in both sets.
    pub(crate) fn intersection(&self, other: &Self) -> Self {
        let both = self.steps.iter().filter_map(|(step, entry)| {
            let theirs = other.steps.get(step)?;
            let entry = Entry { member: entry.member && theirs.member, below: entry.below.intersection(&theirs.below) };
            (!entry.is_empty()).then(|| (step.clone(), entry))
        });
        Self { steps: both.collect() }
    }

    /// All paths as conflicts print them, those of a level before those below it.
    pub(crate) fn paths(&self) -> Vec<String> {
        let mut paths = Vec::new();
        self.collect_paths("", &mut paths);
        paths
    }

    fn collect_paths(&self, prefix: &str, paths: &mut Vec<String>) {
        paths.extend(self.steps.iter().filter(|(_, entry)| entry.member).map(|(step, _)| format!("{prefix}{step}")));
        for (step, entry) in &self.steps {
            entry.below.collect_paths(&format!("{prefix}{step}"), paths);
        }
    }

    /// The set as FieldsV1.
    pub(crate) fn to_value(&self) -> Value {
        let steps = self.steps.iter().map(|(step, entry)| {
            let mut below = entry.below.to_value();
            if entry.member
                && !entry.below.is_empty()
                && let Value::Object(map) = &mut below
            {
                map.insert(".".to_owned(), Value::Object(Map::new()));
            }
            (step.to_key(), below)
        });
        Value::Object(steps.collect())
    }

    /// From FieldsV1; `None` for what is none.
    pub(crate) fn from_value(fields: &Value) -> Option<Self> {
        let mut set = Self::default();
        for (key, value) in fields.as_object()? {
            if key == "." {
                continue;
            }
            let below = if value.is_null() { Self::default() } else { Self::from_value(value)? };
            let member = below.is_empty() || value.get(".").is_some();
            set.steps.insert(Step::from_key(key)?, Entry { member, below });
        }
        Some(set)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn sets_read_and_write_as_fields_v1() {
        let fields = json!({"f:spec": {"f:containers": {"k:{\"name\":\"main\"}": {".": {}, "f:image": {}}}, "f:tags": {"v:\"a\"": {}}}});
        let set = FieldSet::from_value(&fields).unwrap();
        assert_eq!(set.to_value(), fields);
        let paths = [".spec.containers[name=\"main\"]", ".spec.containers[name=\"main\"].image", ".spec.tags[=\"a\"]"];
        assert_eq!(set.paths(), paths);
        assert_eq!(FieldSet::from_value(&json!({"x": {}})), None);
    }

    #[test]
    fn subtracting_a_parent_leaves_its_children_unless_trees_are_meant() {
        let set = FieldSet::from_value(&json!({"f:a": {".": {}, "f:b": {}}, "f:c": {}})).unwrap();
        let parent = FieldSet::from_value(&json!({"f:a": {}})).unwrap();
        let mut plain = set.clone();
        plain.subtract(&parent);
        assert_eq!(plain.to_value(), json!({"f:a": {"f:b": {}}, "f:c": {}}));
        let mut trees = set.clone();
        trees.subtract_trees(&parent);
        assert_eq!(trees.to_value(), json!({"f:c": {}}));
        assert_eq!(set.intersection(&parent).to_value(), json!({"f:a": {}}));
    }
}
