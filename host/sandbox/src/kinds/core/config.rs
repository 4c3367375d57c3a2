//! ConfigMaps, Secrets and ServiceAccounts.

use crate::kinds::Behaviour;
use crate::kinds::reach::{entries, fill_zero, inner, remove, set, text};
use crate::kinds::tidy::tidy;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

/// ConfigMaps.
pub(in crate::kinds) struct ConfigMaps;

impl Behaviour for ConfigMaps {}

/// Secrets.
pub(in crate::kinds) struct Secrets;

impl Behaviour for Secrets {
    fn default(&self, object: &mut Value) {
        tidy(object);
        fill_zero(object, "type", "Opaque");
        move_string_data(object);
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
        set(
            data,
            key,
            STANDARD.encode(value.as_str().unwrap_or_default()),
        );
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
        assert_eq!(
            secret,
            json!({"type": "Opaque", "data": {"a": "eA==", "p": "cQ=="}})
        );
    }
}
