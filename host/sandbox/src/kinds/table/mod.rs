//! `as=Table`: the columns and cells that kubectl prints.

use serde_json::Value;

/// The `meta.k8s.io/v1 Table` of some objects of a built-in resource, without `metadata` (the server adds resourceVersion) and with each
/// row's `object` left to the caller. `now` is Unix seconds, for ages.
pub fn built_in(_group: &str, _plural: &str, _objects: &[&Value], _now: i64) -> Table {
    todo!()
}

/// The same for a custom resource: NAME, then `additionalPrinterColumns` of the CRD's version (JSONPath by the `jsonpath-rust` crate), AGE by default.
pub fn custom(_printer_columns: &[Value], _objects: &[&Value], _now: i64) -> Table {
    todo!()
}

/// Columns and, in the order of the objects, their cells.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    /// `columnDefinitions`.
    pub columns: Vec<Value>,
    /// `rows[].cells`.
    pub rows: Vec<Vec<Value>>,
}
