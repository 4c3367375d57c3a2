//! Roles and their bindings.

use super::Behaviour;
use super::metadata::NameRule;
use super::reach::{each, fill_zero, inner, list, text};
use super::refusal::{each_invalid, invalid, invalid_printed, not_supported, required};
use super::syntax;
use crate::status::FieldError;
use serde_json::Value;

const RBAC: &str = "rbac.authorization.k8s.io";

/// Roles and ClusterRoles.
pub(super) struct Roles;

impl Behaviour for Roles {
    fn name_rule(&self) -> NameRule {
        NameRule::PathSegment
    }

    fn validate(&self, object: &Value) -> Vec<FieldError> {
        let mut errors = Vec::new();
        let is_namespaced = text(object, "/kind") == "Role";
        for (index, rule) in list(object, "/rules").iter().enumerate() {
            errors.extend(self::rule(rule, &format!("rules[{index}]"), is_namespaced));
        }
        errors
    }
}

fn rule(rule: &Value, path: &str, is_namespaced: bool) -> Vec<FieldError> {
    let is_empty = |field: &str| list(rule, &format!("/{field}")).is_empty();
    let mut errors = Vec::new();
    if is_empty("verbs") {
        errors.push(required(format!("{path}.verbs"), "verbs must contain at least one value"));
    }
    if !is_empty("nonResourceURLs") {
        let urls = &rule["nonResourceURLs"];
        if is_namespaced {
            errors.push(invalid(format!("{path}.nonResourceURLs"), urls, "namespaced rules cannot apply to non-resource URLs"));
        }
        if !is_empty("apiGroups") || !is_empty("resources") || !is_empty("resourceNames") {
            errors.push(invalid(
                format!("{path}.nonResourceURLs"),
                urls,
                "rules cannot apply to both regular resources and non-resource URLs",
            ));
        }
        return errors;
    }
    if is_empty("apiGroups") {
        errors.push(required(format!("{path}.apiGroups"), "resource rules must supply at least one api group"));
    }
    if is_empty("resources") {
        errors.push(required(format!("{path}.resources"), "resource rules must supply at least one resource"));
    }
    errors
}

/// RoleBindings and ClusterRoleBindings.
pub(super) struct RoleBindings;

impl Behaviour for RoleBindings {
    fn default(&self, object: &mut Value) {
        fill_zero(inner(object, "roleRef"), "apiGroup", RBAC);
        for subject in each(object, "/subjects") {
            if text(subject, "/kind") != "ServiceAccount" {
                fill_zero(subject, "apiGroup", RBAC);
            }
        }
    }

    fn name_rule(&self) -> NameRule {
        NameRule::PathSegment
    }

    fn validate(&self, object: &Value) -> Vec<FieldError> {
        let mut errors = Vec::new();
        let role = &object["roleRef"];
        if role["apiGroup"] != RBAC {
            errors.push(not_supported("roleRef.apiGroup", &role["apiGroup"], &[RBAC]));
        }
        let kinds: &[&str] = if text(object, "/kind") == "ClusterRoleBinding" { &["ClusterRole"] } else { &["Role", "ClusterRole"] };
        if !kinds.iter().any(|kind| role["kind"] == *kind) {
            errors.push(not_supported("roleRef.kind", &role["kind"], kinds));
        }
        match text(role, "/name") {
            "" => errors.push(required("roleRef.name", "")),
            name => errors.extend(each_invalid("roleRef.name", name, syntax::path_segment(name))),
        }
        for (index, subject) in list(object, "/subjects").iter().enumerate() {
            errors.extend(self::subject(subject, &format!("subjects[{index}]"), text(object, "/kind") == "RoleBinding"));
        }
        errors
    }

    fn validate_update(&self, new: &Value, old: &Value) -> Vec<FieldError> {
        let role = &new["roleRef"];
        let printed = format!(r#"{{"APIGroup":{},"Kind":{},"Name":{}}}"#, role["apiGroup"], role["kind"], role["name"]);
        let is_kept = role == &old["roleRef"];
        if is_kept { Vec::new() } else { vec![invalid_printed("roleRef", printed, "cannot change roleRef")] }
    }
}

fn subject(subject: &Value, path: &str, is_namespaced: bool) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let name = text(subject, "/name");
    if name.is_empty() {
        errors.push(required(format!("{path}.name"), ""));
    }
    match text(subject, "/kind") {
        "ServiceAccount" => {
            if !name.is_empty() {
                errors.extend(each_invalid(&format!("{path}.name"), name, syntax::dns_subdomain(name)));
            }
            if !is_namespaced && text(subject, "/namespace").is_empty() {
                errors.push(required(format!("{path}.namespace"), ""));
            }
        }
        "User" | "Group" => {}
        _ => errors.push(not_supported(format!("{path}.kind"), &subject["kind"], &["ServiceAccount", "User", "Group"])),
    }
    errors
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn said(errors: Vec<FieldError>) -> Vec<String> {
        errors.iter().map(FieldError::to_string).collect()
    }

    #[test]
    fn rules_say_what_may_be_done_to_what() {
        let role = json!({"kind": "Role", "metadata": {"name": "system:r"}, "rules": [{"verbs": ["get"], "apiGroups": [""], "resources": ["pods"]}, {}]});
        assert_eq!(
            said(Roles.validate(&role)),
            [
                "rules[1].verbs: Required value: verbs must contain at least one value",
                "rules[1].apiGroups: Required value: resource rules must supply at least one api group",
                "rules[1].resources: Required value: resource rules must supply at least one resource",
            ]
        );
    }

    #[test]
    fn a_binding_keeps_its_role() {
        let mut old = json!({"kind": "RoleBinding", "metadata": {"name": "b"}, "roleRef": {"kind": "Role", "name": "a"}, "subjects": [{"kind": "User", "name": "u"}]});
        RoleBindings.default(&mut old);
        assert_eq!(RoleBindings.validate(&old), []);
        assert_eq!(old["subjects"][0]["apiGroup"], RBAC);
        let mut new = old.clone();
        new["roleRef"]["name"] = json!("b");
        assert_eq!(
            said(RoleBindings.validate_update(&new, &old)),
            [
                "roleRef: Invalid value: {\"APIGroup\":\"rbac.authorization.k8s.io\",\"Kind\":\"Role\",\"Name\":\"b\"}: cannot change roleRef"
            ]
        );
    }
}
