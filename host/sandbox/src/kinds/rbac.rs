//! Roles and their bindings.

use super::Behaviour;
use super::reach::{each, fill, fill_zero, inner, text};
use super::tidy::tidy;
use serde_json::Value;

const RBAC: &str = "rbac.authorization.k8s.io";

/// Roles and ClusterRoles.
pub(super) struct Roles;

impl Behaviour for Roles {
    fn default(&self, object: &mut Value) {
        let has_rules = object.get("rules").is_some_and(Value::is_array);
        tidy(object);
        if !has_rules {
            fill(object, "rules", Value::Null);
        }
    }
}

/// RoleBindings and ClusterRoleBindings.
pub(super) struct RoleBindings;

impl Behaviour for RoleBindings {
    fn default(&self, object: &mut Value) {
        tidy(object);
        fill_zero(inner(object, "roleRef"), "apiGroup", RBAC);
        for subject in each(object, "/subjects") {
            if text(subject, "/kind") != "ServiceAccount" {
                fill_zero(subject, "apiGroup", RBAC);
            }
        }
    }
}
