//! What an API server says about itself: its version, its health, and the types it serves, in both forms of discovery.

use crate::definitions;
use crate::handlers::reviews;
use crate::names;
use crate::negotiation;
use crate::registry::{ResourceType, Types};
use crate::represent;
use crate::request::Params;
use crate::response;
use crate::server::ApiServer;
use crate::status::ApiError;
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{CONTENT_TYPE, HeaderValue};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// Version that the server claims, and whose words it speaks.
pub const VERSION: &str = "v1.35.4";

const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
const BUILT_IN_VERBS: [&str; 8] = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];
const CUSTOM_VERBS: [&str; 8] = ["delete", "deletecollection", "get", "list", "patch", "create", "update", "watch"];
const CHANGES: [&str; 3] = ["get", "patch", "update"];
/// Groups that only answer reviews; discovery shows them after this one.
const REVIEWS_FOLLOW: &str = "events.k8s.io";
const REVIEW_GROUPS: [&str; 2] = ["authentication.k8s.io", "authorization.k8s.io"];

/// A subresource as discovery shows it.
struct Subresource {
    name: &'static str,
    group: &'static str,
    version: &'static str,
    /// Empty for the kind of the resource itself.
    kind: &'static str,
    verbs: &'static [&'static str],
}

const fn sub(
    name: &'static str,
    group: &'static str,
    version: &'static str,
    kind: &'static str,
    verbs: &'static [&'static str],
) -> Subresource {
    Subresource { name, group, version, kind, verbs }
}

fn subresources(of: &ResourceType) -> Vec<Subresource> {
    let mut all = match (of.group.as_str(), of.plural.as_str()) {
        ("", "pods") => vec![
            sub("attach", "", "", "PodAttachOptions", &["create", "get"]),
            sub("binding", "", "", "Binding", &["create"]),
            sub("ephemeralcontainers", "", "", "", &CHANGES),
            sub("eviction", "policy", "v1", "Eviction", &["create"]),
            sub("exec", "", "", "PodExecOptions", &["create", "get"]),
            sub("log", "", "", "", &["get"]),
            sub("portforward", "", "", "PodPortForwardOptions", &["create", "get"]),
            sub("proxy", "", "", "PodProxyOptions", &["create", "delete", "get", "patch", "update"]),
            sub("resize", "", "", "", &CHANGES),
        ],
        ("", "serviceaccounts") => vec![sub("token", "authentication.k8s.io", "v1", "TokenRequest", &["create"])],
        ("", "namespaces") => vec![sub("finalize", "", "", "", &["update"])],
        _ => Vec::new(),
    };
    if of.scale.is_some() {
        all.push(sub("scale", "autoscaling", "v1", "Scale", &CHANGES));
    }
    if of.has_status {
        all.push(sub("status", "", "", "", &CHANGES));
    }
    all
}

fn verbs(of: &ResourceType) -> Vec<&'static str> {
    let verbs = if of.custom.is_some() { CUSTOM_VERBS } else { BUILT_IN_VERBS };
    let collects = of.qualified() != "namespaces";
    verbs.into_iter().filter(|verb| collects || *verb != "deletecollection").collect()
}

/// One group with its versions, the preferred one first.
struct Group {
    name: String,
    versions: Vec<String>,
}

fn all_groups(types: &Types) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for of in types.all.iter().filter(|of| !of.group.is_empty()) {
        match groups.iter_mut().find(|group| group.name == of.group) {
            Some(group) if group.versions.contains(&of.version) => {}
            Some(group) => group.versions.push(of.version.clone()),
            None => groups.push(Group { name: of.group.clone(), versions: vec![of.version.clone()] }),
        }
    }
    for group in &mut groups {
        group.versions.sort_by_key(|version| std::cmp::Reverse(names::version_priority(version)));
    }
    let after = groups.iter().position(|group| group.name == REVIEWS_FOLLOW).map_or(groups.len(), |index| index + 1);
    let reviews = REVIEW_GROUPS.map(|name| Group { name: name.into(), versions: vec!["v1".into()] });
    groups.splice(after..after, reviews);
    groups
}

fn in_version<'a>(types: &'a Types, group: &'a str, version: &'a str) -> impl Iterator<Item = &'a ResourceType> {
    types.all.iter().map(AsRef::as_ref).filter(move |of| of.group == group && of.version == version)
}

fn with_names(mut resource: Value, of: &ResourceType) -> Value {
    if !of.short_names.is_empty() {
        resource["shortNames"] = json!(of.short_names);
    }
    if !of.categories.is_empty() {
        resource["categories"] = json!(of.categories);
    }
    resource
}

fn response_kind(of: &ResourceType, subresource: &Subresource) -> Value {
    let (group, version) = if of.custom.is_some() { (of.group.as_str(), of.version.as_str()) } else { ("", "") };
    match subresource.kind {
        "" => json!({"group": group, "version": version, "kind": of.kind}),
        kind => json!({"group": subresource.group, "version": subresource.version, "kind": kind}),
    }
}

