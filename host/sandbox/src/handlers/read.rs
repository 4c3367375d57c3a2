//! `get` and `list`.

use super::{found, shown};
use crate::fields::go_json;
use crate::label_selector::LabelSelector;
use crate::negotiation::{self, Form};
use crate::options;
use crate::registry::ResourceType;
use crate::represent;
use crate::request::Call;
use crate::response;
use crate::selectors::FieldSelector;
use crate::server::ApiServer;
use crate::status::ApiError;
use crate::storage::{Entry, Key, Listed};
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

/// Which objects of a collection a call is about.
#[derive(Clone, Default)]
pub struct Selection {
    labels: LabelSelector,
    fields: FieldSelector,
    /// Whether there is any selector at all.
    pub selects: bool,
}

impl Selection {
    /// From `labelSelector` and `fieldSelector`, and the name in the path.
    pub fn of(call: &Call) -> Result<Self, ApiError> {
        let labels = call.params.get("labelSelector");
        let fields = call.params.get("fieldSelector");
        let selects = labels.is_some() || fields.is_some() || call.target.name.is_some();
        let labels = LabelSelector::parse(labels.unwrap_or("")).map_err(ApiError::bad_request)?;
        let mut fields = FieldSelector::parse(fields.unwrap_or(""), &call.of)?;
        if let Some(name) = &call.target.name {
            fields = fields.and_name(name);
        }
        Ok(Self { labels, fields, selects })
    }

    /// Whether an object is selected.
    pub fn matches(&self, of: &ResourceType, entry: &Entry) -> bool {
        !self.selects || (self.labels.matches(&entry.facts) && self.fields.matches(of, entry))
    }
}

/// Reads one object.
pub fn get(server: &ApiServer, call: &Call) -> Result<Response, ApiError> {
    if let Some(revision) = call.params.get("resourceVersion") {
        let wanted = revision.parse::<u64>().map_err(|_| ApiError::unexplained(not_a_revision(revision)))?;
        not_too_new(server, wanted)?;
    }
    shown(server, call, 200, &*found(server, call)?)
}

/// Reads a collection, in pages where a limit is given.
pub fn list(server: &ApiServer, call: &Call) -> Result<Response, ApiError> {
    let form = negotiation::form(call)?;
    options::numbers(call)?;
    let selection = Selection::of(call)?;
    options::of_list(call)?;
    let page = Page::of(call)?;
    let listed = page.read(server, call)?;
    let selected: Vec<&Entry> = listed.entries.iter().map(AsRef::as_ref).filter(|entry| selection.matches(&call.of, entry)).collect();
    let mut metadata = json!({"resourceVersion": listed.revision.to_string()});
    if call.of.custom.is_some() && form == Form::Object {
        metadata["continue"] = "".into();
    }
    let mut shown = selected.as_slice();
    if let Some(limit) = page.limit
        && shown.len() > limit
    {
        metadata["continue"] = token(listed.revision, shown[limit - 1]).into();
        // How many are left is only known where nothing is selected, as on the real server.
        if !selection.selects {
            metadata["remainingItemCount"] = (shown.len() - limit).into();
        }
        shown = &shown[..limit];
    }
    Ok(response::json(200, represent::list(&call.of, shown, form, metadata, server.unix_now())))
}

struct Page {
    limit: Option<usize>,
    /// Revision of the first page and the last key before this one.
    after: Option<(u64, Key)>,
    at_least: Option<u64>,
    exactly: Option<u64>,
}

impl Page {
    fn of(call: &Call) -> Result<Self, ApiError> {
        let params = &call.params;
        let limit = params.get("limit").and_then(|limit| limit.parse().ok());
        let after = params.get("continue").map(decoded);
        if after.is_some() && params.get("resourceVersion").is_some_and(|revision| revision != "0") {
            return Err(ApiError::bad_request("specifying resource version is not allowed when using continue"));
        }
        let revision = params.get("resourceVersion").map(revision_of).transpose()?;
        let exactly = revision.filter(|_| params.get("resourceVersionMatch") == Some("Exact"));
        Ok(Self { limit: limit.filter(|limit| *limit > 0), after: after.transpose()?, at_least: revision, exactly })
    }

    fn read(&self, server: &ApiServer, call: &Call) -> Result<Listed, ApiError> {
        let namespace = call.target.namespace.as_deref();
        let of = &call.of.stored_as;
        let too_old = |_| ApiError::expired("The provided continue parameter is too old to display a consistent list result.");
        if let Some(wanted) = self.at_least {
            not_too_new(server, wanted)?;
        }
        let Some((revision, after)) = &self.after else {
            return match self.exactly {
                Some(revision) => server.store().list_at(of, namespace, revision).map_err(too_old),
                None => Ok(server.store().list(of, namespace)),
            };
        };
        let mut listed = server.store().list_at(of, namespace, *revision).map_err(too_old)?;
        listed.entries.retain(|entry| entry.facts.key > *after);
        Ok(listed)
    }
}

/// Where the page after an object begins.
pub(super) fn token(revision: u64, last: &Entry) -> String {
    let key = &last.facts.key;
    URL_SAFE_NO_PAD.encode(json!({"v": "meta.k8s.io/v1", "rv": revision, "ns": &*key.namespace, "start": &*key.name}).to_string())
}

fn decoded(token: &str) -> Result<(u64, Key), ApiError> {
    let refuse = |problem: &str| ApiError::bad_request(format!("invalid continue token: continue key is not valid{problem}"));
    let text = URL_SAFE_NO_PAD.decode(token).map_err(|_| refuse(": illegal base64 data"))?;
    let token: Value = serde_json::from_slice(&text)
        .map_err(|error| refuse(&format!(": {}", go_json::fault(&text).unwrap_or_else(|| error.to_string()))))?;
    let read = || Some((token["rv"].as_u64()?, Key::new(token["ns"].as_str()?, token["start"].as_str()?)));
    read().ok_or_else(|| refuse(": incorrect or missing encoded start resourceVersion or key"))
}

fn not_too_new(server: &ApiServer, wanted: u64) -> Result<(), ApiError> {
    let current = server.store().revision();
    if wanted > current { Err(ApiError::too_new(wanted, current)) } else { Ok(()) }
}

fn not_a_revision(text: &str) -> String {
    format!("resourceVersion: Invalid value: {text:?}: strconv.ParseUint: parsing {text:?}: invalid syntax")
}

/// A `resourceVersion` parameter as a number.
pub fn revision_of(text: &str) -> Result<u64, ApiError> {
    text.parse().map_err(|_| ApiError::bad_request(format!("invalid resource version: {}", not_a_revision(text))))
}
