//! `kubectl get` of custom resources: the columns that their CRD names by JSONPath.

use super::{Table, age, name};
use crate::kinds::reach::{int, text};
use jsonpath_rust::parser::model::JpQuery;
use jsonpath_rust::parser::parse_json_path;
use jsonpath_rust::query::js_path_process;
use serde_json::{Value, json};

/// A column and the path of its values; none for a path that cannot be read.
struct Column<'a> {
    kind: &'a str,
    path: Option<JpQuery>,
}

pub(super) fn table(printer_columns: &[Value], objects: &[&Value], now: i64) -> Table {
    let age_alone = [json!({"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"})];
    let printer_columns = if printer_columns.is_empty() { &age_alone } else { printer_columns };
    let columns: Vec<Column> = printer_columns
        .iter()
        .map(|column| Column { kind: text(column, "/type"), path: parse_json_path(&standard(text(column, "/jsonPath"))).ok() })
        .collect();
    let mut definitions = vec![super::NAME.definition()];
    definitions.extend(printer_columns.iter().map(definition));
    let row = |object: &&Value| {
        let mut cells = vec![name(object)];
        cells.extend(columns.iter().map(|column| cell(column, object, now)));
        cells
    };
    Table { columns: definitions, rows: objects.iter().map(row).collect() }
}

fn definition(column: &Value) -> Value {
    let path = text(column, "/jsonPath");
    let description = match text(column, "/description") {
        "" => format!("Value at the JSONPath {path}"),
        given => given.to_owned(),
    };
    json!({"name": text(column, "/name"), "type": text(column, "/type"), "format": text(column, "/format"),
        "description": description, "priority": int(column, "/priority").unwrap_or_default()})
}

/// The first value found, in the type of its column; null for none or for one of another type.
fn cell(column: &Column, object: &Value, now: i64) -> Value {
    let found = column.path.as_ref().and_then(|path| js_path_process(path, object).ok()).unwrap_or_default();
    let Some(value) = found.into_iter().next().map(|found| found.val()).filter(|value| !value.is_null()) else {
        return Value::Null;
    };
    match (column.kind, value) {
        ("string", Value::String(text)) => json!(text),
        ("string", other) => json!(other.to_string()),
        ("integer", Value::Number(number)) => number.as_i64().map_or_else(|| json!(number.as_f64().map(|n| n as i64)), |n| json!(n)),
        ("number", Value::Number(number)) => json!(number),
        ("boolean", Value::Bool(flag)) => json!(flag),
        ("date", Value::String(text)) => json!(age::seconds(text).map_or_else(|| "<invalid>".to_owned(), |_| age::since(text, now))),
        _ => Value::Null,
    }
}

/// A path as Kubernetes writes it (`.metadata.labels.example\.org/x`) in the syntax of RFC 9535 (`$['metadata']…`).
fn standard(path: &str) -> String {
    let path = path.strip_prefix('{').and_then(|path| path.strip_suffix('}')).unwrap_or(path);
    let path = path.strip_prefix('$').unwrap_or(path);
    let mut standard = String::from("$");
    let mut rest = path;
    while !rest.is_empty() {
        if rest.starts_with('[') {
            let end = end_of_brackets(rest);
            standard.push_str(&rest[..end]);
            rest = &rest[end..];
        } else if let Some(deeper) = rest.strip_prefix("..") {
            standard.push_str("..");
            rest = deeper;
            if rest.starts_with('[') {
                continue;
            }
            rest = push_name(&mut standard, rest);
        } else {
            rest = push_name(&mut standard, rest.strip_prefix('.').unwrap_or(rest));
        }
    }
    standard
}

/// Takes one name off the front of `rest` and writes it in brackets.
fn push_name<'a>(standard: &mut String, rest: &'a str) -> &'a str {
    let mut name = String::new();
    let mut chars = rest.char_indices();
    let mut end = rest.len();
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => name.extend(chars.next().map(|(_, escaped)| escaped)),
            '.' | '[' => {
                end = at;
                break;
            }
            other => name.push(other),
        }
    }
    match name.as_str() {
        "" => {}
        "*" => standard.push_str("[*]"),
        name => standard.push_str(&format!("['{}']", name.replace('\\', "\\\\").replace('\'', "\\'"))),
    }
    &rest[end..]
}

/// Length of the bracketed part at the front, quotes and nested brackets included.
fn end_of_brackets(text: &str) -> usize {
    let mut depth = 0;
    let mut quote = None;
    for (at, c) in text.char_indices() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => quote = Some(c),
            (None, '[') => depth += 1,
            (None, ']') => {
                depth -= 1;
                if depth == 0 {
                    return at + 1;
                }
            }
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(kind: &str, path: &str, expected: Value) {
        let object = json!({"metadata": {"name": "x", "creationTimestamp": "1970-01-01T00:00:00Z", "labels": {"example.org/a-b": "l"}},
            "spec": {"replicas": 3, "ratio": 0.5, "on": true, "list": ["a", "b"], "map": {"k": 1}, "a-b": "hyphen"},
            "status": {"conditions": [{"type": "Up", "status": "False"}, {"type": "Ready", "status": "True"}]}});
        let columns = [json!({"name": "C", "type": kind, "jsonPath": path})];
        assert_eq!(table(&columns, &[&object], 65).rows, [[json!("x"), expected]], "{path}");
    }

    #[test]
    fn values_are_found_by_kubernetes_paths() {
        check("string", ".metadata.labels.example\\.org/a-b", json!("l"));
        check("string", ".metadata.labels['example.org/a-b']", json!("l"));
        check("string", ".spec.a-b", json!("hyphen"));
        check("string", ".status.conditions[?(@.type==\"Ready\")].status", json!("True"));
        check("string", ".status.conditions[?(@.type=='Ready')].status", json!("True"));
        check("string", ".spec.list[*]", json!("a"));
        check("string", ".spec.list[1]", json!("b"));
        check("string", "{.spec.list[-1:]}", json!("b"));
        check("string", "..replicas", json!("3"));
    }

    #[test]
    fn values_have_the_type_of_their_column() {
        check("string", ".spec.replicas", json!("3"));
        check("string", ".spec.map", json!("{\"k\":1}"));
        check("string", ".spec.list", json!("[\"a\",\"b\"]"));
        check("integer", ".spec.replicas", json!(3));
        check("integer", ".spec.list", Value::Null);
        check("number", ".spec.ratio", json!(0.5));
        check("boolean", ".spec.on", json!(true));
        check("date", ".metadata.creationTimestamp", json!("65s"));
        check("date", ".spec.a-b", json!("<invalid>"));
        check("string", ".spec.nothing", Value::Null);
        check("string", ".spec[", Value::Null);
    }

    #[test]
    fn without_columns_there_is_the_age() {
        let object = json!({"metadata": {"name": "x", "creationTimestamp": "1970-01-01T00:00:00Z"}});
        let table = table(&[], &[&object], 5);
        assert_eq!(table.rows, [[json!("x"), json!("5s")]]);
        assert_eq!(table.columns[1]["name"], "Age");
    }
}
