//! ConfigMaps, Secrets and ServiceAccounts.

use crate::kinds::Behaviour;
use crate::kinds::credentials;
use crate::kinds::reach::{entries, fill_zero, flag, inner, remove, set, text};
use crate::kinds::refusal::{each_invalid, forbidden, immutable, invalid_text, too_long};
use crate::kinds::syntax;
use crate::status::FieldError;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

/// ConfigMaps.
pub(in crate::kinds) struct ConfigMaps;

/// Bytes that the values of a ConfigMap or Secret may take together.
const SIZE_MAX: usize = 1024 * 1024;

impl Behaviour for ConfigMaps {
    fn validate(&self, object: &Value) -> Vec<FieldError> {
        let mut errors = Vec::new();
        let mut size = 0;
        for field in ["data", "binaryData"] {
            for (key, value) in entries(object, &format!("/{field}")) {
                let path = format!("{field}[{key}]");
                errors.extend(each_invalid(&path, key, syntax::config_key(key)));
                if field == "data" && object.pointer("/binaryData").is_some_and(|binary| binary.get(key).is_some()) {
                    errors.push(invalid_text(path, key, "duplicate of key present in binaryData"));
                }
                size += value.as_str().map_or(0, str::len);
            }
        }
        errors.extend((size > SIZE_MAX).then(|| too_long("[]", SIZE_MAX)));
        errors
    }

    fn validate_update(&self, new: &Value, old: &Value) -> Vec<FieldError> {
        sealed(new, old, &["data", "binaryData"])
    }

    fn looks_at_change_first(&self) -> bool {
        true
    }
}

/// What `immutable: true` forbids.
fn sealed(new: &Value, old: &Value, fields: &[&str]) -> Vec<FieldError> {
    if !flag(old, "/immutable") {
        return Vec::new();
    }
    let detail = "field is immutable when `immutable` is set";
    let opened = (!flag(new, "/immutable")).then(|| forbidden("immutable", detail));
    let changed = fields.iter().filter(|field| new.get(**field) != old.get(**field)).map(|field| forbidden(*field, detail));
    opened.into_iter().chain(changed).collect()
}

/// Secrets.
pub(in crate::kinds) struct Secrets;

impl Behaviour for Secrets {
    fn default(&self, object: &mut Value) {
        fill_zero(object, "type", "Opaque");
        move_string_data(object);
    }

    fn validate(&self, object: &Value) -> Vec<FieldError> {
        let mut errors = Vec::new();
        for (key, _) in entries(object, "/data") {
            errors.extend(each_invalid(&format!("data[{key}]"), key, syntax::config_key(key)));
        }
        let size: usize = entries(object, "/data").map(|(_, value)| value.as_str().map_or(0, |text| text.len() / 4 * 3)).sum();
        errors.extend((size > SIZE_MAX).then(|| too_long("data", SIZE_MAX)));
        errors.extend(credentials::errors(object));
        errors
    }

    fn validate_update(&self, new: &Value, old: &Value) -> Vec<FieldError> {
        let mut errors: Vec<FieldError> = immutable(new, old, "/type").into_iter().collect();
        errors.extend(sealed(new, old, &["data"]));
        errors
    }

    fn looks_at_change_first(&self) -> bool {
        true
    }

    fn warnings(&self, object: &Value) -> Vec<String> {
        credentials::warnings(object)
    }

    fn select_field(&self, object: &Value, field: &str) -> Option<String> {
        (field == "type").then(|| text(object, "/type").to_owned())
    }
}

/// `stringData` is written only: it lands in `data`, over what is there.
fn move_string_data(secret: &mut Value) {
    let Some(written) = remove(secret, "stringData") else {
        return;
    };
    let data = inner(secret, "data");
    for (key, value) in entries(&written, "") {
        set(data, key, STANDARD.encode(value.as_str().unwrap_or_default()));
    }
}

/// ServiceAccounts.
pub(in crate::kinds) struct ServiceAccounts;

impl Behaviour for ServiceAccounts {}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn string_data_is_kept_as_data() {
        let mut secret = json!({"data": {"a": "eA==", "p": "b2xk"}, "stringData": {"p": "q"}});
        Secrets.default(&mut secret);
        assert_eq!(secret, json!({"type": "Opaque", "data": {"a": "eA==", "p": "cQ=="}}));
    }

    fn said(errors: Vec<FieldError>) -> Vec<String> {
        errors.iter().map(FieldError::to_string).collect()
    }

    #[test]
    fn keys_are_file_names() {
        let map = json!({"metadata": {"name": "c"}, "data": {"a b": "", "ok": ""}, "binaryData": {"ok": ""}});
        let errors = said(ConfigMaps.validate(&map));
        assert!(errors[0].starts_with("data[a b]: Invalid value: \"a b\": a valid config key must consist"), "{errors:?}");
        assert_eq!(errors[1], "data[ok]: Invalid value: \"ok\": duplicate of key present in binaryData");
    }

    #[test]
    fn what_is_immutable_stays() {
        let old = json!({"immutable": true, "data": {"a": "1"}});
        let new = json!({"data": {"a": "2"}});
        assert_eq!(
            said(ConfigMaps.validate_update(&new, &old)),
            [
                "immutable: Forbidden: field is immutable when `immutable` is set",
                "data: Forbidden: field is immutable when `immutable` is set"
            ]
        );
    }

    #[test]
    fn the_type_of_a_secret_stays() {
        let secret = |kind: &str| json!({"metadata": {"name": "s"}, "type": kind});
        assert_eq!(said(Secrets.validate_update(&secret("b"), &secret("a"))), ["type: Invalid value: \"b\": field is immutable"]);
    }
}
