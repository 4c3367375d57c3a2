//! Server-side apply and the bookkeeping of `metadata.managedFields`.
//!
//! Flow of [`apply`]: the configuration is checked against the type, laid over the object, fields that the manager set before and no
//! longer names are removed unless somebody else owns them, and what thereby changes among other managers' fields is a conflict or,
//! forced, changes hands. [`track`] is the last step alone, for every other kind of write.
//!
//! All managers are taken to have written the same version of the type.

mod compare;
pub(crate) mod field_set;
mod managers;
mod merge;
mod typed;

use super::schema::TypeSchema;
use super::schema::node::View;
use crate::status::ApiError;
use compare::{Comparison, compare, equal};
use field_set::FieldSet;
use managers::{Entry, Managers, Operation};
use serde_json::{Value, json};

/// Who writes, through what, and when.
#[derive(Debug, Clone)]
pub struct Writer<'a> {
    /// `fieldManager`, or what stands for it (the first part of the User-Agent).
    pub manager: &'a str,
    /// `status`, `scale`, or empty for the object itself.
    pub subresource: &'a str,
    /// apiVersion of the request.
    pub api_version: &'a str,
    /// RFC 3339 seconds, UTC.
    pub now: &'a str,
    /// Whether the type serves `/status`, so that writes to the object keep its status and writes to `status` keep its spec.
    pub has_status: bool,
}

/// The manager that owns what was there before anybody applied.
const BEFORE_FIRST_APPLY: &str = "before-first-apply";
/// The manager whose client-side applies are taken over.
const KUBECTL: &str = "kubectl";
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";
/// Annotations of an object may not be longer than this, together.
const MAX_ANNOTATIONS: usize = 256 * 1024;

/// The object after `kubectl apply --server-side`: what `applied` sets, without what this manager set before and no longer names.
/// Fields of other managers with another value are conflicts (409 with a cause each) unless forced. The live object comes back
/// unchanged when nothing changes. Defaults are left to the caller.
pub fn apply(live: Option<&Value>, applied: &Value, writer: &Writer, force: bool, schema: &TypeSchema) -> Result<Value, ApiError> {
    check_request(applied, writer, schema)?;
    let root = schema.view();
    let empty = json!({"apiVersion": applied["apiVersion"], "kind": applied["kind"]});
    let mut managers = match live {
        Some(live) => Managers::of(live).ok_or_else(|| internal("failed to decode managed fields".to_owned()))?,
        None => Managers::default(),
    };
    let before = without_managed_fields(live.unwrap_or(&empty));
    if let Some(live) = live
        && managers.entries.is_empty()
    {
        let first = Writer { manager: BEFORE_FIRST_APPLY, ..writer.clone() };
        record(&mut managers, &first, root, &empty, live);
    }
    let request = Request { root, before: &before, applied, writer };
    let (mut after, mut managers) = match request.run(managers.clone(), force) {
        Err(conflicts) => request.take_over(managers, conflicts).map_err(conflict_error)?,
        Ok(done) => done,
    };
    if !equal(&after, &before) {
        managers.entry(&Entry::of(writer, Operation::Apply)).time = Some(writer.now.to_owned());
        managers.drop_empty();
    }
    let is_applied_both_ways = after["metadata"]["annotations"][LAST_APPLIED].as_str().is_some_and(|text| !text.is_empty());
    if writer.manager == KUBECTL && is_applied_both_ways {
        set_last_applied(&mut after, applied);
    }
    managers.write_to(&mut after);
    if let Some(problem) = schema.decode_error(&after) {
        let object = described(applied);
        let gvk = object.split_once("; ").map_or("", |(_, gvk)| gvk).to_owned();
        return Err(internal(format!(
            "failed to convert new object ({object}) to proper version: unable to convert unstructured object to {gvk}: error decoding from json: {problem}"
        )));
    }
    schema.prune(&mut after);
    match live {
        Some(live) if is_same_but_for_times(live, &after) => Ok(live.clone()),
        _ => Ok(after),
    }
}

