//! How an object gets into the store: defaults, metadata, ownership of fields, admission, validation, in the order of the real server.
//!
//! Handlers and the server's own controllers come through here; nothing here reads HTTP.

use crate::admission::AdmissionRequest;
use crate::definitions;
use crate::fields::apply::{self, Writer};
use crate::fields::golang;
use crate::fields::schema::TypeSchema;
use crate::kinds;
use crate::metadata;
use crate::registry::{ResourceType, ScalePaths};
use crate::represent;
use crate::request::{User, Verb};
use crate::server::ApiServer;
use crate::status::{ApiError, FieldError, FieldReason};
use crate::storage::{Entry, Key, WriteError};
use serde_json::Value;
use std::sync::Arc;

/// The type whose `status` the creator sets: nodes report themselves.
const STATUS_ON_CREATE: &str = "nodes";

/// Types whose labels are not written with their status.
const KEEP_LABELS: [&str; 3] = ["deployments", "customresourcedefinitions", "apiservices"];

/// The type that two groups serve.
const SERVED_BY_TWO_GROUPS: &str = "events";

/// Subresources of pods that change what is fixed otherwise.
const CHANGE_FIXED_FIELDS: [&str; 3] = ["binding", "ephemeralcontainers", "resize"];

/// Which fields a writer owns is known from the write itself, or was decided by server-side apply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ownership {
    /// Compare old and new.
    Track,
    /// `managedFields` are right already.
    Decided,
}

/// What is common to the writes of one request.
#[derive(Debug, Clone)]
pub struct Write<'a> {
    /// The type, as it is kept.
    pub of: &'a ResourceType,
    /// The type as the client sees it, where it is a view of the kept one.
    pub served: Option<&'a ResourceType>,
    /// Namespace, `None` for cluster scope.
    pub namespace: Option<&'a str>,
    /// `status`, `scale`, or empty.
    pub subresource: &'a str,
    /// Field manager.
    pub manager: &'a str,
    /// Store nothing.
    pub dry_run: bool,
    /// Who asks.
    pub user: &'a User,
    /// How field ownership is known.
    pub ownership: Ownership,
}

/// What became of an update.
#[derive(Debug)]
pub enum Updated {
    /// The object is now this (also where nothing changed).
    Written(Arc<Entry>),
    /// Its last finalizer went, and with it the object; this was its last state.
    Removed(Arc<Entry>),
    /// Someone else wrote in between: read again, then write again.
    Moved,
}

impl<'a> Write<'a> {
    /// A write of the server itself.
    pub fn internal(of: &'a ResourceType, namespace: Option<&'a str>, user: &'a User) -> Self {
        let manager = "kube-apiserver";
        Self { of, served: None, namespace, subresource: "", manager, dry_run: false, user, ownership: Ownership::Track }
    }

    fn key(&self, name: &str) -> Key {
        Key::new(self.namespace.unwrap_or(""), name)
    }

    fn track(&self, old: Option<&Value>, new: &mut Value, now: &str) {
        if self.ownership == Ownership::Decided {
            return;
        }
        if let Some((served, view)) = self.served.and_then(|served| Some((served, served.view.as_ref()?))) {
            // Who wrote which fields is said in the version that was written.
            let old = old.map(|old| (view.from_kept)(old.clone()));
            let mut seen = (view.from_kept)(new.clone());
            Self { of: served, served: None, ..self.clone() }.track(old.as_ref(), &mut seen, now);
            return set_or_remove(&mut new["metadata"], "managedFields", seen["metadata"].get("managedFields").cloned());
        }
        let Some(schema) = &self.of.schema else { return };
        let api_version = self.of.api_version();
        let has_status = self.of.has_status;
        let writer = Writer { manager: self.manager, subresource: self.subresource, api_version: &api_version, now, has_status };
        match (old, &self.of.scale) {
            (Some(old), Some(paths)) if self.subresource == "scale" => {
                let path: Vec<_> = paths.spec_replicas.split('.').filter(|key| !key.is_empty()).collect();
                apply::track_scale(old, new, &writer, &path);
            }
            _ => apply::track(old, new, &writer, schema),
        }
    }

    /// Of two groups that serve the same objects, each forgets what was written through the other.
    fn forget_other_groups(&self, object: &mut Value) {
        let group = self.served.unwrap_or(self.of).group.as_str();
        let Some(entries) = object["metadata"].get_mut("managedFields").and_then(Value::as_array_mut) else { return };
        let group_of = |entry: &Value| entry["apiVersion"].as_str().and_then(|version| Some(version.rsplit_once('/')?.0.to_owned()));
        entries.retain(|entry| group_of(entry).unwrap_or_default() == group);
    }

