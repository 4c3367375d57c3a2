//! `delete` and `deletecollection`: preconditions, grace, finalizers and what becomes of dependents.

use super::read::Selection;
use super::{body, key};
use crate::definitions;
use crate::fields::patch::json_type;
use crate::metadata;
use crate::negotiation;
use crate::options;
use crate::registry::ResourceType;
use crate::represent;
use crate::request::{Call, Params, User};
use crate::response;
use crate::server::ApiServer;
use crate::status::ApiError;
use crate::storage::{Entry, Key, WriteError};
use crate::writes::Write;
use axum::response::Response;
use serde_json::{Value, json};
use std::sync::Arc;

/// Finalizer of an object that waits for its dependents to go first.
pub const FOREGROUND: &str = "foregroundDeletion";
/// Finalizer of an object whose dependents are to be left alone.
pub const ORPHAN: &str = "orphan";

const PODS: &str = "pods";

/// Types whose `delete` answers the object instead of a Status.
const ANSWERED_WITH_OBJECT: [&str; 8] = [
    "storageclasses.storage.k8s.io",
    "pods",
    "services",
    "serviceaccounts",
    "podtemplates",
    "resourcequotas",
    "persistentvolumes",
    "persistentvolumeclaims",
];

/// Types whose dependents stay where nothing else is said.
const ORPHANED: [&str; 2] = ["jobs.batch", "replicationcontrollers"];

/// What becomes of dependents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Propagation {
    /// They go afterwards.
    #[default]
    Background,
    /// They go first.
    Foreground,
    /// They stay.
    Orphan,
}

/// `meta/v1 DeleteOptions`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct DeleteOptions {
    /// Seconds between the request and the removal of a pod.
    pub grace: Option<i64>,
    /// Whether the client said what becomes of dependents.
    pub is_said: bool,
    /// What becomes of dependents.
    pub propagation: Option<Propagation>,
    /// The object must have this uid.
    pub uid: Option<String>,
    /// The object must be at this revision.
    pub resource_version: Option<String>,
    /// Store nothing.
    pub dry_run: bool,
}

impl DeleteOptions {
    fn of(call: &Call) -> Result<Self, ApiError> {
        options::numbers(call)?;
        let sent = if call.body.is_empty() { Value::Null } else { body::value(call)? };
        if sent["kind"].as_str().is_some_and(|kind| kind != "DeleteOptions") {
            let words = format!("no kind {} is registered for version {} in scheme {:?}", sent["kind"], sent["apiVersion"], body::SCHEME);
            return Err(ApiError::bad_request(words));
        }
        if let Some(problem) = unfit(&sent) {
            return Err(ApiError::bad_request(problem));
        }
        options::of_delete(call, &sent)?;
        // What a body says is all that is said.
        let unsaid = Params::default();
        let params = if call.body.is_empty() { &call.params } else { &unsaid };
        let text = |pointer: &str| sent.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
        let named = text("/propagationPolicy").or(params.get("propagationPolicy").map(str::to_owned));
        let orphans = sent["orphanDependents"].as_bool().or(params.get("orphanDependents").map(|_| params.flag("orphanDependents")));
        let propagation = match (named.as_deref(), orphans) {
            (Some("Background"), _) | (None, Some(false)) => Some(Propagation::Background),
            (Some("Foreground"), _) => Some(Propagation::Foreground),
            (Some("Orphan"), _) | (None, Some(true)) => Some(Propagation::Orphan),
            _ if ORPHANED.contains(&&*call.of.stored_as) => Some(Propagation::Orphan),
            _ => None,
        };
        Ok(Self {
            grace: sent["gracePeriodSeconds"].as_i64().or(params.get("gracePeriodSeconds").and_then(|grace| grace.parse().ok())),
            is_said: named.is_some() || orphans.is_some(),
            propagation,
            uid: text("/preconditions/uid"),
            resource_version: text("/preconditions/resourceVersion"),
            dry_run: params.dry_run() || sent["dryRun"].as_array().is_some_and(|all| !all.is_empty()),
        })
    }