/// Records in `new.metadata.managedFields` who changed what, for create, update and the patches.
pub fn track(old: Option<&Value>, new: &mut Value, writer: &Writer, schema: &TypeSchema) {
    let mut managers = Managers::for_update(old, new, writer.subresource);
    remove_managed_fields(new);
    if managers.entries.is_empty() && old.is_some() {
        // Nobody tracked the object so far; only an apply starts that.
        return;
    }
    let empty = json!({"apiVersion": new["apiVersion"], "kind": new["kind"]});
    record(&mut managers, writer, schema.view(), old.unwrap_or(&empty), new);
    managers.write_to(new);
}

/// Records a write through `/scale`, which changes `spec.replicas` alone. The real server keeps no time for it.
pub fn track_scale(old: &Value, new: &mut Value, writer: &Writer, replicas_path: &[&str]) {
    let value_at = |object: &Value| replicas_path.iter().fold(object.clone(), |value, key| value[*key].clone());
    let Some(mut managers) = Managers::of(old) else {
        return;
    };
    if managers.entries.is_empty() || equal(&value_at(old), &value_at(new)) {
        return;
    }
    let mut replicas = FieldSet::default();
    replicas.insert_fields(replicas_path);
    // A Scale that nobody owned anything of is not looked after.
    let is_owned = managers.entries.iter().any(|entry| !entry.fields.intersection(&replicas).is_empty());
    managers.entries.iter_mut().for_each(|entry| entry.fields.subtract(&replicas));
    managers.drop_empty();
    // A Scale with no replicas does not say how many there are.
    if is_owned && value_at(new).as_i64().unwrap_or(0) != 0 {
        let entry = managers.entry(&Entry { subresource: "scale".to_owned(), ..Entry::of(writer, Operation::Update) });
        entry.fields.add(&replicas);
    }
    managers.write_to(new);
}

/// Gives what changed to the writer, and takes it from everybody else.
fn record(managers: &mut Managers, writer: &Writer, root: View, old: &Value, new: &Value) {
    let changes = compare_for(writer, root, old, new);
    change_hands(managers, None, &changes);
    let mut taken = changes.modified;
    taken.add(&changes.added);
    taken.subtract(&never_tracked());
    if !taken.is_empty() {
        let entry = managers.entry(&Entry::of(writer, Operation::Update));
        entry.fields.add(&taken);
        entry.time = Some(writer.now.to_owned());
    }
    managers.drop_empty();
    managers.cap();
}

/// What changed, without what the server will not let this writer change.
fn compare_for(writer: &Writer, root: View, old: &Value, new: &Value) -> Comparison {
    let mut changes = compare(root, old, new);
    let kept = kept_fields(writer);
    for set in [&mut changes.added, &mut changes.modified, &mut changes.removed] {
        set.subtract_trees(&kept);
    }
    changes
}

/// Takes what changed from every manager but one.
fn change_hands(managers: &mut Managers, except: Option<&Entry>, changes: &Comparison) {
    let mut changed = changes.modified.clone();
    changed.add(&changes.added);
    changed.add(&changes.removed);
    for entry in managers.entries.iter_mut().filter(|entry| except.is_none_or(|except| !entry.is_same(except))) {
        entry.fields.subtract(&changed);
    }
}

/// An apply, once it is known to be well-formed.
struct Request<'a> {
    root: View<'a>,
    before: &'a Value,
    applied: &'a Value,
    writer: &'a Writer<'a>,
}

/// A manager and the fields of it that would change.
type Conflict = (Entry, FieldSet);