    fn default(&self, object: &mut Value) {
        match (self.of.behaviour, &self.of.schema) {
            (Some(behaviour), _) => behaviour.default(object),
            (None, Some(schema)) => schema.default(object),
            (None, None) => {}
        }
    }

    fn admit(
        &self,
        server: &ApiServer,
        operation: Verb,
        object: &mut Value,
        old: Option<&Value>,
        warnings: &mut Vec<String>,
    ) -> Result<(), ApiError> {
        let Some(admission) = server.admission() else { return Ok(()) };
        let name = object["metadata"]["name"].as_str().unwrap_or("").to_owned();
        let request = self.request(operation, &name, Some(object), old);
        let admitted = admission.review(&request)?;
        warnings.extend(admitted.warnings);
        if let Some(changed) = admitted.object {
            *object = changed;
        }
        Ok(())
    }

    fn request(&'a self, operation: Verb, name: &'a str, object: Option<&'a Value>, old: Option<&'a Value>) -> AdmissionRequest<'a> {
        AdmissionRequest {
            operation,
            group: &self.of.group,
            version: &self.of.version,
            kind: &self.of.kind,
            resource: &self.of.plural,
            subresource: self.subresource,
            namespace: self.namespace.unwrap_or(""),
            name,
            object,
            old_object: old,
            dry_run: self.dry_run,
            user: self.user,
        }
    }

    /// Asks admission about a removal.
    pub fn admit_delete(&self, server: &ApiServer, old: &Entry, warnings: &mut Vec<String>) -> Result<(), ApiError> {
        let Some(admission) = server.admission() else { return Ok(()) };
        let served = represent::served(self.of, old);
        let request = self.request(Verb::Delete, &old.facts.key.name, None, Some(&served));
        warnings.extend(admission.review(&request)?.warnings);
        Ok(())
    }

    fn refuse(&self, name: &str, errors: Vec<FieldError>) -> Result<(), ApiError> {
        if errors.is_empty() { Ok(()) } else { Err(ApiError::invalid(&self.of.group, &self.of.kind, name, &errors)) }
    }

    fn validate(&self, object: &Value, old: Option<&Value>) -> Vec<FieldError> {
        let names = self.of.behaviour.map(|behaviour| behaviour.name_rule()).unwrap_or_default();
        let mut errors = kinds::metadata::validate(object, names);
        match (self.of.behaviour, &self.of.schema) {
            (Some(behaviour), _) => errors.extend(behaviour.validate(object)),
            (None, Some(schema)) => {
                errors.extend(schema.validate(object, old));
                errors.extend(self.of.scale.iter().flat_map(|paths| scale_errors(paths, object, self.subresource == "status")));
            }
            (None, None) => {}
        }
        if let Some(view) = self.served.and_then(|served| served.behaviour) {
            errors.iter_mut().for_each(|error| view.renames(error));
            errors.extend(match old {
                Some(old) => view.validate_view_update(object, old),
                None => view.validate_view(object),
            });
        }
        if is_definition(self.of) {
            errors.extend(match old {
                Some(old) => definitions::validation::of_change(object, old),
                None => definitions::validation::of_new(object),
            });
        }
        errors
    }

    fn warn(&self, object: &Value, warnings: &mut Vec<String>) {
        warnings.extend(self.of.behaviour.map(|behaviour| behaviour.warnings(object)).unwrap_or_default());
    }
}

/// Replicas of a custom resource must be ones that `/scale` can show.
fn scale_errors(paths: &ScalePaths, object: &Value, of_status: bool) -> Option<FieldError> {
    let path = if of_status { &paths.status_replicas } else { &paths.spec_replicas };
    let error = |value: String, detail: String| Some(FieldError { reason: FieldReason::Invalid, field: path.clone(), value, detail });
    let mut place = object;
    for key in path.split('.').filter(|key| !key.is_empty()) {
        match place {
            Value::Null => return None,
            Value::Object(fields) => place = fields.get(key).unwrap_or(&Value::Null),
            found => return error("0".into(), accessor(path, found, "map[string]interface{}")),
        }
    }
    match (place, place.as_i64()) {
        (Value::Null, _) => None,
        (_, Some(replicas)) if replicas < 0 => error(replicas.to_string(), "should be a non-negative integer".into()),
        (_, Some(_)) => None,
        (found, None) => error("0".into(), accessor(path, found, "int64")),
    }
}

fn accessor(path: &str, found: &Value, wanted: &str) -> String {
    format!("{path} accessor error: {} is of the type {}, expected {wanted}", golang::plain(found), golang::type_of(found))
}

