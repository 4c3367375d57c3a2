//! MutatingWebhookConfigurations and ValidatingWebhookConfigurations.

use super::Behaviour;
use super::labels;
use super::reach::{each, fill, list, present, text};
use super::refusal::{each_invalid, invalid, invalid_text, not_supported, required};
use super::syntax;
use crate::status::FieldError;
use serde_json::{Value, json};

/// MutatingWebhookConfigurations and ValidatingWebhookConfigurations.
pub(super) struct WebhookConfigurations {
    /// Whether they mutate.
    pub mutating: bool,
}

impl Behaviour for WebhookConfigurations {
    fn default(&self, object: &mut Value) {
        for webhook in each(object, "/webhooks") {
            fill(webhook, "failurePolicy", "Fail");
            fill(webhook, "matchPolicy", "Equivalent");
            fill(webhook, "namespaceSelector", json!({}));
            fill(webhook, "objectSelector", json!({}));
            fill(webhook, "timeoutSeconds", 10);
            if self.mutating {
                fill(webhook, "reinvocationPolicy", "Never");
            }
            if let Some(service) = webhook.pointer_mut("/clientConfig/service") {
                fill(service, "port", 443);
            }
            for rule in each(webhook, "/rules") {
                fill(rule, "scope", "*");
            }
        }
    }

    fn validate(&self, object: &Value) -> Vec<FieldError> {
        let webhooks = list(object, "/webhooks").iter().enumerate();
        webhooks.flat_map(|(index, webhook)| self::webhook(webhook, &format!("webhooks[{index}]"))).collect()
    }
}

fn webhook(webhook: &Value, path: &str) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let name = text(webhook, "/name");
    let wrong = syntax::dns_subdomain(name);
    if name.is_empty() {
        errors.push(required(format!("{path}.name"), ""));
    } else if !wrong.is_empty() {
        errors.extend(each_invalid(&format!("{path}.name"), name, wrong));
    } else if name.split('.').count() < 3 {
        errors.push(invalid_text(format!("{path}.name"), name, "should be a domain with at least three segments separated by dots"));
    }
    for (index, rule) in list(webhook, "/rules").iter().enumerate() {
        errors.extend(self::rule(rule, &format!("{path}.rules[{index}]")));
    }
    for (field, known) in [("failurePolicy", ["Fail", "Ignore"]), ("matchPolicy", ["Equivalent", "Exact"])] {
        errors.extend(other_than(webhook, path, field, &known));
    }
    match present(webhook, "/sideEffects") {
        None => errors.push(required(format!("{path}.sideEffects"), "must specify one of None, NoneOnDryRun")),
        Some(_) => errors.extend(other_than(webhook, path, "sideEffects", &["None", "NoneOnDryRun"])),
    }
    if let Some(seconds) = present(webhook, "/timeoutSeconds").filter(|seconds| !(1..=30).contains(&seconds.as_i64().unwrap_or_default())) {
        errors.push(invalid(format!("{path}.timeoutSeconds"), seconds, "the timeout value must be between 1 and 30 seconds"));
    }
    for field in ["namespaceSelector", "objectSelector"] {
        errors.extend(
            present(webhook, &format!("/{field}"))
                .into_iter()
                .flat_map(|selector| labels::validate_selector(selector, &format!("{path}.{field}"))),
        );
    }
    errors.extend(client(&webhook["clientConfig"], &format!("{path}.clientConfig")));
    errors.extend(versions(list(webhook, "/admissionReviewVersions"), &format!("{path}.admissionReviewVersions")));
    errors
}

fn other_than(object: &Value, path: &str, field: &str, known: &[&str]) -> Option<FieldError> {
    let given = present(object, &format!("/{field}")).filter(|given| !known.iter().any(|word| given == word))?;
    Some(not_supported(format!("{path}.{field}"), given, known))
}

fn rule(rule: &Value, path: &str) -> Vec<FieldError> {
    const OPERATIONS: [&str; 5] = ["*", "CONNECT", "CREATE", "DELETE", "UPDATE"];
    let mut errors = Vec::new();
    let operations = list(rule, "/operations");
    if operations.is_empty() {
        errors.push(required(format!("{path}.operations"), ""));
    }
    if operations.len() > 1 && operations.iter().any(|operation| operation == "*") {
        let field = format!("{path}.operations");
        errors.push(invalid(field, &rule["operations"], "if '*' is present, must not specify other operations"));
    }
    for (index, operation) in operations.iter().enumerate().filter(|(_, operation)| !OPERATIONS.iter().any(|known| operation == known)) {
        errors.push(not_supported(format!("{path}.operations[{index}]"), operation, &OPERATIONS));
    }
    for field in ["apiGroups", "apiVersions", "resources"] {
        if list(rule, &format!("/{field}")).is_empty() {
            errors.push(required(format!("{path}.{field}"), ""));
        }
    }
    errors
}

fn client(client: &Value, path: &str) -> Vec<FieldError> {
    match (present(client, "/url").and_then(Value::as_str), present(client, "/service")) {
        (None, None) | (Some(_), Some(_)) => vec![required(path, "exactly one of url or service is required")],
        (Some(url), None) => {
            let path = format!("{path}.url");
            let form = "desired format: https://host[/path]";
            match url.split_once("://") {
                Some(("https", rest)) if rest.starts_with('/') || rest.is_empty() => {
                    vec![invalid_text(path, "", format!("host must be specified; {form}"))]
                }
                Some(("https", _)) => Vec::new(),
                Some((scheme, _)) => {
                    vec![invalid_text(path, scheme, format!("'https' is the only allowed URL scheme; {form}"))]
                }
                None => vec![invalid_text(path, "", format!("'https' is the only allowed URL scheme; {form}"))],
            }
        }
        (None, Some(service)) => {
            let missing = ["name", "namespace"].into_iter().filter(|field| text(service, &format!("/{field}")).is_empty());
            missing.map(|field| required(format!("{path}.service.{field}"), &format!("service {field} is required"))).collect()
        }
    }
}

fn versions(versions: &[Value], path: &str) -> Vec<FieldError> {
    const KNOWN: [&str; 2] = ["v1", "v1beta1"];
    if versions.is_empty() {
        return vec![required(path, "must specify one of v1, v1beta1")];
    }
    if versions.iter().any(|version| KNOWN.iter().any(|known| version == known)) {
        return Vec::new();
    }
    vec![invalid(path, &Value::Array(versions.to_vec()), "must include at least one of v1, v1beta1")]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_webhook_says_where_it_is_and_what_it_does() {
        let kind = WebhookConfigurations { mutating: false };
        let said = |webhook: Value| {
            let mut object = json!({"webhooks": [webhook]});
            kind.default(&mut object);
            kind.validate(&object).iter().map(FieldError::to_string).collect::<Vec<_>>()
        };
        let right = json!({"name": "a.b.c", "sideEffects": "None", "admissionReviewVersions": ["v1"], "clientConfig": {"url": "https://a"},
            "rules": [{"operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"]}]});
        assert!(said(right).is_empty());
        assert_eq!(
            said(json!({"name": "a"})),
            [
                "webhooks[0].name: Invalid value: \"a\": should be a domain with at least three segments separated by dots",
                "webhooks[0].sideEffects: Required value: must specify one of None, NoneOnDryRun",
                "webhooks[0].clientConfig: Required value: exactly one of url or service is required",
                "webhooks[0].admissionReviewVersions: Required value: must specify one of v1, v1beta1",
            ]
        );
    }
}