impl Request<'_> {
    /// The object afterwards and its managers; or what is in the way.
    fn run(&self, mut managers: Managers, force: bool) -> Result<(Value, Managers), Vec<Conflict>> {
        let own = Entry::of(self.writer, Operation::Apply);
        let merged = merge::merge(self.root, self.before, self.applied);
        let mut fields = typed::field_set(self.root, self.applied);
        fields.subtract_trees(&kept_fields(self.writer));
        let entry = managers.entry(&own);
        let last = std::mem::replace(&mut entry.fields, fields);
        entry.api_version = own.api_version.clone();
        let after = self.without_abandoned(merged, &last, &managers);
        let changes = compare_for(self.writer, self.root, self.before, &after);
        let mut changed = changes.modified.clone();
        changed.add(&changes.added);
        let others = managers.entries.iter().filter(|entry| !entry.is_same(&own));
        let conflicts: Vec<Conflict> =
            others.map(|entry| (entry.clone(), entry.fields.intersection(&changed))).filter(|(_, fields)| !fields.is_empty()).collect();
        if !force && !conflicts.is_empty() {
            return Err(conflicts);
        }
        change_hands(&mut managers, Some(&own), &changes);
        managers.entry(&own).fields.subtract(&never_tracked());
        managers.drop_empty();
        Ok((after, managers))
    }

    /// Removes what the manager owned, no longer names, and nobody else owns.
    fn without_abandoned(&self, merged: Value, last: &FieldSet, managers: &Managers) -> Value {
        if last.is_empty() {
            return merged;
        }
        let named = |set: &FieldSet| typed::with_named_fields(set, Some(self.root));
        let last = named(last);
        let pruned = typed::without(self.root, &merged, &last);
        let mut owned = FieldSet::default();
        managers.entries.iter().for_each(|entry| owned.add(&entry.fields));
        let all = named(&typed::field_set(self.root, &merged));
        let mut to_remove = all.clone();
        to_remove.subtract(&named(&typed::field_set(self.root, &pruned)));
        to_remove.subtract(&named(&owned));
        let pruned = typed::without(self.root, &merged, &to_remove);
        let mut to_remove = all;
        to_remove.subtract(&named(&typed::field_set(self.root, &pruned)));
        typed::without(self.root, &merged, &to_remove.intersection(&last))
    }

    /// Conflicts of kubectl with what it applied itself, on the client's side, are none.
    fn take_over(&self, managers: Managers, conflicts: Vec<Conflict>) -> Result<(Value, Managers), Vec<Conflict>> {
        let Some(own) = self.applied_before() else {
            return Err(conflicts);
        };
        let left: Vec<Conflict> = conflicts
            .into_iter()
            .map(|(entry, mut fields)| {
                fields.subtract(&own);
                (entry, fields)
            })
            .filter(|(_, fields)| !fields.is_empty())
            .collect();
        if left.is_empty() { self.run(managers, true) } else { Err(left) }
    }

    /// The fields that the last client-side apply set and that still have its values.
    fn applied_before(&self) -> Option<FieldSet> {
        if self.writer.manager != KUBECTL {
            return None;
        }
        let text = self.before["metadata"]["annotations"][LAST_APPLIED].as_str()?;
        let last: Value = serde_json::from_str(text).ok()?;
        if last["apiVersion"].as_str() != Some(self.writer.api_version) || !typed::problems(self.root, &last).is_empty() {
            return None;
        }
        let mut fields = typed::field_set(self.root, &last);
        let changes = compare(self.root, &last, self.before);
        for changed in [&changes.modified, &changes.added, &changes.removed] {
            fields.subtract(changed);
        }
        Some(fields)
    }
}

fn check_request(applied: &Value, writer: &Writer, schema: &TypeSchema) -> Result<(), ApiError> {
    let version = applied["apiVersion"].as_str().unwrap_or_default();
    if version != writer.api_version {
        let expected = writer.api_version;
        return Err(bad_request(format!(
            "Incorrect version specified in apply patch. Specified patch version: {version}, expected: {expected}"
        )));
    }
    if applied["metadata"]["managedFields"].is_array() {
        return Err(bad_request("metadata.managedFields must be nil".to_owned()));
    }
    let problems = typed::problems(schema.view(), applied);
    let listed = match problems.as_slice() {
        [] => return Ok(()),
        [problem] => problem.clone(),
        problems => format!("errors:\n  {}", problems.join("\n  ")),
    };
    Err(internal(format!("failed to create typed patch object ({}): {listed}", described(applied))))
}

/// The object of a request as internal errors name it: `shop/web; apps/v1, Kind=Deployment`.
fn described(object: &Value) -> String {
    let metadata = |name: &str| object["metadata"][name].as_str().unwrap_or_default();
    let kind = object["kind"].as_str().unwrap_or_default();
    let version = object["apiVersion"].as_str().unwrap_or_default();
    let slash = if version.contains('/') { "" } else { "/" };
    format!("{}/{}; {slash}{version}, Kind={kind}", metadata("namespace"), metadata("name"))
}

