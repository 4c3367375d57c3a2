//! Cuts the declared fields out of an object, straight into JSON text, so that a call costs what it reads and no more.
//!
//! Never judges: where a declared path meets a value of another type, that value is handed over as it is.

use crate::pointer::{self, Pointer};
use serde_json::Value;

/// The segment that stands for every item of a list and every key of a map.
const EVERY: &str = "*";

/// A set of declared fields, compiled.
#[derive(Debug, Clone, Default)]
pub struct Fields(Node);

#[derive(Debug, Clone, Default)]
struct Node {
    /// This value and all below it are selected.
    whole: bool,
    /// What is selected of every item or key that `named` does not name.
    every: Option<Box<Node>>,
    /// Sorted by key; each holds what `every` selects, too.
    named: Vec<Named>,
    /// Whether some name is a position in a list.
    indexed: bool,
}

#[derive(Debug, Clone)]
struct Named {
    key: Box<str>,
    /// The key as JSON text with its colon.
    text: Box<str>,
    node: Node,
}

impl Fields {
    /// Everything: what an operator sees as `""`.
    pub fn everything() -> Self {
        Self(Node { whole: true, ..Node::default() })
    }

    /// Compiles declared pointers.
    pub fn compile(fields: &[Pointer]) -> Self {
        let mut root = Node::default();
        for field in fields {
            root.insert(field.segments());
        }
        root.settle();
        Self(root)
    }

    /// Whether nothing is selected.
    pub fn is_empty(&self) -> bool {
        !self.0.whole && self.0.every.is_none() && self.0.named.is_empty()
    }

    /// Whether the whole object is selected.
    pub fn is_whole(&self) -> bool {
        self.0.whole
    }

    /// The selected part of an object as JSON text. An object of which nothing is selected is `{}`.
    pub fn project(&self, object: &Value) -> String {
        let mut text = Vec::with_capacity(256);
        match object {
            Value::Object(_) if self.is_empty() => text.extend_from_slice(b"{}"),
            _ => self.0.write(object, &mut text),
        }
        String::from_utf8(text).expect("serde_json writes UTF-8")
    }

    /// Whether a field, named without `*`, is one of these or below one.
    pub fn cover(&self, field: &Pointer) -> bool {
        let mut node = &self.0;
        for segment in field.segments() {
            if node.whole {
                return true;
            }
            match node.child(segment) {
                Some(child) => node = child,
                None => return false,
            }
        }
        node.whole
    }
}

impl Node {
    fn insert<'a>(&mut self, mut segments: impl Iterator<Item = &'a str>) {
        let Some(segment) = segments.next() else {
            self.whole = true;
            return;
        };
        let child = if segment == EVERY {
            self.every.get_or_insert_default()
        } else {
            let at = match self.named.binary_search_by(|named| (*named.key).cmp(segment)) {
                Ok(at) => at,
                Err(at) => {
                    self.named.insert(at, Named::new(segment));
                    at
                }
            };
            &mut self.named[at].node
        };
        child.insert(segments);
    }

    /// Makes every named child select what `every` does, from the top down.
    fn settle(&mut self) {
        if let Some(every) = &self.every {
            self.named.iter_mut().for_each(|named| named.node.merge(every));
        }
        self.indexed = self.named.iter().any(|named| pointer::is_index(&named.key));
        self.named.iter_mut().map(|named| &mut named.node).chain(self.every.as_deref_mut()).for_each(Node::settle);
    }

    fn merge(&mut self, other: &Node) {
        self.whole |= other.whole;
        if let Some(every) = &other.every {
            self.every.get_or_insert_default().merge(every);
        }
        for named in &other.named {
            match self.named.binary_search_by(|mine| mine.key.cmp(&named.key)) {
                Ok(at) => self.named[at].node.merge(&named.node),
                Err(at) => self.named.insert(at, named.clone()),
            }
        }
    }

    fn child(&self, segment: &str) -> Option<&Node> {
        match self.named.binary_search_by(|named| (*named.key).cmp(segment)) {
            Ok(at) => Some(&self.named[at].node),
            Err(_) => self.every.as_deref(),
        }
    }

    fn write(&self, value: &Value, out: &mut Vec<u8>) {
        match value {
            Value::Object(map) if !self.whole => self.write_map(map, out),
            Value::Array(items) if !self.whole && (self.every.is_some() || self.indexed) => self.write_list(items, out),
            as_it_is => serde_json::to_writer(out, as_it_is).expect("writing to memory does not fail"),
        }
    }

    fn write_map(&self, map: &serde_json::Map<String, Value>, out: &mut Vec<u8>) {
        out.push(b'{');
        let empty = out.len();
        if let Some(every) = &self.every {
            for (key, value) in map {
                separate(out, empty);
                serde_json::to_writer(&mut *out, key).expect("writing to memory does not fail");
                out.push(b':');
                self.child(key).unwrap_or(every).write(value, out);
            }
        } else {
            for named in &self.named {
                if let Some(value) = map.get(&*named.key) {
                    separate(out, empty);
                    out.extend_from_slice(named.text.as_bytes());
                    named.node.write(value, out);
                }
            }
        }
        out.push(b'}');
    }

    /// Items keep their positions: those before a selected one are `null`, those after the last are cut.
    fn write_list(&self, items: &[Value], out: &mut Vec<u8>) {
        out.push(b'[');
        let empty = out.len();
        if self.every.is_some() {
            for (position, item) in items.iter().enumerate() {
                separate(out, empty);
                let node = if self.indexed { self.child(&position.to_string()) } else { self.every.as_deref() };
                node.expect("`every` selects all items").write(item, out);
            }
        } else {
            let last = self.named.iter().filter_map(|named| pointer::index(&named.key)).filter(|index| *index < items.len()).max();
            for (position, item) in items.iter().enumerate().take(last.map_or(0, |last| last + 1)) {
                separate(out, empty);
                match self.child(&position.to_string()) {
                    Some(node) => node.write(item, out),
                    None => out.extend_from_slice(b"null"),
                }
            }
        }
        out.push(b']');
    }
}