    /// Whether the object is the one that is meant.
    pub fn check(&self, of: &ResourceType, object: &Entry) -> Result<(), ApiError> {
        let name = &object.facts.key.name;
        let differs = |wanted: &Option<String>, is: &str| {
            wanted.as_ref().filter(|wanted| *wanted != is).map(|wanted| (wanted.clone(), is.to_owned()))
        };
        let refuse = |what: &str, (wanted, is): (String, String), then: &str| {
            let why = format!("the {what} in the precondition ({wanted}) does not match the {what} in record ({is}). {then}");
            ApiError::conflict(&of.group, &of.kind, name, &why)
        };
        if let Some((wanted, is)) = differs(&self.uid, &object.facts.uid).filter(|_| &*of.stored_as == "namespaces") {
            let why = format!("Precondition failed: UID in precondition: {wanted}, UID in object meta: {is}");
            return Err(ApiError::conflict("", "namespaces", name, &why));
        }
        if let Some(pair) = differs(&self.uid, &object.facts.uid) {
            return Err(refuse("UID", pair, "The object might have been deleted and then recreated"));
        }
        if let Some(pair) = differs(&self.resource_version, &object.revision.to_string()) {
            return Err(refuse("ResourceVersion", pair, "The object might have been modified"));
        }
        Ok(())
    }
}

/// What a decoder says of options that are of another type.
fn unfit(sent: &Value) -> Option<String> {
    const READ: &str = r#"struct { APIVersion string "json:\"apiVersion,omitempty\""; Kind string "json:\"kind,omitempty\"" }"#;
    let found = json_type(sent);
    let Some(fields) = sent.as_object() else {
        let words = format!("couldn't get version/kind; json parse error: json: cannot unmarshal {found} into Go value of type {READ}");
        return (!sent.is_null()).then_some(words);
    };
    let types = [
        ("gracePeriodSeconds", "int64", Value::is_i64 as fn(&Value) -> bool),
        ("preconditions", "v1.Preconditions", Value::is_object),
        ("orphanDependents", "bool", Value::is_boolean),
        ("propagationPolicy", "v1.DeletionPropagation", Value::is_string),
        ("dryRun", "[]string", Value::is_array),
    ];
    let wrong = types.iter().find(|(name, _, fits)| fields.get(*name).is_some_and(|value| !value.is_null() && !fits(value)));
    wrong.map(|(name, wanted, _)| {
        format!("json: cannot unmarshal {} into Go struct field DeleteOptions.{name} of type {wanted}", json_type(&fields[*name]))
    })
}

/// What a delete did.
pub enum Deleted {
    /// The object is gone.
    Gone(Arc<Entry>),
    /// It is marked, and goes when its finalizers or its grace are over.
    Marked(Arc<Entry>),
}

/// Removes one object.
pub fn one(server: &ApiServer, call: &mut Call) -> Result<Response, ApiError> {
    let options = DeleteOptions::of(call)?;
    let of = call.of.clone();
    let mut warnings = Vec::new();
    if &*of.stored_as == ORPHANED[0] && !options.is_said {
        const WARNING: &str = "child pods are preserved by default when jobs are deleted; set propagationPolicy=Background to remove them \
             or set propagationPolicy=Orphan to suppress this warning";
        warnings.push(WARNING.to_owned());
    }
    let deleted = delete(server, of.kept(), &key(call), &options, &call.user, &mut warnings);
    call.warnings.extend(warnings);
    match deleted? {
        Deleted::Gone(entry) if !ANSWERED_WITH_OBJECT.contains(&&*of.stored_as) => Ok(response::value(&success(&of, &entry))),
        Deleted::Gone(entry) | Deleted::Marked(entry) => super::shown(server, call, 200, &entry),
    }
}

