//! What the OpenAPI schemas of `k8s-openapi` do not say about built-in types: how lists and maps merge, and what a server writes when
//! a field is empty. Facts read off the Go types of Kubernetes 1.35, kept in `facts.txt`.
//!
//! One line per definition that has any: `group.version.Type`, `atomic` where the whole type merges as one value, then fields with
//! their facts joined by `+`:
//!
//! | fact | means |
//! |---|---|
//! | `[a,b]` | items are identified by fields `a` and `b`; strategic patches merge them by `a` |
//! | `map(a,b)` | items are identified by fields `a` and `b`; strategic patches replace the list |
//! | `set` | items are identified by their values |
//! | `merge(a)`, `merge` | strategic patches merge the items, by `a` or by value |
//! | `retain`, `replace` | strategic patches send `$retainKeys`, or replace the map |
//! | `atomic`, `granular` | the map merges as one value, or by key against what its type says |
//! | `default(x)` | an item without the field is identified as if it held `x` |
//! | `struct` | never absent: written as `{}` |
//! | `null` | written as `null` when absent |
//! | `keep` | optional text that may be empty |
//! | `drop` | an optional number or boolean that is left out when zero |
//! | `written`, `unwritten` | an optional scalar that is always written, a required one that is left out when empty |
//! | `enum(a,b)` | the values that are allowed |

use std::collections::HashMap;
use std::sync::LazyLock;

/// Facts about one field.
#[derive(Debug, Default, Clone)]
pub(crate) struct Facts {
    pub keys: Vec<&'static str>,
    pub set: bool,
    /// `Some(None)`: merged by value.
    pub merge: Option<Option<&'static str>>,
    pub retain: bool,
    pub replace: bool,
    pub atomic: bool,
    pub granular: bool,
    pub default: Option<&'static str>,
    pub structure: bool,
    pub null: bool,
    pub keep: bool,
    pub drop: bool,
    pub written: bool,
    pub unwritten: bool,
    pub values: Vec<&'static str>,
}

/// Facts about one definition.
#[derive(Debug, Default)]
pub(crate) struct TypeFacts {
    pub atomic: bool,
    pub fields: HashMap<&'static str, Facts>,
}

static FACTS: LazyLock<HashMap<&'static str, TypeFacts>> =
    LazyLock::new(|| include_str!("facts.txt").lines().filter_map(parse_line).collect());

/// Facts about a definition of `k8s-openapi` (`io.k8s.api.apps.v1.Deployment`).
pub(crate) fn of(definition: &str) -> Option<&'static TypeFacts> {
    FACTS.get(short(definition))
}

fn short(definition: &str) -> &str {
    const PREFIXES: [&str; 4] =
        ["io.k8s.api.", "io.k8s.apimachinery.pkg.apis.", "io.k8s.apiextensions-apiserver.pkg.apis.", "io.k8s.kube-aggregator.pkg.apis."];
    PREFIXES.iter().find_map(|prefix| definition.strip_prefix(prefix)).unwrap_or(definition)
}

fn parse_line(line: &'static str) -> Option<(&'static str, TypeFacts)> {
    let (name, rest) = line.split_once(' ')?;
    let mut facts = TypeFacts::default();
    for word in fields_of(rest) {
        match word.split_once('=') {
            Some((field, flags)) => {
                facts.fields.insert(field, parse_flags(flags));
            }
            None => facts.atomic |= word == "atomic",
        }
    }
    Some((name, facts))
}

/// Words, where blanks in parentheses belong to the word.
fn fields_of(text: &'static str) -> impl Iterator<Item = &'static str> {
    let mut depth = 0;
    text.split(move |c: char| {
        depth += i32::from(c == '(') - i32::from(c == ')');
        c == ' ' && depth == 0
    })
}

fn parse_flags(flags: &'static str) -> Facts {
    let mut facts = Facts::default();
    for flag in flags.split('+') {
        let (word, argument) = match flag.split_once('(') {
            Some((word, rest)) => (word, rest.trim_end_matches(')')),
            None => (flag, ""),
        };
        let listed = || argument.split(',').collect();
        match word {
            "map" => facts.keys = listed(),
            "set" => facts.set = true,
            "merge" => facts.merge = Some(Some(argument).filter(|key| !key.is_empty())),
            "retain" => facts.retain = true,
            "replace" => facts.replace = true,
            "atomic" => facts.atomic = true,
            "granular" => facts.granular = true,
            "default" => facts.default = Some(argument),
            "struct" => facts.structure = true,
            "null" => facts.null = true,
            "keep" => facts.keep = true,
            "drop" => facts.drop = true,
            "written" => facts.written = true,
            "unwritten" => facts.unwritten = true,
            "enum" => facts.values = listed(),
            keys => {
                facts.keys = keys.trim_matches(['[', ']']).split(',').collect();
                facts.merge = Some(facts.keys.first().copied());
            }
        }
    }
    facts
}

#[cfg(test)]
mod tests {
    use super::super::types::DEFINITIONS;
    use super::*;

    #[test]
    fn every_fact_is_about_a_field_that_exists() {
        let names: HashMap<&str, &serde_json::Value> = DEFINITIONS.schemas.iter().map(|(name, schema)| (short(name), schema)).collect();
        for (name, facts) in FACTS.iter() {
            let schema = names.get(name).unwrap_or_else(|| panic!("no definition {name}"));
            for field in facts.fields.keys() {
                assert!(schema["properties"].get(field).is_some(), "{name} has no field {field}");
            }
        }
    }

    #[test]
    fn keys_are_read_with_their_patch_strategy() {
        let facts = &of("io.k8s.api.core.v1.Container").unwrap().fields["ports"];
        assert_eq!(facts.keys, ["containerPort", "protocol"]);
        assert_eq!(facts.merge, Some(Some("containerPort")));
    }
}