fn aggregated_resource(of: &ResourceType) -> Value {
    let itself = sub("", "", "", "", &[]);
    let scope = if of.namespaced { "Namespaced" } else { "Cluster" };
    let resource = json!({"resource": of.plural, "responseKind": response_kind(of, &itself), "scope": scope,
        "singularResource": of.singular, "verbs": verbs(of)});
    let mut resource = with_names(resource, of);
    let shown = |sub: &Subresource| json!({"subresource": sub.name, "responseKind": response_kind(of, sub), "verbs": sub.verbs});
    let subresources: Vec<Value> = subresources(of).iter().map(shown).collect();
    if !subresources.is_empty() {
        resource["subresources"] = subresources.into();
    }
    resource
}

fn aggregated_reviews(group: &str) -> Vec<Value> {
    let scope = |namespaced: bool| if namespaced { "Namespaced" } else { "Cluster" };
    let shown = |(plural, singular, kind, namespaced): &(&str, &str, &str, bool)| {
        json!({"resource": plural, "responseKind": {"group": "", "version": "", "kind": kind}, "scope": scope(*namespaced),
            "singularResource": singular, "verbs": ["create"]})
    };
    reviews::of_group(group).iter().map(shown).collect()
}

fn aggregated_version(types: &Types, group: &str, version: &str) -> Value {
    let mut resources: Vec<Value> = in_version(types, group, version).map(aggregated_resource).collect();
    resources.extend(aggregated_reviews(group));
    if group.is_empty() && version == "v1" {
        resources
            .push(json!({"resource": "bindings", "responseKind": {"group": "", "version": "", "kind": "Binding"}, "scope": "Namespaced",
            "singularResource": "binding", "verbs": ["create"]}));
    }
    resources.sort_by(|a, b| a["resource"].as_str().cmp(&b["resource"].as_str()));
    json!({"version": version, "resources": resources, "freshness": "Current"})
}

fn aggregated(groups: Vec<Value>) -> Response {
    let list = json!({"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {}, "items": groups});
    let mut response = response::value(&list);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(AGGREGATED));
    response
}

/// In which form a client wants discovery.
#[derive(PartialEq)]
enum Form {
    Plain,
    Aggregated,
}

/// The first form in `Accept` that there is; `by_resources` where the answer is one of the built-in resources, which say what there is in
/// another way.
fn form(accept: &str, by_resources: bool) -> Result<Form, ApiError> {
    let media_of = |media: &str| media.split(';').next().unwrap_or("").trim().to_owned();
    let is_made = |media: &str| negotiation::REPRESENTATIONS.contains(&media) || ["*/*", "application/*"].contains(&media);
    if accept.trim().is_empty() {
        return Ok(Form::Plain);
    }
    if by_resources && !accept.split(',').any(|media| is_made(&media_of(media))) {
        return Err(ApiError::no_representation(&negotiation::REPRESENTATIONS, false));
    }
    let form = |media: &str| {
        let part = |name: &str| media.split(';').find_map(|part| part.trim().strip_prefix(name));
        match (is_made(&media_of(media)), part("as=")) {
            (false, _) => None,
            (true, None) => Some(Form::Plain),
            (true, Some("APIGroupDiscoveryList")) if part("g=") == Some("apidiscovery.k8s.io") && part("v=") == Some("v2") => {
                Some(Form::Aggregated)
            }
            (true, Some(_)) => None,
        }
    };
    accept.split(',').find_map(form).ok_or_else(ApiError::not_acceptable)
}

/// `/api`.
pub fn core(server: &ApiServer, accept: &str) -> Result<Response, ApiError> {
    if form(accept, true)? == Form::Aggregated {
        return Ok(aggregated(vec![json!({"metadata": {}, "versions": [aggregated_version(&server.registry().types(), "", "v1")]})]));
    }
    Ok(response::value(&json!({"kind": "APIVersions", "versions": ["v1"],
        "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": "127.0.0.1"}]})))
}

/// `/apis`.
pub fn groups(server: &ApiServer, accept: &str) -> Result<Response, ApiError> {
    let types = server.registry().types();
    let groups = all_groups(&types);
    if form(accept, false)? == Form::Aggregated {
        let shown = |group: &Group| {
            let versions: Vec<Value> = group.versions.iter().map(|version| aggregated_version(&types, &group.name, version)).collect();
            json!({"metadata": {"name": group.name}, "versions": versions})
        };
        return Ok(aggregated(groups.iter().map(shown).collect()));
    }
    let groups: Vec<Value> = groups.iter().map(legacy_group).collect();
    Ok(response::value(&json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups})))
}

fn legacy_group(group: &Group) -> Value {
    let version = |version: &String| json!({"groupVersion": format!("{}/{version}", group.name), "version": version});
    let versions: Vec<Value> = group.versions.iter().map(version).collect();
    json!({"name": group.name, "preferredVersion": versions[0], "versions": versions})
}

