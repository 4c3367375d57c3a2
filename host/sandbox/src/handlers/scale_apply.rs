//! Server-side apply through `/scale`: who owns the replicas of the object owns those of its Scale, and the other way round.

use super::{change, found};
use crate::fields::apply::{self, Writer};
use crate::fields::schema::TypeSchema;
use crate::registry::ScalePaths;
use crate::represent;
use crate::request::Call;
use crate::server::ApiServer;
use crate::status::ApiError;
use crate::writes::Ownership;
use serde_json::{Map, Value, json};

const VERSION: &str = "autoscaling/v1";

/// Applies a Scale; answers the replicas and owners that its object gets by it.
pub fn apply(server: &ApiServer, call: &mut Call, paths: &ScalePaths, shown: impl Fn(&Call, &Value) -> Value) -> Result<Value, ApiError> {
    let wanted = change::configuration(call, VERSION, "Scale")?;
    let schema = TypeSchema::built_in(VERSION, "Scale").ok_or_else(ApiError::no_method)?;
    let of = call.of.clone();
    found(server, call)?;
    let keys: Vec<String> = paths.spec_replicas.split('.').filter(|key| !key.is_empty()).map(|key| format!("f:{key}")).collect();
    let (now, manager, force) = (server.now(), call.manager().to_owned(), call.params.flag("force"));
    let asked = &*call;
    let merged = |object: &Value| {
        let mut scale = shown(asked, object);
        let owners: Vec<Value> = owners_of(object).filter(|owner| owns(&owner["fieldsV1"], &keys)).map(to_scale).collect();
        scale["metadata"]["managedFields"] = owners.into();
        let writer = Writer { manager: &manager, subresource: "scale", api_version: VERSION, now: &now, has_status: false };
        apply::apply(Some(&scale), &wanted, &writer, force, &schema)
    };
    // A conflict is found before anything is written.
    let scale = merged(&represent::served(&of, &*found(server, asked)?))?;
    let replicas = scale["spec"]["replicas"].as_i64().unwrap_or(0);
    let api_version = of.api_version();
    let entry = change::through(server, call, Ownership::Decided, |object| {
        super::scale::put(object, &paths.spec_replicas, replicas.into());
        let mut owners: Vec<Value> = owners_of(object).cloned().collect();
        owners.iter_mut().for_each(|owner| disown(&mut owner["fieldsV1"], &keys));
        let of_scale = ["f:spec", "f:replicas"].map(str::to_owned);
        for owner in owners_of(&scale).filter(|owner| owns(&owner["fieldsV1"], &of_scale)) {
            own(&mut owners, owner, &keys, &api_version);
        }
        owners.retain(|owner| owner["fieldsV1"].as_object().is_some_and(|fields| !fields.is_empty()));
        object["metadata"]["managedFields"] = owners.into();
        Ok(())
    })?;
    Ok(represent::served(&of, &entry))
}

fn owners_of(object: &Value) -> impl Iterator<Item = &Value> {
    object["metadata"]["managedFields"].as_array().into_iter().flatten()
}

fn owns(fields: &Value, keys: &[String]) -> bool {
    keys.iter().try_fold(fields, |fields, key| fields.get(key)).is_some()
}

fn to_scale(owner: &Value) -> Value {
    let mut owner = owner.clone();
    owner["apiVersion"] = VERSION.into();
    owner["fieldsV1"] = json!({"f:spec": {"f:replicas": {}}});
    owner
}

fn disown(fields: &mut Value, keys: &[String]) {
    let [key, below @ ..] = keys else { return };
    let Some(map) = fields.as_object_mut() else { return };
    if let Some(field) = map.get_mut(key) {
        disown(field, below);
        if field.as_object().is_none_or(Map::is_empty) {
            map.remove(key);
        }
    }
}

/// Gives the replicas to a manager of the Scale, under the entry that it has already where it has one.
fn own(owners: &mut Vec<Value>, owner: &Value, keys: &[String], api_version: &str) {
    let is_same = |other: &Value| ["manager", "operation", "subresource"].iter().all(|field| other.get(*field) == owner.get(*field));
    let at = owners.iter().position(is_same).unwrap_or_else(|| {
        let mut made = owner.clone();
        made["apiVersion"] = api_version.into();
        made["fieldsV1"] = json!({});
        // No time is kept for what is written through a Scale.
        made.as_object_mut().expect("an entry").remove("time");
        owners.push(made);
        owners.len() - 1
    });
    let place = keys.iter().fold(&mut owners[at]["fieldsV1"], |place, key| &mut place[key]);
    if place.is_null() {
        *place = json!({});
    }
}
