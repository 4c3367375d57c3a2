//! One example of each sort. Thousands of requests differ in names and numbers only: they are of a sort when the same client asks the
//! same of the same resource in the same form, sends the same fields, changes the same fields and is answered with the same code.

use super::Example;
use super::fold;
use super::place::Place;
use crate::normal;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// How deep fields are told apart.
const DEPTH: usize = 3;

/// An example that takes more bytes in a file than this is not kept.
const SIZE_MAX: usize = 30_000;

/// The smallest example of each sort, in order of their requests.
pub fn one_of_each(examples: Vec<Example>) -> Vec<Example> {
    let mut sorts: BTreeMap<String, (usize, Example)> = BTreeMap::new();
    for example in examples {
        let size = fold::folded(&example).len();
        if size > SIZE_MAX {
            continue;
        }
        let best = sorts.entry(sort_of(&example)).or_insert_with(|| (size, example.clone()));
        if size < best.0 {
            *best = (size, example);
        }
    }
    sorts.into_values().map(|(_, example)| example).collect()
}

/// What makes two examples alike.
fn sort_of(example: &Example) -> String {
    let (method, path, query) = example.asked();
    let place = Place::of(path);
    let resource = place.as_ref().map_or_else(String::new, |place| {
        let name = if place.name.is_some() { "/name" } else { "" };
        let scope = if place.namespace.is_some() { "/in" } else { "" };
        format!("{}{scope}/{}{name}/{}", place.root, place.plural, place.subresource.as_deref().unwrap_or(""))
    });
    let mut options: Vec<&str> = query.split('&').map(|option| if option.contains("elector=") { "selector" } else { option }).collect();
    options.sort_unstable();
    let answer = &example.answer["body"];
    let before = match &example.before[..] {
        [one] => one,
        _ => &Value::Null,
    };
    let (mut sent, mut changed) = (BTreeSet::new(), BTreeSet::new());
    fields(&example.body, String::new(), DEPTH, &mut sent);
    if method != "GET" {
        changes(before, answer, String::new(), DEPTH, &mut changed);
    }
    // Cells of Tables tell what an object is like: each such text is a sort.
    for row in answer["rows"].as_array().into_iter().flatten() {
        let mut cells = json!({"cells": row["cells"]});
        normal::value(&mut cells);
        changed.insert(cells.to_string());
    }
    let agent = example.agent.split(['/', ' ']).next().unwrap_or_default();
    format!(
        "{resource} {method} {} {} {} {agent} {} {} {} {} {sent:?} {changed:?}",
        options.join("&"),
        example.media,
        example.accept,
        example.answer["code"],
        answer["reason"],
        example.before.len().min(2),
        example.before.iter().any(|object| !object["metadata"]["deletionTimestamp"].is_null()),
    )
}

fn fields(value: &Value, path: String, depth: usize, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(object) if depth > 0 => {
            object.iter().for_each(|(name, value)| fields(value, format!("{path}/{name}"), depth - 1, found));
        }
        Value::Array(items) => items.iter().for_each(|item| fields(item, path.clone(), depth, found)),
        _ => drop(found.insert(path)),
    }
}

fn changes(old: &Value, new: &Value, path: String, depth: usize, found: &mut BTreeSet<String>) {
    match (old, new) {
        (Value::Object(a), Value::Object(b)) if depth > 0 => {
            let names: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
            for name in names.into_iter().filter(|name| !["managedFields", "resourceVersion", "generation"].contains(&name.as_str())) {
                let of = |object: &serde_json::Map<String, Value>| object.get(name).cloned().unwrap_or_default();
                changes(&of(a), &of(b), format!("{path}/{name}"), depth - 1, found);
            }
        }
        _ if old == new => {}
        (Value::Null, Value::Object(_)) if depth > 0 => fields(new, path, depth, found),
        _ => drop(found.insert(path)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example(name: &str, ask: &str, field: &str, code: u16) -> Example {
        Example {
            from: "test".into(),
            ask: ask.replace("NAME", name),
            agent: "kubectl/1".into(),
            media: String::new(),
            accept: String::new(),
            body: json!({"spec": {field: name}}),
            before: Vec::new(),
            answer: json!({"code": code, "body": {"metadata": {"name": name}}}),
        }
    }

    #[test]
    fn names_make_no_sort_of_their_own_but_fields_and_codes_do() {
        let ask = "PATCH /apis/apps/v1/namespaces/shop/deployments/NAME";
        let all = vec![
            example("long", ask, "a", 200),
            example("b", ask, "a", 200),
            example("c", ask, "b", 200),
            example("d", ask, "a", 409),
            example("e", &format!("{ask}/status"), "a", 200),
        ];
        let left: Vec<String> =
            one_of_each(all).into_iter().map(|example| example.answer["body"]["metadata"]["name"].to_string()).collect();
        assert_eq!(left.len(), 4);
        assert!(!left.contains(&"\"long\"".to_owned()));
    }
}