/// Records who wrote what is answered and not stored: reviews and tokens.
pub fn track_posted(server: &ApiServer, object: &mut Value, manager: &str, subresource: &str) {
    let text = |field: &str| object[field].as_str().unwrap_or("").to_owned();
    let (api_version, kind, now) = (text("apiVersion"), text("kind"), server.now());
    let Some(schema) = TypeSchema::built_in(&api_version, &kind) else { return };
    let writer = Writer { manager, subresource, api_version: &api_version, now: &now, has_status: true };
    let status = object["status"].take();
    set_or_remove(object, "status", None);
    apply::track(None, object, &writer, &schema);
    object["status"] = status;
}

fn is_definition(of: &ResourceType) -> bool {
    &*of.stored_as == definitions::STORED_AS
}

/// Stores a new object of a kept type.
pub fn create(server: &ApiServer, write: &Write<'_>, mut object: Value, warnings: &mut Vec<String>) -> Result<Arc<Entry>, ApiError> {
    let (of, now) = (write.of, server.now());
    warnings.extend(metadata::drop_repeated_owners(&mut object));
    let status_is_ours = of.has_status && &*of.stored_as != STATUS_ON_CREATE;
    if status_is_ours {
        set_or_remove(&mut object, "status", None);
        if let (Some(_), Some(schema)) = (of.behaviour, &of.schema) {
            // An empty status is written with the fields that are never absent.
            schema.prune(&mut object);
        }
    }
    write.default(&mut object);
    metadata::prepare_create(&mut object, of, write.namespace, &now);
    // What the server puts into status is not the writer's.
    let status = if status_is_ours { object.as_object_mut().and_then(|object| object.remove("status")) } else { None };
    write.track(None, &mut object, &now);
    // What follows from a name that is generated is not the writer's either.
    if metadata::generate_name(&mut object) {
        write.default(&mut object);
    }
    if status.is_some() {
        set_or_remove(&mut object, "status", status);
    }
    accepts_content(server, write, &object)?;
    has_account(server, write, &object)?;
    set_priority(server, write, &mut object)?;
    write.admit(server, Verb::Create, &mut object, None, warnings)?;
    if let Some(behaviour) = of.behaviour {
        behaviour.prepare_create(&mut object);
    }
    if is_definition(of) {
        object["status"] = definitions::status::initial(&object);
    }
    let name = object["metadata"]["name"].as_str().unwrap_or("").to_owned();
    write.refuse(&name, write.validate(&object, None))?;
    write.warn(&object, warnings);
    let key = write.key(&name);
    let object = represent::stored(of, object);
    let exists = || {
        let mut error = ApiError::already_exists(&of.group, &of.plural, &name);
        if server.store().get(&of.stored_as, &write.key(&name)).is_some_and(|entry| entry.facts.is_going) {
            error.message = format!("object is being deleted: {}", error.message);
        }
        error
    };
    if write.dry_run {
        return if server.store().get(&of.stored_as, &key).is_some() { Err(exists()) } else { Ok(Entry::unstored(&object, None)) };
    }
    let entry = server.store().create(&of.stored_as, key, &object).map_err(|_| exists())?;
    if is_definition(of) {
        server.accept_definition(&name);
    }
    Ok(entry)
}

/// A pod needs its account. That of the namespace itself is made a moment after the namespace, so it is not asked for.
fn has_account(server: &ApiServer, write: &Write<'_>, pod: &Value) -> Result<(), ApiError> {
    let account = pod["spec"]["serviceAccountName"].as_str().unwrap_or("");
    let namespace = write.namespace.unwrap_or("");
    if &*write.of.stored_as != "pods" || ["", "default"].contains(&account) {
        return Ok(());
    }
    if server.store().get(&"serviceaccounts".into(), &Key::new(namespace, account)).is_some() {
        return Ok(());
    }
    let why = format!("error looking up service account {namespace}/{account}: serviceaccount {account:?} not found");
    Err(ApiError::forbidden("", "pods", pod["metadata"]["name"].as_str().unwrap_or(""), &why))
}

