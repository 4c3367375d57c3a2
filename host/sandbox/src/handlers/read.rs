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
        && page.is_more(&listed, shown, limit)
    {
        metadata["continue"] = token(listed.revision, call, shown[limit - 1]).into();
        // How many are left is only known where nothing is selected, as on the real server.
        if !selection.selects {
            metadata["remainingItemCount"] = (shown.len() - limit).into();
        }
        shown = &shown[..limit];
    }
    Ok(response::json(200, represent::list(&call.of, shown, form, metadata, server.unix_now())))
}

const TOKEN_VERSION: &str = "meta.k8s.io/v1";

struct Page {
    limit: Option<usize>,
    /// Revision of the first page, `None` for the present one, and the path at which this one begins.
    from: Option<(Option<u64>, String)>,
    at_least: Option<u64>,
    exactly: Option<u64>,
}

impl Page {
    fn of(call: &Call) -> Result<Self, ApiError> {
        let params = &call.params;
        // Whatever is in the cache is answered whole.
        let limit = params.get("limit").filter(|_| params.get("resourceVersion") != Some("0")).and_then(|limit| limit.parse().ok());
        let from = params.get("continue").map(decoded);
        if from.is_some() && params.get("resourceVersion").is_some_and(|revision| revision != "0") {
            return Err(ApiError::bad_request("specifying resource version is not allowed when using continue"));
        }
        let revision = params.get("resourceVersion").map(revision_of).transpose()?;
        let exactly = revision.filter(|_| params.get("resourceVersionMatch") == Some("Exact"));
        Ok(Self { limit: limit.filter(|limit| *limit > 0), from: from.transpose()?, at_least: revision, exactly })
    }

    fn read(&self, server: &ApiServer, call: &Call) -> Result<Listed, ApiError> {
        let namespace = call.target.namespace.as_deref();
        let of = &call.of.stored_as;
        let too_old = |_| ApiError::expired("The provided continue parameter is too old to display a consistent list result.");
        if let Some(wanted) = self.at_least {
            not_too_new(server, wanted)?;
        }
        let Some((revision, from)) = &self.from else {
            return match self.exactly {
                Some(revision) => server.store().list_at(of, namespace, revision).map_err(too_old),
                None => Ok(server.store().list(of, namespace)),
            };
        };
        let mut listed = match revision {
            Some(revision) => server.store().list_at(of, namespace, *revision).map_err(too_old)?,
            None => server.store().list(of, namespace),
        };
        listed.entries.retain(|entry| path(call, &entry.facts.key) >= *from);
        Ok(listed)
    }

    /// Whether another page follows. At an exact revision only the next page knows whether it has anything that is selected.
    fn is_more(&self, listed: &Listed, selected: &[&Entry], limit: usize) -> bool {
        let ends = || listed.entries.last().map(|entry| &entry.facts.key) == selected.get(limit - 1).map(|entry| &entry.facts.key);
        selected.len() > limit || (self.exactly.is_some() && selected.len() == limit && !ends())
    }
}

/// Where an object is below what is listed: `name`, or `namespace/name` in a list of all namespaces.
fn path(call: &Call, key: &Key) -> String {
    if call.target.namespace.is_some() {
        key.name.to_string()
    } else {
        String::from_utf8_lossy(&key.path().collect::<Vec<_>>()).into_owned()
    }
}

/// Where the page after an object begins.
pub(super) fn token(revision: u64, call: &Call, last: &Entry) -> String {
    let start = format!("{}\0", path(call, &last.facts.key));
    URL_SAFE_NO_PAD.encode(json!({"v": TOKEN_VERSION, "rv": revision, "start": start}).to_string())
}

fn decoded(token: &str) -> Result<(Option<u64>, String), ApiError> {
    let refuse = |problem: &str| ApiError::bad_request(format!("invalid continue token: continue key is not valid{problem}"));
    let text =
        URL_SAFE_NO_PAD.decode(token).map_err(|error| refuse(&format!(": illegal base64 data at input byte {}", fault(&error, token))))?;
    let token: Value = serde_json::from_slice(&text)
        .map_err(|error| refuse(&format!(": {}", go_json::fault(&text).unwrap_or_else(|| error.to_string()))))?;
    let said = |field: &str| token[field].as_str().unwrap_or("").to_owned();
    let (version, revision, start) = (said("v"), token["rv"].as_i64().unwrap_or(0), said("start"));
    let leaves = start.trim_start_matches('/').split('/').any(|part| ["", ".", ".."].contains(&part));
    match (version.as_str(), revision) {
        (TOKEN_VERSION, 0) => Err(refuse(&format!(": incorrect encoded start resourceVersion (version {TOKEN_VERSION})"))),
        (TOKEN_VERSION, _) if start.is_empty() => Err(refuse(&format!(": encoded start key empty (version {TOKEN_VERSION})"))),
        (TOKEN_VERSION, _) if leaves => Err(refuse(&format!(": {start}"))),
        // A negative revision asks for what comes next as it is now.
        (TOKEN_VERSION, revision) => Ok((u64::try_from(revision).ok(), start.trim_start_matches('/').to_owned())),
        (other, _) => Err(refuse(&format!(": server does not recognize this encoded version {other}"))),
    }
}

/// At which byte a text stops being base64.
fn fault(error: &base64::DecodeError, text: &str) -> usize {
    match error {
        base64::DecodeError::InvalidByte(at, _) | base64::DecodeError::InvalidLastSymbol(at, _) => *at,
        base64::DecodeError::InvalidLength(_) | base64::DecodeError::InvalidPadding => text.len().saturating_sub(1),
    }
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
