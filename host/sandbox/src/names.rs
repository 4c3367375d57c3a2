//! Which names, labels and annotations objects may have, in the words of the real server; and names that the server makes up.

use crate::status::{FieldError, FieldReason};
use serde_json::Value;

const SUBDOMAIN: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const LABEL: &str = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
const SERVICE: &str = "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')";
const QUALIFIED: &str = "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
const VALUE: &str = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";

/// Total size of annotations, in bytes.
const ANNOTATIONS: usize = 256 * 1024;

fn invalid(field: &str, value: &str, detail: impl Into<String>) -> FieldError {
    FieldError { reason: FieldReason::Invalid, field: field.into(), value: format!("{value:?}"), detail: detail.into() }
}

fn edges(text: &str, inner: impl Fn(u8) -> bool, outer: impl Fn(u8) -> bool) -> bool {
    let bytes = text.as_bytes();
    !bytes.is_empty() && bytes.iter().all(|byte| inner(*byte)) && outer(bytes[0]) && outer(bytes[bytes.len() - 1])
}

fn lower(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit()
}

fn is_label(text: &str) -> bool {
    edges(text, |byte| lower(byte) || byte == b'-', lower)
}

fn too_long(limit: usize) -> String {
    format!("must be no more than {limit} characters")
}

/// Complaints about a DNS-1123 subdomain, the shape of most names.
pub fn subdomain(text: &str) -> Vec<String> {
    let mut complaints = Vec::new();
    if text.len() > 253 {
        complaints.push(too_long(253));
    }
    if !text.split('.').all(is_label) {
        complaints.push(SUBDOMAIN.to_owned());
    }
    complaints
}

/// Complaints about a DNS-1123 label: namespaces.
pub fn label(text: &str) -> Vec<String> {
    let mut complaints = Vec::new();
    if text.len() > 63 {
        complaints.push(too_long(63));
    }
    if !is_label(text) {
        complaints.push(LABEL.to_owned());
    }
    complaints
}

fn service(text: &str) -> Vec<String> {
    let mut complaints = Vec::new();
    if text.len() > 63 {
        complaints.push(too_long(63));
    }
    if !is_label(text) || text.starts_with(|first: char| first.is_ascii_digit()) {
        complaints.push(SERVICE.to_owned());
    }
    complaints
}

fn path_segment(text: &str) -> Vec<String> {
    if text == "." || text == ".." {
        return vec![format!("may not be '{text}'")];
    }
    ["/", "%"].iter().filter(|illegal| text.contains(**illegal)).map(|illegal| format!("may not contain '{illegal}'")).collect()
}

/// Complaints about the name of an object of a resource.
pub fn of_resource(group: &str, plural: &str, name: &str) -> Vec<String> {
    match (group, plural) {
        ("", "namespaces") => label(name),
        ("", "services") => service(name),
        ("rbac.authorization.k8s.io", _) => path_segment(name),
        _ => subdomain(name),
    }
}

fn qualified_name(name: &str) -> Vec<String> {
    let mut complaints = Vec::new();
    let (prefix, base) = match name.split_once('/') {
        Some((prefix, base)) => (Some(prefix), base),
        None => (None, name),
    };
    match prefix {
        Some("") => complaints.push("prefix part must be non-empty".to_owned()),
        Some(prefix) => complaints.extend(subdomain(prefix).into_iter().map(|complaint| format!("prefix part {complaint}"))),
        None => {}
    }
    if base.is_empty() {
        complaints.push("name part must be non-empty".to_owned());
    } else if base.len() > 63 {
        complaints.push(format!("name part {}", too_long(63)));
    }
    if !is_value(base) {
        complaints.push(QUALIFIED.to_owned());
    }
    complaints
}

fn is_value(text: &str) -> bool {
    edges(text, |byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte), |byte| byte.is_ascii_alphanumeric())
}

fn label_value(text: &str) -> Vec<String> {
    let mut complaints = Vec::new();
    if text.len() > 63 {
        complaints.push(too_long(63));
    }
    if !text.is_empty() && !is_value(text) {
        complaints.push(VALUE.to_owned());
    }
    complaints
}