/// A pod has the priority of its class, or of the class for all.
fn set_priority(server: &ApiServer, write: &Write<'_>, pod: &mut Value) -> Result<(), ApiError> {
    if &*write.of.stored_as != "pods" {
        return Ok(());
    }
    let classes = || server.store().list(&"priorityclasses.scheduling.k8s.io".into(), None).entries.into_iter().map(|entry| entry.value());
    let name = pod["spec"]["priorityClassName"].as_str().unwrap_or("").to_owned();
    let class = match name.as_str() {
        "" => classes().find(|class| class["globalDefault"] == true),
        "system-node-critical" => Some(serde_json::json!({"value": 2_000_001_000})),
        "system-cluster-critical" => Some(serde_json::json!({"value": 2_000_000_000})),
        name => {
            let class = classes().find(|class| class["metadata"]["name"] == name);
            let refused = || {
                let why = format!("no PriorityClass with name {name} was found");
                ApiError::forbidden("", "pods", pod["metadata"]["name"].as_str().unwrap_or(""), &why)
            };
            Some(class.ok_or_else(refused)?)
        }
    };
    let computed = class.as_ref().map_or(0, |class| class["value"].as_i64().unwrap_or(0));
    if let Some(given) = pod["spec"]["priority"].as_i64().filter(|given| *given != computed) {
        let why = format!(
            "the integer value of priority ({given}) must not be provided in pod spec; priority admission controller computed {computed} \
             from the given PriorityClass name"
        );
        return Err(ApiError::forbidden("", "pods", pod["metadata"]["name"].as_str().unwrap_or(""), &why));
    }
    let Some(class) = class else { return Ok(()) };
    if name.is_empty() {
        pod["spec"]["priorityClassName"] = class["metadata"]["name"].clone();
    }
    pod["spec"]["priority"] = class["value"].clone();
    pod["spec"]["preemptionPolicy"] = class.get("preemptionPolicy").cloned().unwrap_or_else(|| "PreemptLowerPriority".into());
    Ok(())
}

/// A namespaced object needs a namespace that is there to stay.
fn accepts_content(server: &ApiServer, write: &Write<'_>, object: &Value) -> Result<(), ApiError> {
    let Some(namespace) = write.namespace else { return Ok(()) };
    let found = server.store().get(&"namespaces".into(), &Key::new("", namespace));
    let Some(found) = found else { return Err(ApiError::not_found("", "namespaces", namespace)) };
    if !found.facts.is_going {
        return Ok(());
    }
    let name = object["metadata"]["name"].as_str().unwrap_or("");
    let why = format!("unable to create new content in namespace {namespace} because it is being terminated");
    let mut error = ApiError::forbidden(&write.of.group, &write.of.plural, name, &why);
    if let Some(details) = &mut error.details {
        details["causes"] = serde_json::json!([{"reason": "NamespaceTerminating",
            "message": format!("namespace {namespace} is being terminated"), "field": "metadata.namespace"}]);
    }
    Err(error)
}

/// Replaces the stored object `old` by `new`.
pub fn update(
    server: &ApiServer,
    write: &Write<'_>,
    old: &Arc<Entry>,
    mut new: Value,
    warnings: &mut Vec<String>,
) -> Result<Updated, ApiError> {
    let of = write.of;
    warnings.extend(metadata::drop_repeated_owners(&mut new));
    let name = old.facts.key.name.to_string();
    check_identity(write, &new, old)?;
    let before = represent::served(of, old);
    let mut new = merged_by_subresource(write, new, &before);
    metadata::keep(&mut new, &before);
    if is_definition(of) {
        new["status"]["storedVersions"] = definitions::status::stored_versions(&new).into();
    }
    let now = server.now();
    write.track(Some(&before), &mut new, &now);
    // Who sends more than a part of a pod comes to own it all the same.
    if let Some(mut part) = kinds::pod_parts::merged(write.subresource, &new, &before) {
        set_or_remove(&mut part["metadata"], "managedFields", new["metadata"].get("managedFields").cloned());
        new = part;
    }
    if &*of.stored_as == SERVED_BY_TWO_GROUPS {
        write.forget_other_groups(&mut new);
    }
    write.admit(server, Verb::Update, &mut new, Some(&before), warnings)?;
    if let Some(behaviour) = of.behaviour
        && write.subresource != "finalize"
    {
        behaviour.prepare_update(&mut new, &before);
    }
    if !["status", "binding"].contains(&write.subresource) {
        metadata::count_generation(&mut new, &before, of);
    }
    write.refuse(&name, changed_errors(write, &new, &before))?;
    write.warn(&new, warnings);
    if metadata::is_same(&new, &before) {
        return Ok(Updated::Written(old.clone()));
    }
    let key = write.key(&name);
    let new = represent::stored(of, new);
    if write.dry_run {
        return Ok(Updated::Written(Entry::unstored(&new, Some(old.revision))));
    }
    let stored = if metadata::is_ready_to_go(&new) {
        server.store().delete(&of.stored_as, &key, old.revision, Some(&new)).map(Updated::Removed)
    } else {
        server.store().update(&of.stored_as, key, old.revision, &new).map(Updated::Written)
    };
    match stored {
        Ok(updated) => {
            if is_definition(of) {
                server.accept_definition(&name);
            }
            Ok(updated)
        }
        Err(WriteError::Moved) => Ok(Updated::Moved),
        Err(_) => Err(ApiError::not_found(&of.group, &of.plural, &name)),
    }
}

