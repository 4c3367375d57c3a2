//! Subresources of core types: a pod's binding, eviction and log, a service account's token, a namespace's `finalize`.

use super::{body, change, evictions, found, reviews};
use crate::lifecycle::namespaces;
use crate::options;
use crate::request::{Call, Target, Verb};
use crate::response;
use crate::server::ApiServer;
use crate::status::{ApiError, FieldError, FieldReason};
use crate::storage::Key;
use crate::writes::Ownership;
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::header::CONTENT_TYPE;
use http::request::Parts;
use serde_json::{Value, json};

/// Answers one call to a subresource of a core type.
pub fn dispatch(server: &ApiServer, call: &mut Call, subresource: &str, verb: Verb) -> Result<Response, ApiError> {
    match (call.of.plural.as_str(), subresource, verb) {
        ("pods", "binding", Verb::Create) => bind(server, call),
        ("pods", "eviction", Verb::Create) => evictions::evict(server, call),
        ("pods", "exec" | "attach" | "portforward" | "proxy", _) => unreachable(server, call, subresource),
        ("pods", "log", Verb::Get) => log(server, call),
        ("pods", "ephemeralcontainers" | "resize", Verb::Get) => super::read::get(server, call),
        ("pods", "ephemeralcontainers" | "resize", Verb::Patch) => change::patch(server, call),
        ("pods", "ephemeralcontainers" | "resize", Verb::Update) => change::update(server, call),
        ("serviceaccounts", "token", Verb::Create) => token(server, call),
        ("namespaces", "finalize", Verb::Update) => {
            let object = body::object(call)?;
            let entry = namespaces::finalize(server, call.name(), object["spec"]["finalizers"].clone())?;
            super::shown(server, call, 200, &entry)
        }
        ("pods", "binding" | "eviction" | "log" | "ephemeralcontainers" | "resize", _)
        | ("serviceaccounts", "token", _)
        | ("namespaces", "finalize", _) => Err(ApiError::no_method()),
        _ => Err(ApiError::no_resource()),
    }
}

pub(super) fn created() -> Value {
    json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201})
}

/// What is posted names the pod of the path.
fn named(call: &Call, sent: &Value, kind: &str) -> Result<(), ApiError> {
    let name = sent["metadata"]["name"].as_str().unwrap_or("");
    if name == call.name() {
        return Ok(());
    }
    Err(ApiError::bad_request(format!("name in URL does not match name in {kind} object")))
}

/// The pod that a Binding without a name in its path is about.
pub fn bound_pod(parts: &Parts, sent: &[u8], target: Target) -> Result<Target, ApiError> {
    let media = parts.headers.get(CONTENT_TYPE).and_then(|media| media.to_str().ok()).unwrap_or("");
    let binding = if media.starts_with("application/vnd.kubernetes.protobuf") {
        crate::protobuf::decode(sent).map_err(ApiError::bad_request)?
    } else {
        body::yaml(sent)?
    };
    let name = binding["metadata"]["name"].as_str().unwrap_or("").to_owned();
    if name.is_empty() {
        return Err(ApiError::bad_request("name is required"));
    }
    Ok(Target { plural: "pods".into(), name: Some(name), subresource: Some("binding".into()), ..target })
}