/// 409, with a cause for each field.
fn conflict_error(mut conflicts: Vec<Conflict>) -> ApiError {
    conflicts.sort_by_key(|(entry, _)| entry.display());
    let listed: Vec<(String, Vec<String>)> = conflicts.iter().map(|(entry, fields)| (entry.display(), fields.paths())).collect();
    let count: usize = listed.iter().map(|(_, paths)| paths.len()).sum();
    let causes: Vec<Value> = listed
        .iter()
        .flat_map(|(manager, paths)| paths.iter().map(move |path| (manager, path)))
        .map(|(manager, path)| json!({"reason": "FieldManagerConflict", "message": format!("conflict with {manager}"), "field": path}))
        .collect();
    let message = match listed.as_slice() {
        [(manager, paths)] if paths.len() == 1 => format!("Apply failed with 1 conflict: conflict with {manager}: {}", paths[0]),
        _ => {
            let managers: Vec<String> =
                listed.iter().map(|(manager, paths)| format!("conflicts with {manager}:\n- {}", paths.join("\n- "))).collect();
            format!("Apply failed with {count} conflicts: {}", managers.join("\n"))
        }
    };
    ApiError { code: 409, reason: "Conflict", message, details: Some(json!({"causes": causes})) }
}

fn bad_request(message: String) -> ApiError {
    ApiError { code: 400, reason: "BadRequest", message, details: None }
}

fn internal(message: String) -> ApiError {
    ApiError { code: 500, reason: "", message, details: None }
}

/// Fields that nobody owns.
fn never_tracked() -> FieldSet {
    const METADATA: [&str; 9] =
        ["name", "namespace", "creationTimestamp", "selfLink", "uid", "clusterName", "generation", "managedFields", "resourceVersion"];
    let mut set = FieldSet::default();
    for field in ["apiVersion", "kind", "metadata"] {
        set.insert_fields(&[field]);
    }
    for field in METADATA {
        set.insert_fields(&["metadata", field]);
    }
    set
}

/// Fields that the server keeps as they are, whatever the writer sends.
fn kept_fields(writer: &Writer) -> FieldSet {
    let mut set = FieldSet::default();
    match writer.subresource {
        "status" => set.insert_fields(&["spec"]),
        "" if writer.has_status => set.insert_fields(&["status"]),
        _ => {}
    }
    set
}

fn without_managed_fields(object: &Value) -> Value {
    let mut object = object.clone();
    remove_managed_fields(&mut object);
    object
}

fn remove_managed_fields(object: &mut Value) {
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("managedFields");
    }
}

/// Keeps the annotation of client-side apply in step, so that either way of applying can follow.
fn set_last_applied(object: &mut Value, applied: &Value) {
    let mut applied = applied.clone();
    if let Some(Value::Object(annotations)) = applied.pointer_mut("/metadata/annotations") {
        annotations.remove(LAST_APPLIED);
    }
    let Some(Value::Object(annotations)) = object.pointer_mut("/metadata/annotations") else {
        return;
    };
    annotations.insert(LAST_APPLIED.to_owned(), json!(format!("{applied}\n")));
    let size: usize = annotations.iter().map(|(key, value)| key.len() + value.as_str().map_or(0, str::len)).sum();
    if size > MAX_ANNOTATIONS {
        annotations.remove(LAST_APPLIED);
    }
}

/// Whether two versions of an object differ in the times of their managers at most.
fn is_same_but_for_times(old: &Value, new: &Value) -> bool {
    let without_times = |object: &Value| {
        let mut entries = object["metadata"]["managedFields"].clone();
        for entry in entries.as_array_mut().into_iter().flatten().filter_map(Value::as_object_mut) {
            entry.remove("time");
        }
        entries
    };
    without_times(old) == without_times(new) && equal(&without_managed_fields(old), &without_managed_fields(new))
}

#[cfg(test)]
mod tests;
