//! Arbitrary JSON for tests: the same values in every run, with keys and texts that mean something to schemas and patches.

use serde_json::{Map, Value, json};

/// A sequence of numbers without order (xorshift).
pub struct Dice(u64);

impl Dice {
    /// A sequence of its own for each seed.
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    /// A number below `limit`.
    pub fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit as u64) as usize
    }

    /// One of some things.
    pub fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }

    /// A JSON value, at most `depth` deep.
    pub fn value(&mut self, depth: usize) -> Value {
        match self.below(if depth == 0 { 5 } else { 9 }) {
            0 => Value::Null,
            1 => json!(self.below(2) == 0),
            2 => json!(self.below(300)),
            3 => json!(self.pick(&["", "a", "main", "1Gi", "25%", "2026-11-21T02:31:10Z"])),
            4 => json!(-1.5),
            5 | 6 => Value::Array((0..self.below(3)).map(|_| self.value(depth - 1)).collect()),
            _ => Value::Object(self.map(depth - 1)),
        }
    }

    /// A JSON object, at most `depth` deep below.
    pub fn map(&mut self, depth: usize) -> Map<String, Value> {
        const KEYS: [&str; 28] = [
            "apiVersion",
            "kind",
            "metadata",
            "spec",
            "status",
            "labels",
            "annotations",
            "name",
            "containers",
            "image",
            "ports",
            "containerPort",
            "template",
            "replicas",
            "selector",
            "type",
            "properties",
            "items",
            "x-kubernetes-list-type",
            "$patch",
            "$retainKeys",
            "$setElementOrder/containers",
            "$deleteFromPrimitiveList/finalizers",
            "finalizers",
            "env",
            "volumes",
            "managedFields",
            "resources",
        ];
        (0..self.below(6)).map(|_| (self.pick(&KEYS).to_owned(), self.value(depth))).collect()
    }
}

/// Calls a test with some values.
pub fn values(count: u64, test: impl Fn(&Value)) {
    for seed in 0..count {
        test(&Value::Object(Dice::new(seed).map(6)));
    }
}