/// Puts a pod on a node.
fn bind(server: &ApiServer, call: &mut Call) -> Result<Response, ApiError> {
    options::of_write(call)?;
    let pods = std::mem::replace(&mut call.of, reviews::binding());
    let binding = body::object(call);
    call.of = pods;
    let binding = binding?;
    body::is_in_namespace(call, &binding)?;
    named(call, &binding, "Binding")?;
    let node = binding["target"]["name"].as_str().unwrap_or("").to_owned();
    let kind = binding["target"]["kind"].as_str().unwrap_or("");
    if !["", "Node"].contains(&kind) {
        let words = format!("target.kind: Unsupported value: {kind:?}: supported values: \"Node\", \"<empty>\"");
        return Err(ApiError::unexplained(words));
    }
    if node.is_empty() {
        return Err(ApiError::unexplained("target.name: Required value"));
    }
    let name = call.name().to_owned();
    let now = server.now();
    change::through(server, call, Ownership::Decided, |pod| {
        let bound = pod["spec"]["nodeName"].as_str().unwrap_or("");
        if !bound.is_empty() {
            let why = format!("pod {name} is already assigned to node {bound:?}");
            return Err(ApiError::conflict("", "pods/binding", &name, &why));
        }
        if !pod["metadata"]["deletionTimestamp"].is_null() {
            return Err(ApiError::conflict(
                "",
                "pods/binding",
                &name,
                &format!("pod {name} is being deleted, cannot be assigned to a host"),
            ));
        }
        pod["spec"]["nodeName"] = node.as_str().into();
        if let Some(uid) = binding["metadata"]["uid"].as_str() {
            pod["metadata"]["uid"] = uid.into();
        }
        for map in ["labels", "annotations"] {
            for (name, value) in binding["metadata"][map].as_object().into_iter().flatten() {
                pod["metadata"][map][name] = value.clone();
            }
        }
        let scheduled = json!({"type": "PodScheduled", "status": "True", "lastProbeTime": null, "lastTransitionTime": now});
        if !pod["status"].is_object() {
            pod["status"] = json!({});
        }
        match pod["status"]["conditions"].as_array_mut() {
            Some(conditions) => {
                conditions.retain(|condition| condition["type"] != "PodScheduled");
                conditions.push(scheduled);
            }
            None => pod["status"]["conditions"] = json!([scheduled]),
        }
        Ok(())
    })?;
    Ok(response::json(201, crate::represent::bytes(&created())))
}

/// There are no processes to reach.
fn unreachable(server: &ApiServer, call: &Call, subresource: &str) -> Result<Response, ApiError> {
    let (pod, name) = (found(server, call)?.value(), call.name());
    if pod["spec"]["nodeName"].is_null() {
        let words =
            if subresource == "proxy" { "address not allowed".to_owned() } else { format!("pod {name} does not have a host assigned") };
        return Err(ApiError::bad_request(words));
    }
    Err(ApiError::bad_request(format!("pod {name} is simulated: it runs no process that `{subresource}` could reach")))
}

/// A few lines in place of what no container wrote.
fn log(server: &ApiServer, call: &Call) -> Result<Response, ApiError> {
    let pod = found(server, call)?.value();
    let containers: Vec<_> = pod["spec"]["containers"].as_array().into_iter().flatten().filter_map(|one| one["name"].as_str()).collect();
    let name = call.name();
    let container = match (call.params.get("container"), containers.as_slice()) {
        (Some(wanted), all) if all.contains(&wanted) => wanted,
        (Some(wanted), _) => return Err(ApiError::bad_request(format!("container {wanted} is not valid for pod {name}"))),
        (None, [only]) => only,
        (None, all) => {
            let words = format!("a container name must be specified for pod {name}, choose one of: [{}]", all.join(" "));
            return Err(ApiError::bad_request(words));
        }
    };
    if pod["spec"]["nodeName"].is_null() {
        return Err(ApiError::bad_request(format!("pod {name} does not have a host assigned")));
    }
    Ok(response::text(200, format!("simulated container {container} of pod {name}: it runs no process and writes no log\n")))
}

