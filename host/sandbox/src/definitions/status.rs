//! `status` of definitions: which names are accepted, and which versions were ever stored.

use super::{text, texts, versions};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// `status` of a definition that nobody has looked at yet.
pub fn initial(definition: &Value) -> Value {
    json!({"acceptedNames": {"kind": "", "plural": ""}, "conditions": null, "storedVersions": stored_versions(definition)})
}

/// All versions that objects were ever stored in.
pub fn stored_versions(definition: &Value) -> Vec<String> {
    let mut stored = texts(definition.pointer("/status/storedVersions"));
    for version in versions(definition).iter().filter(|version| version["storage"] == json!(true)) {
        let name = text(version, "/name").to_owned();
        if !stored.contains(&name) {
            stored.push(name);
        }
    }
    stored
}

/// Names that other definitions of the same group have.
#[derive(Debug, Default)]
pub struct Taken {
    resources: BTreeSet<String>,
    kinds: BTreeSet<String>,
}

impl Taken {
    /// By all definitions but the one of this name.
    pub fn by_others<'a>(definition: &Value, all: impl Iterator<Item = &'a Value>) -> Self {
        let mut taken = Self::default();
        let group = text(definition, "/spec/group");
        for other in all.filter(|other| text(other, "/spec/group") == group && other["metadata"]["name"] != definition["metadata"]["name"])
        {
            let names = &other["status"]["acceptedNames"];
            let given = |field: &str| names[field].as_str().filter(|name| !name.is_empty()).map(str::to_owned);
            taken.resources.extend(["plural", "singular"].into_iter().filter_map(given).chain(texts(names.get("shortNames"))));
            taken.kinds.extend(["kind", "listKind"].into_iter().filter_map(given));
        }
        taken
    }
}

/// `status` of a definition that was looked at. The times of conditions that were there stay.
pub fn looked_at(definition: &Value, taken: &Taken, now: &str) -> Value {
    let wanted = &definition["spec"]["names"];
    let mut accepted = definition["status"]["acceptedNames"].clone();
    let mut conflict = None;
    let fields = [
        ("plural", &taken.resources, "PluralConflict"),
        ("singular", &taken.resources, "SingularConflict"),
        ("shortNames", &taken.resources, "ShortNamesConflict"),
        ("kind", &taken.kinds, "KindConflict"),
        ("listKind", &taken.kinds, "ListKindConflict"),
    ];
    for (field, taken, reason) in fields {
        let names = wanted[field].as_str().map_or_else(|| texts(wanted.get(field)), |name| vec![name.to_owned()]);
        let clash = names.iter().find(|name| wanted[field] != accepted[field] && taken.contains(*name));
        match clash {
            Some(name) => conflict = Some((reason, format!("{name:?} is already in use"))),
            None => take(&mut accepted, wanted, field),
        }
    }
    take(&mut accepted, wanted, "categories");
    let old = definition.pointer("/status/conditions").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let find = |kind: &str| old.iter().find(|old| old["type"] == kind);
    let condition = |kind: &str, status: &str, reason: &str, message: &str| {
        let made = json!({"type": kind, "status": status, "reason": reason, "message": message, "lastTransitionTime": now});
        find(kind).filter(|old| old["status"] == status && old["reason"] == reason).cloned().unwrap_or(made)
    };
    let was_established = find("Established").is_some_and(|old| old["status"] == "True");
    let mut conditions = match &conflict {
        None => vec![
            condition("NamesAccepted", "True", "NoConflicts", "no conflicts found"),
            condition("Established", "True", "InitialNamesAccepted", "the initial names have been accepted"),
        ],
        Some((reason, message)) if was_established => vec![
            condition("NamesAccepted", "False", reason, message),
            condition("Established", "True", "InitialNamesAccepted", "the initial names have been accepted"),
        ],
        Some((reason, message)) => vec![
            condition("NamesAccepted", "False", reason, message),
            condition("Established", "False", "NotAccepted", "not all names are accepted"),
        ],
    };
    conditions.extend(find("Terminating").cloned());
    json!({"acceptedNames": accepted, "conditions": conditions, "storedVersions": stored_versions(definition)})
}

fn take(accepted: &mut Value, wanted: &Value, field: &str) {
    match wanted.get(field) {
        Some(name) => accepted[field] = name.clone(),
        None => drop(accepted.as_object_mut().map(|accepted| accepted.remove(field))),
    }
}

/// Whether a definition's types are served.
pub fn is_established(status: &Value) -> bool {
    let conditions = status["conditions"].as_array().map(Vec::as_slice).unwrap_or_default();
    conditions.iter().any(|condition| condition["type"] == "Established" && condition["status"] == "True")
}

/// Says that a definition and its objects are going.
pub fn mark_terminating(definition: &mut Value, now: &str) {
    const MESSAGE: &str = "CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon";
    let condition = json!({"type": "Terminating", "status": "True", "reason": "InstanceDeletionPending", "message": MESSAGE,
        "lastTransitionTime": now});
    match definition.pointer_mut("/status/conditions").and_then(Value::as_array_mut) {
        Some(conditions) => conditions.push(condition),
        None => definition["status"]["conditions"] = json!([condition]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn definition(name: &str, kind: &str) -> Value {
        json!({"metadata": {"name": format!("{name}.g.io")}, "spec": {"group": "g.io", "versions": [{"name": "v1", "storage": true}],
            "names": {"plural": name, "singular": kind.to_lowercase(), "kind": kind, "listKind": format!("{kind}List")}}})
    }

    #[test]
    fn conditions_keep_their_times() {
        let mut thing = definition("things", "Thing");
        thing["status"] = looked_at(&thing, &Taken::default(), "2026-01-01T00:00:00Z");
        let again = looked_at(&thing, &Taken::default(), "2027-01-01T00:00:00Z");
        assert_eq!(thing["status"], again);
        assert_eq!(again["storedVersions"], json!(["v1"]));
        assert!(is_established(&again));
    }

    #[test]
    fn a_kind_that_another_definition_has_is_not_accepted() {
        let mut first = definition("things", "Thing");
        first["status"] = looked_at(&first, &Taken::default(), "2026-01-01T00:00:00Z");
        let second = definition("others", "Thing");
        let status = looked_at(&second, &Taken::by_others(&second, [&first, &second].into_iter()), "2026-01-01T00:00:00Z");
        assert!(!is_established(&status));
        assert_eq!(status["conditions"][0]["reason"], "ListKindConflict");
        assert_eq!(status["acceptedNames"], json!({"plural": "others"}));
    }
}