/// `/apis/<group>`; `None` for a group that is not served.
pub fn group(server: &ApiServer, accept: &str, name: &str) -> Option<Result<Response, ApiError>> {
    let groups = all_groups(&server.registry().types());
    let mut group = legacy_group(groups.iter().find(|group| group.name == name)?);
    group["kind"] = "APIGroup".into();
    group["apiVersion"] = "v1".into();
    Some(form(accept, false).map(|_| response::value(&group)))
}

/// `/api/v1`, `/apis/<group>/<version>`; `None` for a version that is not served.
pub fn version(server: &ApiServer, accept: &str, group: &str, version: &str) -> Option<Result<Response, ApiError>> {
    let types = server.registry().types();
    let mut resources = Vec::new();
    for of in in_version(&types, group, version) {
        let resource =
            json!({"name": of.plural, "singularName": of.singular, "namespaced": of.namespaced, "kind": of.kind, "verbs": verbs(of)});
        let mut resource = with_names(resource, of);
        resource["storageVersionHash"] = storage_hash(of).into();
        resources.push(resource);
        resources.extend(subresources(of).iter().map(|sub| legacy_subresource(of, sub)));
    }
    if group.is_empty() && version == "v1" {
        let verbs = ["create"];
        resources.push(json!({"name": "bindings", "singularName": "binding", "namespaced": true, "kind": "Binding", "verbs": verbs}));
    }
    if version == "v1" {
        resources.extend(reviews::of_group(group).iter().map(|(plural, singular, kind, namespaced)| {
            json!({"name": plural, "singularName": singular, "namespaced": namespaced, "kind": kind, "verbs": ["create"]})
        }));
    }
    if resources.is_empty() {
        return None;
    }
    resources.sort_by(|a, b| a["name"].as_str().cmp(&b["name"].as_str()));
    let mut list = json!({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": crate::registry::api_version(group, version), "resources": resources});
    if group.is_empty() {
        list.as_object_mut().expect("made above").remove("apiVersion");
    }
    Some(form(accept, types.is_built_in(group)).map(|_| response::value(&list)))
}

/// Says in which version objects are stored, without saying which: equal hashes, equal versions.
fn storage_hash(of: &ResourceType) -> String {
    let (group, version) = of.storage_api_version.rsplit_once('/').unwrap_or(("", &of.storage_api_version));
    // Definitions are stored in the version in which there were some first.
    let version = if of.stored_as.as_ref() == definitions::STORED_AS { "v1beta1" } else { version };
    let hash = Sha256::digest(format!("{group}/{version}/{}", of.kind));
    STANDARD.encode(&hash[..8])
}

fn legacy_subresource(of: &ResourceType, sub: &Subresource) -> Value {
    let kind = if sub.kind.is_empty() { of.kind.as_str() } else { sub.kind };
    let mut resource = json!({"name": format!("{}/{}", of.plural, sub.name), "singularName": "", "namespaced": of.namespaced, "kind": kind, "verbs": sub.verbs});
    if !sub.group.is_empty() {
        resource["group"] = sub.group.into();
        resource["version"] = sub.version.into();
    }
    resource
}

/// `/`: the paths that are served.
pub fn root(server: &ApiServer) -> Response {
    let mut paths = vec!["/api".to_owned(), "/api/v1".to_owned(), "/apis".to_owned(), "/apis/".to_owned()];
    for group in all_groups(&server.registry().types()) {
        paths.push(format!("/apis/{}", group.name));
        paths.extend(group.versions.iter().map(|version| format!("/apis/{}/{version}", group.name)));
    }
    paths.extend(["/healthz", "/livez", "/openapi/v3", "/readyz", "/version"].map(str::to_owned));
    response::value(&json!({"paths": paths}))
}

/// `/version`.
pub fn server_version() -> Response {
    response::json(
        200,
        represent::bytes(&json!({
            "major": "1", "minor": "35", "emulationMajor": "1", "emulationMinor": "35", "minCompatibilityMajor": "1",
            "minCompatibilityMinor": "34", "gitVersion": VERSION, "gitCommit": "", "gitTreeState": "clean",
            "buildDate": "1970-01-01T00:00:00Z", "goVersion": "", "compiler": "rustc", "platform": "linux/amd64",
        })),
    )
}

/// `/healthz`, `/livez`, `/readyz`: a server in memory is well as soon as it answers.
pub fn health(params: &Params, path: &str) -> Response {
    if params.has("verbose") {
        return response::text(200, format!("[+]ping ok\n{} check passed\n", path.trim_start_matches('/')));
    }
    response::text(200, "ok")
}

/// One of the checks that `/healthz` and its like are made of; `None` where there is no such check.
pub fn check(name: &str) -> Option<Response> {
    let is_known = ["ping", "log", "etcd", "informer-sync", "shutdown"].contains(&name) || name.starts_with("poststarthook/");
    is_known.then(|| response::text(200, "ok"))
}
