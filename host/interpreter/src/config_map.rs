//! A plugin as a ConfigMap holds it: which keys there are and what they mean.
//!
//! Reads, never judges the plugin; writing the status annotation is the caller's business.

use crate::load_error::{LoadError, LoadReason};
use crate::manifest::Manifest;
use crate::package::Package;
use crate::store::{Parts, Source};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use flotilla_api::object::Object;
use serde_json::{Map, Value};

/// Label of ConfigMaps that hold plugins.
pub const ENABLED_LABEL: &str = "plugin.flotilla.io/enabled";
/// Annotation with the digest of the unpacked component, `sha256:…`.
pub const DIGEST_ANNOTATION: &str = "plugin.flotilla.io/digest";
/// Annotation in which the leader writes what came of the plugin.
pub const STATUS_ANNOTATION: &str = "plugin.flotilla.io/status";

const MANIFEST: &str = "plugin.yaml";
const CASES: &str = "cases.yaml";
const PACKED: &str = "plugin.wasm.zst";
const PLAIN: &str = "plugin.wasm";

/// The ConfigMap as a source.
pub(crate) fn source(config_map: &Object) -> Source {
    Source::ConfigMap { namespace: config_map.namespace().unwrap_or_default().to_owned(), name: config_map.name().to_owned() }
}

/// The component and the manifest that a ConfigMap holds, unpacked and read, not loaded.
pub fn open(config_map: &Object) -> Result<(Package, Manifest), LoadError> {
    parts(config_map)?.open()
}

/// What the ConfigMap holds. Keys that mean nothing are refused: a typo must not go unseen.
pub(crate) fn parts(config_map: &Object) -> Result<Parts, LoadError> {
    let bad = |why: String| LoadError::new(LoadReason::BadManifest, why);
    let (data, binary) = (entries(config_map, "data"), entries(config_map, "binaryData"));
    for (field, keys, known) in [("data", data, [MANIFEST, CASES]), ("binaryData", binary, [PACKED, PLAIN])] {
        if let Some(key) = keys.into_iter().flat_map(Map::keys).find(|key| !known.contains(&key.as_str())) {
            return Err(bad(format!("`{field}` has a key `{key}`, known are `{}`; remove it", known.join("`, `"))));
        }
    }
    let text = |key: &str| data.and_then(|data| data.get(key)).and_then(Value::as_str).map(str::to_owned);
    let payload = |key: &str| binary.and_then(|binary| binary.get(key)).and_then(Value::as_str);
    let payload = match (payload(PACKED), payload(PLAIN)) {
        (Some(_), Some(_)) => return Err(bad(format!("`binaryData` has `{PACKED}` and `{PLAIN}`; remove one"))),
        (packed, plain) => packed.or(plain),
    };
    let decode = |text| {
        BASE64_STANDARD.decode(text).map_err(|why| LoadError::new(LoadReason::BadPayload, format!("the payload is not base64: {why}")))
    };
    let digest = config_map.annotation(DIGEST_ANNOTATION).map(str::to_owned);
    if let Some(digest) = digest.as_ref().filter(|digest| !digest.starts_with("sha256:")) {
        return Err(LoadError::new(
            LoadReason::DigestMismatch,
            format!("the annotation `{DIGEST_ANNOTATION}` is `{digest}`, it must be `sha256:…`"),
        ));
    }
    Ok(Parts {
        manifest: text(MANIFEST).unwrap_or_default(),
        payload: payload.map(decode).transpose()?,
        digest,
        cases: text(CASES),
        since: config_map.at(&["metadata", "creationTimestamp"]).and_then(Value::as_str).unwrap_or_default().to_owned(),
    })
}

fn entries<'a>(config_map: &'a Object, field: &str) -> Option<&'a Map<String, Value>> {
    config_map.at(&[field]).and_then(Value::as_object)
}
