//! What is in the Secrets whose types say what they hold. Never quoted: it is secret.

use super::reach::{entries, present, text};
use super::refusal::{invalid_text, required};
use crate::fields::go_json;
use crate::fields::patch::json_type;
use crate::status::FieldError;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

/// What the well-known types of Secrets must hold.
pub(super) fn errors(secret: &Value) -> Vec<FieldError> {
    let has = |key: &str| secret.get("data").is_some_and(|data| data.get(key).is_some());
    let missing = |keys: &[&str]| keys.iter().filter(|key| !has(key)).map(|key| required(format!("data[{key}]"), "")).collect();
    match text(secret, "/type") {
        "kubernetes.io/dockercfg" => of_registry(secret, ".dockercfg"),
        "kubernetes.io/dockerconfigjson" => of_registry(secret, ".dockerconfigjson"),
        "kubernetes.io/ssh-auth" if decoded(secret, "ssh-privatekey").is_empty() => vec![required("data[ssh-privatekey]", "")],
        "kubernetes.io/tls" => missing(&["tls.crt", "tls.key"]),
        "kubernetes.io/basic-auth" if !has("username") && !has("password") => missing(&["username", "password"]),
        "kubernetes.io/service-account-token" => {
            let account = present(secret, "/metadata/annotations/kubernetes.io~1service-account.name");
            let missing = account.is_none().then(|| required("metadata.annotations[kubernetes.io/service-account.name]", ""));
            missing.into_iter().collect()
        }
        _ => Vec::new(),
    }
}

/// What is said of a certificate that is none.
pub(super) fn warnings(secret: &Value) -> Vec<String> {
    let is_pair = ["tls.crt", "tls.key"].iter().all(|key| secret.get("data").is_some_and(|data| data.get(*key).is_some()));
    let is_certificate = String::from_utf8_lossy(&decoded(secret, "tls.crt")).contains("-----BEGIN ");
    if text(secret, "/type") != "kubernetes.io/tls" || !is_pair || is_certificate {
        return Vec::new();
    }
    vec!["tls: failed to find any PEM data in certificate input".to_owned()]
}

/// The configuration of a registry's client is an object.
fn of_registry(secret: &Value, key: &str) -> Vec<FieldError> {
    let path = format!("data[{key}]");
    if !entries(secret, "/data").any(|(name, _)| name == key) {
        return vec![required(path, "")];
    }
    let text = decoded(secret, key);
    let problem = match serde_json::from_slice::<Value>(&text) {
        Ok(Value::Object(_) | Value::Null) => return Vec::new(),
        Ok(found) => format!("json: cannot unmarshal {} into Go value of type map[string]interface {{}}", json_type(&found)),
        Err(error) => go_json::fault(&text).unwrap_or_else(|| error.to_string()),
    };
    vec![invalid_text(path, "<secret contents redacted>", problem)]
}

fn decoded(secret: &Value, key: &str) -> Vec<u8> {
    STANDARD.decode(secret["data"][key].as_str().unwrap_or_default()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn secrets_hold_what_their_type_says() {
        let said = |kind: &str, key: &str, value: &str| {
            let secret = json!({"type": kind, "data": {key: STANDARD.encode(value)}});
            errors(&secret).iter().map(FieldError::to_string).collect::<Vec<_>>()
        };
        assert_eq!(said("kubernetes.io/tls", "tls.crt", ""), ["data[tls.key]: Required value"]);
        assert_eq!(said("kubernetes.io/ssh-auth", "ssh-privatekey", ""), ["data[ssh-privatekey]: Required value"]);
        assert!(said("kubernetes.io/dockerconfigjson", ".dockerconfigjson", "{}").is_empty());
        assert_eq!(
            said("kubernetes.io/dockerconfigjson", ".dockerconfigjson", "[]"),
            ["data[.dockerconfigjson]: Invalid value: \"<secret contents redacted>\": json: cannot unmarshal array into Go value of type \
              map[string]interface {}"]
        );
        assert!(said("example.org/any", "a", "").is_empty());
    }
}