/// What a token may be asked for.
fn check_token(server: &ApiServer, call: &Call, request: &Value, seconds: i64) -> Result<(), ApiError> {
    const SHORTEST: i64 = 600;
    let invalid = |name: &str, field: &str, value: String, detail: &str| {
        let error = FieldError { reason: FieldReason::Invalid, field: field.into(), value, detail: detail.into() };
        Err(ApiError::invalid("authentication.k8s.io", "TokenRequest", name, &[error]))
    };
    let name = request["metadata"]["name"].as_str().unwrap_or("");
    if !name.is_empty() && name != call.name() {
        let detail = "must match the service account name if specified";
        return invalid(call.name(), "metadata.name", format!("{name:?}"), detail);
    }
    if seconds < SHORTEST {
        let detail = "may not specify a duration less than 10 minutes";
        return invalid("", "spec.expirationSeconds", seconds.to_string(), detail);
    }
    if seconds > 1 << 32 {
        let detail = "may not specify a duration larger than 2^32 seconds";
        return invalid("", "spec.expirationSeconds", seconds.to_string(), detail);
    }
    let bound = &request["spec"]["boundObjectRef"];
    let plural = match bound["kind"].as_str() {
        Some("Pod") => "pods",
        Some("Secret") => "secrets",
        Some("Node") => return Ok(()),
        Some(kind) => {
            let version = bound["apiVersion"].as_str().unwrap_or("");
            let slash = if version.contains('/') { "" } else { "/" };
            return Err(ApiError::bad_request(format!("cannot bind token to object of type {slash}{version}, Kind={kind}")));
        }
        None => return Ok(()),
    };
    let (namespace, name) = (call.target.namespace.as_deref().unwrap_or(""), bound["name"].as_str().unwrap_or(""));
    let is_there = server.store().get(&plural.into(), &Key::new(namespace, name)).is_some();
    if is_there { Ok(()) } else { Err(ApiError::not_found("", plural, name)) }
}

/// A token that nothing checks but that reads like one.
fn token(server: &ApiServer, call: &mut Call) -> Result<Response, ApiError> {
    let account = found(server, call)?;
    options::of_write(call)?;
    let accounts = std::mem::replace(&mut call.of, reviews::token_request());
    let request = body::object(call);
    call.of = accounts;
    let mut request = request?;
    body::is_in_namespace(call, &request)?;
    if !request["spec"].is_object() {
        request["spec"] = json!({});
    }
    let seconds = request["spec"]["expirationSeconds"].as_i64().unwrap_or(3600);
    check_token(server, call, &request, seconds)?;
    let namespace = call.target.namespace.as_deref().unwrap_or("");
    let (issuer, now) = ("https://kubernetes.default.svc.cluster.local", server.unix_now());
    let audiences = match &request["spec"]["audiences"] {
        Value::Array(all) if !all.is_empty() => Value::Array(all.clone()),
        _ => json!([issuer]),
    };
    let claims = json!({"iss": issuer, "aud": audiences, "iat": now, "nbf": now, "exp": now + seconds,
        "sub": format!("system:serviceaccount:{namespace}:{}", call.name()), "jti": uuid::Uuid::new_v4().to_string()});
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signature = URL_SAFE_NO_PAD.encode(uuid::Uuid::new_v4().as_bytes());
    let token = format!("{}.{}.{signature}", part(&json!({"alg": "none", "typ": "JWT"})), part(&claims));
    request["kind"] = "TokenRequest".into();
    request["apiVersion"] = "authentication.k8s.io/v1".into();
    request["metadata"] =
        json!({"name": call.name(), "namespace": namespace, "uid": &*account.facts.uid, "creationTimestamp": server.now()});
    let is_said = matches!(&request["spec"]["audiences"], Value::Array(all) if !all.is_empty());
    request["spec"]["expirationSeconds"] = seconds.into();
    if request["spec"].get("boundObjectRef").is_none() {
        request["spec"]["boundObjectRef"] = Value::Null;
    }
    if !is_said {
        request["spec"].as_object_mut().expect("made above").remove("audiences");
    }
    // Whom it is for is not the writer's where the server says so.
    crate::writes::track_posted(server, &mut request, call.manager(), "token");
    request["spec"]["audiences"] = audiences;
    request["status"] = json!({"token": token, "expirationTimestamp": server.time_after(seconds)});
    Ok(response::json(201, crate::represent::bytes(&request)))
}
