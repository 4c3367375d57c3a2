//! In which form a client wants the answer. Reads `Accept`, makes nothing.

use crate::fields::golang::quoted;
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
    /// `Table`, in this version of `meta.k8s.io`.
    Table(Include, MetaVersion),
    /// `PartialObjectMetadata`; of a list, `PartialObjectMetadataList`.
    Partial(MetaVersion),
    /// A list, asked of what is none: a watch.
    PartialList(MetaVersion),
}

/// `meta.k8s.io/v1` or `meta.k8s.io/v1beta1`.
pub type MetaVersion = &'static str;

const YAML: &str = "application/yaml";
const META: MetaVersion = "meta.k8s.io/v1";
/// What the real server has of every built-in object.
pub const REPRESENTATIONS: [&str; 3] = ["application/json", YAML, "application/vnd.kubernetes.protobuf"];

/// Whether YAML is what the client wants first.
pub fn wants_yaml(accept: &str) -> bool {
    let first = by_preference(accept).find(|media| of_media(media, Include::Metadata).is_some());
    first.is_some_and(|media| media.split(';').next().is_some_and(|media| media.trim() == YAML))
}

/// Media types, the most wanted (`q`) first.
fn by_preference(accept: &str) -> impl Iterator<Item = &str> {
    let share = |media: &str| media.split(';').find_map(|part| part.trim().strip_prefix("q=")?.parse::<f64>().ok()).unwrap_or(1.0);
    let mut medias: Vec<&str> = accept.split(',').collect();
    medias.sort_by(|a, b| share(b).total_cmp(&share(a)));
    medias.into_iter()
}

/// 406 where the server can make nothing that is accepted: said before anything is looked for.
pub fn is_acceptable(call: &Call) -> Result<(), ApiError> {
    if call.accept.trim().is_empty() {
        return Ok(());
    }
    let medias = || call.accept.split(',').map(|media| media.split(';').next().unwrap_or("").trim());
    if call.of.custom.is_none() && !medias().any(|media| REPRESENTATIONS.contains(&media) || media == "*/*") {
        let streams = matches!(call.verb, Verb::List | Verb::Watch);
        return Err(ApiError::no_representation(&REPRESENTATIONS, streams));
    }
    let is_made = call.accept.split(',').any(|media| of_media(media, Include::Metadata).is_some());
    if is_made { Ok(()) } else { Err(ApiError::not_acceptable()) }
}

/// The first form in `Accept` that this server can make of what the call answers; 406 where there is none.
pub fn form(call: &Call) -> Result<Form, ApiError> {
    let included = call.params.get("includeObject").unwrap_or("Metadata");
    let include = match included {
        "None" => Include::None,
        "Object" => Include::Object,
        _ => Include::Metadata,
    };
    if call.accept.trim().is_empty() {
        return Ok(Form::Object);
    }
    is_acceptable(call)?;
    let form = by_preference(&call.accept).find_map(|media| of_media(media, include)).ok_or_else(ApiError::not_acceptable)?;
    let refuse = |wanted: &str, is: &str, suffix: &str| {
        let found = format!("{}{suffix}", call.of.internal_type());
        Err(ApiError::other_form(&format!("you requested {wanted}, but the requested object is {is} ({found})")))
    };
    match (form, call.verb) {
        (Form::Partial(_), Verb::List | Verb::DeleteCollection) => refuse("PartialObjectMetadata", "a list", "List"),
        (Form::PartialList(meta), Verb::List | Verb::DeleteCollection) => Ok(Form::Partial(meta)),
        (Form::PartialList(_), Verb::Watch) => Ok(form),
        (Form::PartialList(_), _) if call.of.custom.is_some() => Err(ApiError::unexplained("content is not a list")),
        (Form::PartialList(_), _) => refuse("PartialObjectMetadataList", "not a list", ""),
        (Form::Table(..), _) if !["Metadata", "Object", "None"].contains(&included) => {
            let words = format!("Invalid value: {}: must be 'Metadata', 'Object', 'None', or empty", quoted(included));
            Err(ApiError::bad_request(format!("Unable to convert to Table as requested: includeObject: {words}")))
        }
        _ => Ok(form),
    }
}

fn of_media(media: &str, include: Include) -> Option<Form> {
    let mut parts = media.split(';').map(str::trim);
    match parts.next()? {
        "application/json" | "application/*" | "*/*" | YAML => {}
        _ => return None,
    }
    let (mut wanted, mut version, mut group) = ("", "", "");
    for part in parts {
        match part.split_once('=') {
            Some(("as", value)) => wanted = value,
            Some(("v", value)) => version = value,
            Some(("g", value)) => group = value,
            Some(("stream", value)) if value != "watch" => return None,
            _ => {}
        }
    }
    let meta = match (group, version) {
        _ if wanted.is_empty() => return Some(Form::Object),
        ("meta.k8s.io", "v1") => META,
        ("meta.k8s.io", "v1beta1") => "meta.k8s.io/v1beta1",
        _ => return None,
    };
    match wanted {
        "Table" => Some(Form::Table(include, meta)),
        "PartialObjectMetadata" => Some(Form::Partial(meta)),
        "PartialObjectMetadataList" => Some(Form::PartialList(meta)),
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
        assert_eq!(first(table), Some(Form::Table(Include::Metadata, META)));
        assert_eq!(first("application/vnd.kubernetes.protobuf,application/json"), Some(Form::Object));
        assert_eq!(first("application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"), Some(Form::PartialList(META)));
        assert_eq!(first("application/json;as=Table;g=meta.k8s.io;v=v1beta1"), Some(Form::Table(Include::Metadata, "meta.k8s.io/v1beta1")));
        assert_eq!(first("application/json;stream=other"), None);
        assert_eq!(first("application/json, */*"), Some(Form::Object));
        assert_eq!(first("application/vnd.kubernetes.protobuf"), None);
    }
}
