//! In which form a client wants the answer. Reads `Accept`, makes nothing.

use crate::request::{Call, Verb};
use crate::status::ApiError;

/// Which part of each object a Table's rows carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Include {
    /// None.
    None,
    /// `PartialObjectMetadata`: the default.
    Metadata,
    /// All of it.
    Object,
}

/// The form of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// The object or list itself.
    Object,
    /// `meta.k8s.io/v1 Table`.
    Table(Include),
    /// `meta.k8s.io/v1 PartialObjectMetadata` or `…List`.
    Partial,
}

const YAML: &str = "application/yaml";
/// What the real server has of every built-in object.
const REPRESENTATIONS: [&str; 3] = ["application/json", YAML, "application/vnd.kubernetes.protobuf"];

/// Whether YAML is what the client wants first.
pub fn wants_yaml(accept: &str) -> bool {
    accept.split(',').next().is_some_and(|media| media.split(';').next().is_some_and(|media| media.trim() == YAML))
}

/// The first form in `Accept` that this server can make; 406 where there is none.
pub fn form(call: &Call) -> Result<Form, ApiError> {
    let include = match call.params.get("includeObject") {
        Some("None") => Include::None,
        Some("Object") => Include::Object,
        _ => Include::Metadata,
    };
    if call.accept.trim().is_empty() {
        return Ok(Form::Object);
    }
    let medias = || call.accept.split(',').map(|media| media.split(';').next().unwrap_or("").trim());
    if call.of.custom.is_none() && !medias().any(|media| REPRESENTATIONS.contains(&media) || media == "*/*") {
        let streams = matches!(call.verb, Verb::List | Verb::Watch);
        return Err(ApiError::no_representation(&REPRESENTATIONS, streams));
    }
    call.accept.split(',').find_map(|media| of_media(media, include)).ok_or_else(ApiError::not_acceptable)
}

fn of_media(media: &str, include: Include) -> Option<Form> {
    let mut parts = media.split(';').map(str::trim);
    match parts.next()? {
        "application/json" | "application/*" | "*/*" => {}
        YAML => return Some(Form::Object),
        _ => return None,
    }
    let (mut wanted, mut version, mut group) = ("", "", "");
    for part in parts {
        match part.split_once('=') {
            Some(("as", value)) => wanted = value,
            Some(("v", value)) => version = value,
            Some(("g", value)) => group = value,
            _ => {}
        }
    }
    match (wanted, group, version) {
        ("", _, _) => Some(Form::Object),
        ("Table", "meta.k8s.io", "v1") => Some(Form::Table(include)),
        ("PartialObjectMetadata" | "PartialObjectMetadataList", "meta.k8s.io", "v1") => Some(Form::Partial),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first(accept: &str) -> Option<Form> {
        accept.split(',').find_map(|media| of_media(media, Include::Metadata))
    }

    #[test]
    fn the_first_form_that_can_be_made_wins() {
        let table = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json";
        assert_eq!(first(table), Some(Form::Table(Include::Metadata)));
        assert_eq!(first("application/vnd.kubernetes.protobuf,application/json"), Some(Form::Object));
        assert_eq!(first("application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"), Some(Form::Partial));
        assert_eq!(first("application/json, */*"), Some(Form::Object));
        assert_eq!(first("application/vnd.kubernetes.protobuf"), None);
    }
}
