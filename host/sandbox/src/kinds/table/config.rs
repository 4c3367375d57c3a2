//! `kubectl get` of configuration, accounts, bindings of roles, and of what extends the API.

use super::{AGE, NAME, Printer, age, column, name, wide};
use crate::kinds::reach::{entries, list, present, text};
use serde_json::{Value, json};

pub(super) static CONFIG_MAPS: Printer = Printer {
    columns: &[NAME, column("Data", "string", "How many keys it holds."), AGE],
    cells: |object, now| {
        let keys = entries(object, "/data").count() + entries(object, "/binaryData").count();
        vec![name(object), json!(keys), age::of(object, now)]
    },
};

pub(super) static SECRETS: Printer = Printer {
    columns: &[NAME, column("Type", "string", "What the data is for."), column("Data", "string", "How many keys it holds."), AGE],
    cells: |object, now| vec![name(object), json!(text(object, "/type")), json!(entries(object, "/data").count()), age::of(object, now)],
};

pub(super) static SERVICE_ACCOUNTS: Printer =
    Printer { columns: &[NAME, AGE], cells: |object, now| vec![name(object), age::of(object, now)] };

pub(super) static ROLE_BINDINGS: Printer = Printer {
    columns: &[
        NAME,
        column("Role", "string", "Role that is given."),
        AGE,
        wide("Users", "string", "Users it is given to."),
        wide("Groups", "string", "Groups it is given to."),
        wide("ServiceAccounts", "string", "ServiceAccounts it is given to."),
    ],
    cells: |object, now| {
        let role = format!("{}/{}", text(object, "/roleRef/kind"), text(object, "/roleRef/name"));
        let [users, groups, accounts] = ["User", "Group", "ServiceAccount"].map(|kind| subjects(object, kind));
        vec![name(object), json!(role), age::of(object, now), users, groups, accounts]
    },
};

fn subjects(binding: &Value, kind: &str) -> Value {
    let subjects = list(binding, "/subjects").iter().filter(|subject| text(subject, "/kind") == kind);
    let names: Vec<String> = subjects
        .map(|subject| match kind {
            "ServiceAccount" => {
                format!("{}/{}", text(subject, "/namespace"), text(subject, "/name"))
            }
            _ => text(subject, "/name").to_owned(),
        })
        .collect();
    json!(names.join(", "))
}

pub(super) static WEBHOOK_CONFIGURATIONS: Printer = Printer {
    columns: &[NAME, column("Webhooks", "integer", "How many webhooks there are."), AGE],
    cells: |object, now| vec![name(object), json!(list(object, "/webhooks").len()), age::of(object, now)],
};

pub(super) static API_SERVICES: Printer = Printer {
    columns: &[
        NAME,
        column("Service", "string", "Service that serves the group, or Local."),
        column("Available", "string", "Whether it answers."),
        AGE,
    ],
    cells: |object, now| {
        let service = present(object, "/spec/service");
        let service = service.map(|service| format!("{}/{}", text(service, "/namespace"), text(service, "/name")));
        let condition = list(object, "/status/conditions").iter().find(|condition| text(condition, "/type") == "Available");
        let available = match condition.map(|condition| (text(condition, "/status"), text(condition, "/reason"))) {
            None => "Unknown".to_owned(),
            Some(("True", _)) => "True".to_owned(),
            Some((status, reason)) => format!("{status} ({reason})"),
        };
        let service = service.unwrap_or_else(|| "Local".to_owned());
        vec![name(object), json!(service), json!(available), age::of(object, now)]
    },
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn config_maps_count_both_kinds_of_data() {
        let map = json!({"data": {"a": "b", "c": "d"}, "binaryData": {"e": ""}});
        assert_eq!((CONFIG_MAPS.cells)(&map, 0)[1], 3);
    }

    #[test]
    fn bindings_list_their_subjects_by_kind() {
        let binding = json!({"roleRef": {"kind": "Role", "name": "r"}, "subjects": [{"kind": "User", "name": "a"}, {"kind": "User", "name": "b"},
            {"kind": "ServiceAccount", "namespace": "n", "name": "bot"}]});
        let cells = (ROLE_BINDINGS.cells)(&binding, 0);
        assert_eq!(cells[1], "Role/r");
        assert_eq!(cells[3..], [json!("a, b"), json!(""), json!("n/bot")]);
    }
}