/// What is wrong with the metadata of an object about to be created or updated.
pub fn validate_metadata(group: &str, plural: &str, object: &Value) -> Vec<FieldError> {
    let metadata = &object["metadata"];
    let name = metadata["name"].as_str().unwrap_or("");
    if name.is_empty() {
        let detail = "name or generateName is required".to_owned();
        return vec![FieldError { reason: FieldReason::Required, field: "metadata.name".into(), value: String::new(), detail }];
    }
    let mut errors: Vec<_> = of_resource(group, plural, name).into_iter().map(|detail| invalid("metadata.name", name, detail)).collect();
    for (key, value) in metadata["labels"].as_object().into_iter().flatten() {
        errors.extend(qualified_name(key).into_iter().map(|detail| invalid("metadata.labels", key, detail)));
        let value = value.as_str().unwrap_or("");
        errors.extend(label_value(value).into_iter().map(|detail| invalid("metadata.labels", value, detail)));
    }
    errors.extend(annotations(&metadata["annotations"]));
    for finalizer in metadata["finalizers"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        errors.extend(qualified_name(finalizer).into_iter().map(|detail| invalid("metadata.finalizers", finalizer, detail)));
    }
    errors
}

fn annotations(annotations: &Value) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let mut size = 0;
    for (key, value) in annotations.as_object().into_iter().flatten() {
        errors.extend(qualified_name(&key.to_lowercase()).into_iter().map(|detail| invalid("metadata.annotations", key, detail)));
        size += key.len() + value.as_str().map_or(0, str::len);
    }
    if size > ANNOTATIONS {
        let detail = format!("may not be more than {ANNOTATIONS} bytes");
        errors.push(FieldError { reason: FieldReason::TooLong, field: "metadata.annotations".into(), value: String::new(), detail });
    }
    errors
}

/// A name from `generateName`: the prefix and five letters and digits that cannot form words.
pub fn generate(prefix: &str) -> String {
    const LETTERS: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
    let random = uuid::Uuid::new_v4();
    let suffix = random.as_bytes().iter().take(5).map(|byte| char::from(LETTERS[usize::from(*byte) % LETTERS.len()]));
    let kept = prefix.len().min(253 - 5);
    prefix[..prefix.floor_char_boundary(kept)].chars().chain(suffix).collect()
}

/// Orders versions as Kubernetes does: `v2` over `v1` over `v2beta1` over `v1alpha1`; others last.
pub fn version_priority(version: &str) -> (u8, u64, u64, String) {
    let parse = || {
        let rest = version.strip_prefix('v')?;
        let split = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let major: u64 = rest[..split].parse().ok()?;
        let stage = &rest[split..];
        if stage.is_empty() {
            return Some((3, major, 0));
        }
        let (rank, minor) = stage.strip_prefix("beta").map(|minor| (2, minor)).or(stage.strip_prefix("alpha").map(|minor| (1, minor)))?;
        Some((rank, major, minor.parse().ok()?))
    };
    match parse() {
        Some((rank, major, minor)) => (rank, major, minor, String::new()),
        None => (0, 0, 0, version.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn complaints(metadata: Value) -> Vec<String> {
        validate_metadata("apps", "deployments", &json!({"metadata": metadata})).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn names_are_subdomains() {
        assert_eq!(complaints(json!({"name": "web.v1"})), Vec::<String>::new());
        assert_eq!(complaints(json!({"name": "Web"})), [format!("metadata.name: Invalid value: \"Web\": {SUBDOMAIN}")]);
        assert_eq!(complaints(json!({})), ["metadata.name: Required value: name or generateName is required"]);
        assert_eq!(of_resource("", "services", "1a"), [SERVICE]);
        assert_eq!(of_resource("rbac.authorization.k8s.io", "roles", "system:x"), Vec::<String>::new());
    }

    #[test]
    fn labels_are_checked_by_key_and_value() {
        assert_eq!(complaints(json!({"name": "a", "labels": {"k8s.io/App_1": "", "x": "y-Z.1"}})), Vec::<String>::new());
        assert_eq!(
            complaints(json!({"name": "a", "labels": {"/x": "y"}})),
            ["metadata.labels: Invalid value: \"/x\": prefix part must be non-empty"]
        );
        assert_eq!(complaints(json!({"name": "a", "labels": {"x": "-"}})), [format!("metadata.labels: Invalid value: \"-\": {VALUE}")]);
    }

    #[test]
    fn generated_names_keep_the_prefix() {
        let name = generate("web-");
        assert!(name.starts_with("web-") && name.len() == 9, "{name}");
        assert_ne!(generate("web-"), generate("web-"));
    }

    #[test]
    fn versions_order_by_stability_then_number() {
        let mut versions = ["v1alpha1", "v1", "v1beta2", "v2", "v1beta1", "foo"];
        versions.sort_by_key(|version| std::cmp::Reverse(version_priority(version)));
        assert_eq!(versions, ["v2", "v1", "v1beta2", "v1beta1", "v1alpha1", "foo"]);
    }
}