fn success(of: &ResourceType, object: &Entry) -> Value {
    let mut details = json!({"name": &*object.facts.key.name, "kind": of.plural, "uid": &*object.facts.uid});
    if !of.group.is_empty() {
        details["group"] = of.group.as_str().into();
    }
    json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details})
}

/// Removes what is selected, and answers it.
pub fn collection(server: &ApiServer, call: &mut Call) -> Result<Response, ApiError> {
    let options = DeleteOptions::of(call)?;
    let selection = Selection::of(call)?;
    let form = negotiation::form(call)?;
    let of = call.of.clone();
    let listed = server.store().list(&of.stored_as, call.target.namespace.as_deref());
    let mut removed = Vec::new();
    let mut selected: Vec<_> = listed.entries.iter().filter(|entry| selection.matches(&of, entry)).collect();
    let limit = call.params.get("limit").and_then(|limit| limit.parse::<usize>().ok()).filter(|limit| *limit > 0);
    // Whether there is more to select is only known after the next page.
    let last = limit.and_then(|limit| selected.get(limit - 1).copied());
    let is_more = |last: &&Arc<Entry>| listed.entries.last().is_some_and(|end| end.facts.key != last.facts.key);
    let next = last.filter(is_more).map(|last| super::read::token(listed.revision, call, last));
    selected.truncate(limit.unwrap_or(usize::MAX));
    for entry in selected {
        let mut warnings = Vec::new();
        match delete(server, of.kept(), &entry.facts.key, &options, &call.user, &mut warnings) {
            Ok(Deleted::Gone(entry) | Deleted::Marked(entry)) => removed.push(entry),
            Err(error) if error.code == 404 => {}
            Err(error) => return Err(error),
        }
        call.warnings.extend(warnings);
    }
    let removed: Vec<&Entry> = removed.iter().map(AsRef::as_ref).collect();
    let mut metadata = json!({"resourceVersion": server.store().revision().to_string()});
    if of.custom.is_some() {
        metadata["continue"] = "".into();
    }
    if let Some(next) = next {
        metadata["continue"] = next.into();
    }
    Ok(response::json(200, represent::list(&of, &removed, form, metadata, server.unix_now())))
}

/// Removes an object, or marks it where something must happen first. Also what the server's own controllers call.
pub fn delete(
    server: &ApiServer,
    of: &ResourceType,
    key: &Key,
    options: &DeleteOptions,
    user: &User,
    warnings: &mut Vec<String>,
) -> Result<Deleted, ApiError> {
    let missing = || ApiError::not_found(&of.group, &of.plural, &key.name);
    let namespace = Some(&*key.namespace).filter(|namespace| !namespace.is_empty());
    let write = Write { dry_run: options.dry_run, ..Write::internal(of, namespace, user) };
    loop {
        let old = server.store().get(&of.stored_as, key).ok_or_else(missing)?;
        options.check(of, &old)?;
        check_protected(of, &key.name)?;
        write.admit_delete(server, &old, warnings)?;
        let before = old.value();
        let marked = marked(server, of, &before, options);
        if options.dry_run {
            let is_gone = metadata::is_ready_to_go(&marked);
            return Ok(if is_gone { Deleted::Gone(old) } else { Deleted::Marked(Entry::unstored(&marked, Some(old.revision))) });
        }
        let stored = if metadata::is_ready_to_go(&marked) {
            // A pod is marked all the same; of others the last state is the one before the mark, as watchers of the real server see it.
            let last = if &*of.stored_as == PODS && !metadata::is_same(&marked, &before) {
                server.store().update(&of.stored_as, key.clone(), old.revision, &marked)
            } else {
                Ok(old)
            };
            last.and_then(|last| server.store().delete(&of.stored_as, key, last.revision, None)).map(Deleted::Gone)
        } else if metadata::is_same(&marked, &before) {
            Ok(Deleted::Marked(old))
        } else {
            server.store().update(&of.stored_as, key.clone(), old.revision, &marked).map(Deleted::Marked)
        };
        match stored {
            Ok(deleted) => {
                if &*of.stored_as == definitions::STORED_AS {
                    server.accept_definition(&key.name);
                }
                return Ok(deleted);
            }
            Err(WriteError::Moved) => {}
            Err(_) => return Err(missing()),
        }
    }
}