/// The writer must mean this very object, and this version of it where it names one.
fn check_identity(write: &Write<'_>, new: &Value, old: &Entry) -> Result<(), ApiError> {
    let (of, name) = (write.of, &old.facts.key.name);
    let text = |field: &str| new["metadata"][field].as_str().unwrap_or("");
    let (uid, revision) = (text("uid"), text("resourceVersion"));
    if !uid.is_empty() && *uid != *old.facts.uid {
        let place = if of.custom.is_some() { format!("{}/{}", of.group, of.plural) } else { of.plural.clone() };
        let namespace = if of.namespaced { format!("/{}", old.facts.key.namespace) } else { String::new() };
        let why = format!(
            "StorageError: invalid object, Code: 4, Key: /registry/{place}{namespace}/{name}, ResourceVersion: 0, AdditionalErrorMsg: \
             Precondition failed: UID in precondition: {uid}, UID in object meta: {}",
            old.facts.uid
        );
        return Err(ApiError::conflict(&of.group, &of.plural, name, &why));
    }
    if !revision.is_empty() && revision != "0" && revision != old.revision.to_string() {
        return Err(ApiError::modified(&of.group, &of.plural, name));
    }
    Ok(())
}

/// The main resource cannot write status, and `/status` nothing else.
fn merged_by_subresource(write: &Write<'_>, mut new: Value, old: &Value) -> Value {
    if write.subresource == "status" {
        let mut merged = old.clone();
        set_or_remove(&mut merged, "status", new.get("status").cloned());
        if write.of.custom.is_none() {
            let labels = old["metadata"].get("labels").cloned();
            merged["metadata"] = new["metadata"].take();
            if KEEP_LABELS.contains(&write.of.plural.as_str()) {
                set_or_remove(&mut merged["metadata"], "labels", labels);
            }
        } else if let Some(managed) = new["metadata"].get("managedFields") {
            merged["metadata"]["managedFields"] = managed.clone();
        }
        write.default(&mut merged);
        return merged;
    }
    if write.subresource == "finalize" {
        write.default(&mut new);
        set_or_remove(&mut new, "status", old.get("status").cloned());
        return new;
    }
    write.default(&mut new);
    if write.of.has_status && write.subresource.is_empty() {
        set_or_remove(&mut new, "status", old.get("status").cloned());
    }
    new
}

fn set_or_remove(object: &mut Value, field: &str, value: Option<Value>) {
    let Some(object) = object.as_object_mut() else { return };
    match value {
        Some(value) => drop(object.insert(field.into(), value)),
        None => drop(object.remove(field)),
    }
}

fn changed_errors(write: &Write<'_>, new: &Value, old: &Value) -> Vec<FieldError> {
    let mut errors = metadata::validate_update(new, old);
    let is_change_free = CHANGE_FIXED_FIELDS.contains(&write.subresource);
    let behaviour = write.of.behaviour.filter(|_| !is_change_free);
    let of_change = behaviour.map(|behaviour| behaviour.validate_update(new, old)).unwrap_or_default();
    let mut of_object = write.validate(new, Some(old));
    of_object.extend(kinds::pod_parts::errors(write.subresource, new, old));
    let is_change_first = behaviour.is_some_and(|behaviour| behaviour.looks_at_change_first());
    let (first, second) = if is_change_first { (of_change, of_object) } else { (of_object, of_change) };
    errors.extend(first.into_iter().chain(second));
    if write.of.custom.is_some() && write.subresource == "status" {
        // Status is looked at by itself.
        for error in &mut errors {
            if let Some(detail) = error.detail.strip_prefix("status.") {
                error.detail = detail.to_owned();
            }
        }
    }
    // Metadata is looked at twice: for every type, and by each type for itself.
    let again = |error: &&FieldError| {
        let fields = ["metadata.labels", "metadata.annotations", "metadata.ownerReferences", "metadata.deletion"];
        fields.iter().any(|field| error.field.starts_with(field)) || error.field == "metadata.finalizers"
    };
    let mut repeated: Vec<FieldError> = errors.iter().filter(again).cloned().collect();
    repeated.extend(errors);
    repeated
}
