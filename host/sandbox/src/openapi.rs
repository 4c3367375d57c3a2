//! `/openapi/v3`: which documents there are, each under the hash of what it describes, so that clients keep what they have read.

use crate::discovery;
use crate::fields::schema::published;
use crate::registry::{ResourceType, Types, api_version};
use crate::response;
use crate::server::ApiServer;
use axum::response::Response;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

/// `/openapi/v3`.
pub fn index(server: &ApiServer) -> Response {
    let types = server.registry().types();
    let mut paths = Map::new();
    for ((group, version), served) in by_version(&types) {
        let path = document_path(&group, &version);
        paths.insert(path.clone(), json!({"serverRelativeURL": format!("/openapi/v3/{path}?hash={}", hash_of(&served))}));
    }
    response::value(&json!({"paths": paths}))
}

fn document_path(group: &str, version: &str) -> String {
    if group.is_empty() { format!("api/{version}") } else { format!("apis/{}", api_version(group, version)) }
}

fn by_version(types: &Types) -> BTreeMap<(String, String), Vec<Arc<ResourceType>>> {
    let mut versions: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for of in &types.all {
        versions.entry((of.group.clone(), of.version.clone())).or_default().push(of.clone());
    }
    versions
}

fn hash_of(served: &[Arc<ResourceType>]) -> String {
    let mut hasher = DefaultHasher::new();
    for of in served {
        of.plural.hash(&mut hasher);
        of.custom.as_ref().map(|custom| custom.open_api.to_string()).hash(&mut hasher);
    }
    format!("{:016X}", hasher.finish())
}

/// `/openapi/v2`: a document without types, in the protobuf that kubectl wants. It asks for it where the other documents do not know a
/// kind, and then only to be told that neither does this one.
pub fn legacy() -> Response {
    // `swagger: "2.0"`, `info: {title: "Kubernetes", version: "v1"}`, `paths: {}`.
    const DOCUMENT: &[u8] = b"\x0a\x032.0\x12\x10\x0a\x0aKubernetes\x12\x02v1\x42\x00";
    response::with_type(200, "application/com.github.proto-openapi.spec.v2.v1.0+protobuf", DOCUMENT.into())
}

/// `/openapi/v3/<path>`; `None` for a version that is not served.
pub fn document(server: &ApiServer, path: &str) -> Option<Response> {
    let types = server.registry().types();
    let (_, served) = by_version(&types).into_iter().find(|((group, version), _)| document_path(group, version) == path)?;
    let (mut paths, mut schemas) = (Map::new(), Map::new());
    for of in &served {
        let place = if of.namespaced { "namespaces/{namespace}/" } else { "" };
        paths.insert(format!("/{path}/{place}{}/{{name}}", of.plural), operations(of));
        add_schema(&mut schemas, of);
    }
    let document = json!({"openapi": "3.0.0", "info": {"title": "Kubernetes", "version": version()}, "paths": paths,
        "components": {"schemas": schemas}});
    Some(response::value(&document))
}

fn version() -> &'static str {
    discovery::VERSION.trim_start_matches('v')
}

fn group_version_kind(of: &ResourceType) -> Value {
    json!({"group": of.group, "version": of.version, "kind": of.kind})
}

/// What may be done with one object, as far as clients ask: which parameters a patch takes.
fn operations(of: &ResourceType) -> Value {
    let parameters: Vec<Value> = ["dryRun", "fieldManager", "fieldValidation", "force"]
        .iter()
        .map(|name| json!({"name": name, "in": "query", "schema": {"type": "string"}}))
        .collect();
    let kind = group_version_kind(of);
    json!({"get": {"x-kubernetes-group-version-kind": kind}, "patch": {"parameters": parameters, "x-kubernetes-group-version-kind": kind}})
}

fn add_schema(schemas: &mut Map<String, Value>, of: &ResourceType) {
    let name = match &of.custom {
        Some(custom) => {
            let name = schema_name(of);
            published::publish_custom(schemas, &name, &custom.open_api);
            name
        }
        None => {
            let Some(name) = published::definition_of(&of.api_version(), &of.kind) else { return };
            published::publish(schemas, name);
            name.to_owned()
        }
    };
    schemas[&name]["x-kubernetes-group-version-kind"] = json!([group_version_kind(of)]);
}

/// `io.karmada.policy.v1alpha1.PropagationPolicy`.
fn schema_name(of: &ResourceType) -> String {
    let group: Vec<&str> = of.group.rsplit('.').collect();
    format!("{}.{}.{}", group.join("."), of.version, of.kind)
}