impl Named {
    fn new(key: &str) -> Self {
        let text = serde_json::to_string(key).expect("a string is JSON") + ":";
        Self { key: key.into(), text: text.into(), node: Node::default() }
    }
}

fn separate(out: &mut Vec<u8>, empty: usize) {
    if out.len() > empty {
        out.push(b',');
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn fields(declared: &[&str]) -> Fields {
        Fields::compile(&declared.iter().map(|field| Pointer::parse(field).expect(field)).collect::<Vec<_>>())
    }

    #[track_caller]
    fn check(declared: &[&str], object: Value, handed_over: Value) {
        let text = fields(declared).project(&object);
        assert_eq!(serde_json::from_str::<Value>(&text).expect(&text), handed_over);
    }

    #[test]
    fn only_declared_fields_are_handed_over() {
        let object = json!({"kind": "Deployment", "spec": {"replicas": 3, "paused": true}, "status": {"replicas": 1}});
        check(&["/spec/replicas"], object.clone(), json!({"spec": {"replicas": 3}}));
        check(&["/spec/replicas", "/spec"], object.clone(), json!({"spec": {"replicas": 3, "paused": true}}));
        check(&[""], object.clone(), object.clone());
        check(&[], object, json!({}));
    }

    #[test]
    fn null_stays_null_and_absent_stays_absent() {
        check(&["/spec/replicas", "/spec/paused"], json!({"spec": {"replicas": null}}), json!({"spec": {"replicas": null}}));
        check(&["/spec/replicas"], json!({"spec": {"other": 1}}), json!({"spec": {}}));
        check(&["/spec/replicas"], json!({"spec": null}), json!({"spec": null}));
    }

    #[test]
    fn a_value_of_another_type_is_handed_over_as_it_is() {
        check(&["/spec/replicas"], json!({"spec": "text"}), json!({"spec": "text"}));
        check(&["/spec/replicas"], json!({"spec": [1, {"replicas": 2}]}), json!({"spec": [1, {"replicas": 2}]}));
        check(&["/spec/items/*/name"], json!({"spec": {"items": 5}}), json!({"spec": {"items": 5}}));
        check(&["/spec"], json!("text"), json!("text"));
        check(&[], json!("text"), json!("text"));
    }

    #[test]
    fn items_that_a_star_selects_keep_their_positions() {
        let object = json!({"items": [{"name": "a", "x": 1}, 7, null, {"x": 2}]});
        check(&["/items/*/name"], object, json!({"items": [{"name": "a"}, 7, null, {}]}));
    }

    #[test]
    fn a_star_selects_every_key_of_a_map() {
        let object = json!({"spec": {"a": {"replicas": 1, "x": 0}, "b": {"replicas": 2, "y": 0}}});
        check(&["/spec/*/replicas", "/spec/b/y"], object, json!({"spec": {"a": {"replicas": 1}, "b": {"replicas": 2, "y": 0}}}));
    }

    #[test]
    fn explicit_positions_are_kept_by_padding() {
        let object = json!({"items": ["a", "b", "c", "d"]});
        check(&["/items/2"], object.clone(), json!({"items": [null, null, "c"]}));
        check(&["/items/9", "/items/0"], object, json!({"items": ["a"]}));
        check(&["/items/3"], json!({"items": []}), json!({"items": []}));
    }

    #[test]
    fn keys_are_escaped() {
        let object = json!({"metadata": {"annotations": {"a.io/\"b\"": "1", "c": "2"}}});
        check(&["/metadata/annotations/a.io~1\"b\""], object, json!({"metadata": {"annotations": {"a.io/\"b\"": "1"}}}));
    }

    #[test]
    fn writes_cover_what_is_below_them() {
        let writes = fields(&["/spec/replicas", "/spec/template/spec/containers/*/image", "/status"]);
        let covered = |field: &str| writes.cover(&Pointer::parse(field).expect(field));
        assert!(covered("/spec/replicas") && covered("/status") && covered("/status/conditions/0"));
        assert!(covered("/spec/template/spec/containers/3/image"));
        assert!(!covered("/spec") && !covered("") && !covered("/spec/paused") && !covered("/spec/template/spec/containers/3"));
        assert!(fields(&[""]).cover(&Pointer::default()));
        assert!(!fields(&[]).cover(&Pointer::default()));
    }
}