/// Namespaces that the server itself lives in stay.
fn check_protected(of: &ResourceType, name: &str) -> Result<(), ApiError> {
    if &*of.stored_as == "namespaces" && ["default", "kube-system", "kube-public"].contains(&name) {
        return Err(ApiError::forbidden("", "namespaces", name, "this namespace may not be deleted"));
    }
    Ok(())
}

/// The object with the marks of its deletion.
fn marked(server: &ApiServer, of: &ResourceType, old: &Value, options: &DeleteOptions) -> Value {
    let mut object = old.clone();
    let grace = grace(of, old, options);
    let first = old["metadata"]["deletionTimestamp"].is_null();
    // Who says nothing shortens nothing.
    let running = old["metadata"]["deletionGracePeriodSeconds"].as_i64().filter(|_| options.grace.is_some() || &*of.stored_as != PODS);
    let shortens = running.is_some_and(|running| grace < running);
    let is_pending = old["metadata"]["deletionGracePeriodSeconds"].as_i64().is_some_and(|running| running != 0);
    if &*of.stored_as == PODS && !first && !shortens && is_pending {
        return object;
    }
    if first || running.is_some_and(|running| grace < running) {
        object["metadata"]["deletionTimestamp"] = server.time_after(grace).into();
        if !["namespaces", definitions::STORED_AS].contains(&&*of.stored_as) {
            object["metadata"]["deletionGracePeriodSeconds"] = grace.into();
        }
        if first && &*of.stored_as != definitions::STORED_AS {
            metadata::raise_generation(&mut object);
        }
    }
    set_dependents(&mut object, options.propagation);
    match &*of.stored_as {
        "namespaces" => object["status"]["phase"] = "Terminating".into(),
        definitions::STORED_AS if first => {
            add_finalizer(&mut object, definitions::CLEANUP);
            definitions::status::mark_terminating(&mut object, &server.now());
        }
        _ => {}
    }
    object
}

fn set_dependents(object: &mut Value, propagation: Option<Propagation>) {
    let Some(propagation) = propagation else { return };
    if let Some(finalizers) = object["metadata"].get_mut("finalizers").and_then(Value::as_array_mut) {
        finalizers.retain(|finalizer| finalizer != FOREGROUND && finalizer != ORPHAN);
    }
    match propagation {
        Propagation::Background => {}
        Propagation::Foreground => add_finalizer(object, FOREGROUND),
        Propagation::Orphan => add_finalizer(object, ORPHAN),
    }
}

fn add_finalizer(object: &mut Value, finalizer: &str) {
    let finalizers = &mut object["metadata"]["finalizers"];
    match finalizers.as_array_mut() {
        Some(all) if all.iter().any(|one| one == finalizer) => {}
        Some(all) => all.push(finalizer.into()),
        None => *finalizers = json!([finalizer]),
    }
}

/// Seconds that the object has left: only pods that run somewhere have any.
fn grace(of: &ResourceType, object: &Value, options: &DeleteOptions) -> i64 {
    if &*of.stored_as != PODS {
        return 0;
    }
    let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or("");
    if text("/spec/nodeName").is_empty() || ["Failed", "Succeeded"].contains(&text("/status/phase")) {
        return 0;
    }
    let own = object.pointer("/spec/terminationGracePeriodSeconds").and_then(Value::as_i64);
    let grace = options.grace.or(own).unwrap_or(30);
    if grace < 0 { 1 } else { grace }
}
