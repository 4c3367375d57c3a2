//! Errors of the containers of a PodSpec.

use crate::kinds::reach::{entries, flag, list, present, text};
use crate::kinds::refusal::{NEGATIVE, duplicate, each_invalid, forbidden, invalid, invalid_text, negative, not_found, not_supported};
use crate::kinds::refusal::{one_of, required};
use crate::kinds::syntax;
use crate::status::FieldError;
use flotilla_api::quantity::Amount;
use serde_json::Value;

const PROBES: [&str; 3] = ["livenessProbe", "readinessProbe", "startupProbe"];
const HANDLERS: [&str; 4] = ["exec", "httpGet", "tcpSocket", "grpc"];

/// Errors of all containers of a PodSpec at `path`.
pub(super) fn validate(spec: &Value, path: &str) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let mut names: Vec<&str> = Vec::new();
    let volumes: Vec<&str> = list(spec, "/volumes").iter().map(|volume| text(volume, "/name")).collect();
    if list(spec, "/containers").is_empty() {
        errors.push(required(format!("{path}.containers"), ""));
    }
    let is_on_host = flag(spec, "/hostNetwork");
    for field in ["containers", "initContainers", "ephemeralContainers"] {
        for (index, container) in list(spec, &format!("/{field}")).iter().enumerate() {
            let path = format!("{path}.{field}[{index}]");
            errors.extend(self::container(container, &volumes, &path));
            let name = text(container, "/name");
            if !name.is_empty() && names.contains(&name) {
                errors.push(duplicate(format!("{path}.name"), &container["name"]));
            }
            names.push(name);
            errors.extend(security(container.get("securityContext").unwrap_or(&Value::Null), &format!("{path}.securityContext")));
            if field == "initContainers" && text(container, "/restartPolicy") != "Always" {
                let told = PROBES.iter().filter(|probe| present(container, &format!("/{probe}")).is_some());
                let detail = "may not be set for init containers without restartPolicy=Always";
                errors.extend(told.map(|probe| forbidden(format!("{path}.{probe}"), detail)));
            } else {
                errors.extend(probes(container, &path));
            }
            if is_on_host {
                errors.extend(host_ports(container, &path));
            }
        }
    }
    errors
}

fn container(container: &Value, volumes: &[&str], path: &str) -> Vec<FieldError> {
    let mut errors = Vec::new();
    match text(container, "/name") {
        "" => errors.push(required(format!("{path}.name"), "")),
        name => errors.extend(each_invalid(&format!("{path}.name"), name, syntax::dns_label(name))),
    }
    let image = text(container, "/image");
    if image.is_empty() {
        errors.push(required(format!("{path}.image"), ""));
    } else if image.trim() != image {
        errors.push(invalid_text(format!("{path}.image"), image, "must not have leading or trailing whitespace"));
    }
    errors.extend(one_of(container, path, "terminationMessagePolicy", &["File", "FallbackToLogsOnError"]));
    errors.extend(ports(container, path));
    for (index, variable) in list(container, "/env").iter().enumerate() {
        errors.extend(self::variable(variable, &format!("{path}.env[{index}]")));
    }
    for (index, source) in list(container, "/envFrom").iter().enumerate() {
        errors.extend(variables_from(source, &format!("{path}.envFrom[{index}]")));
    }
    errors.extend(mounts(container, volumes, path));
    errors.extend(one_of(container, path, "imagePullPolicy", &["Always", "IfNotPresent", "Never"]));
    errors.extend(resources(container.get("resources").unwrap_or(&Value::Null), &format!("{path}.resources")));
    errors
}

fn ports(container: &Value, path: &str) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let mut names = Vec::new();
    for (index, port) in list(container, "/ports").iter().enumerate() {
        let path = format!("{path}.ports[{index}]");
        let name = text(port, "/name");
        let wrong = if name.is_empty() { Vec::new() } else { syntax::port_name(name) };
        if wrong.is_empty() && !name.is_empty() && names.contains(&name) {
            errors.push(duplicate(format!("{path}.name"), &port["name"]));
        }
        errors.extend(each_invalid(&format!("{path}.name"), name, wrong));
        names.push(name);
        match port.get("containerPort").and_then(Value::as_i64).unwrap_or_default() {
            0 => errors.push(required(format!("{path}.containerPort"), "")),
            number => errors.extend(port_errors(port, "containerPort", number, &path)),
        }
        if let Some(number) = port.get("hostPort").and_then(Value::as_i64).filter(|number| *number != 0) {
            errors.extend(port_errors(port, "hostPort", number, &path));
        }
        errors.extend(one_of(port, &path, "protocol", &["SCTP", "TCP", "UDP"]));
    }
    errors
}

/// On the host's network a port is the host's.
fn host_ports(container: &Value, path: &str) -> Vec<FieldError> {
    let differs = |port: &&Value| port.get("hostPort").is_some_and(|number| Some(number) != port.get("containerPort"));
    let wrong = list(container, "/ports").iter().enumerate().filter(|(_, port)| differs(port));
    let detail = "must match `containerPort` when `hostNetwork` is true";
    wrong.map(|(index, port)| invalid(format!("{path}.ports[{index}].hostPort"), &port["hostPort"], detail)).collect()
}

fn security(context: &Value, path: &str) -> Vec<FieldError> {
    let is_right = |id: &Value| id.as_i64().is_some_and(|id| (0..=i64::from(i32::MAX)).contains(&id));
    let detail = format!("must be between 0 and {}, inclusive", i32::MAX);
    let ids = ["runAsUser", "runAsGroup"].into_iter().filter_map(|field| Some((field, present(context, &format!("/{field}"))?)));
    ids.filter(|(_, id)| !is_right(id)).map(|(field, id)| invalid(format!("{path}.{field}"), id, &detail)).collect()
}

fn port_errors(port: &Value, field: &str, number: i64, path: &str) -> Vec<FieldError> {
    let wrong = syntax::port_number(number).into_iter();
    wrong.map(|message| invalid(format!("{path}.{field}"), &port[field], message)).collect()
}

fn variable(variable: &Value, path: &str) -> Vec<FieldError> {
    let mut errors = Vec::new();
    match text(variable, "/name") {
        "" => errors.push(required(format!("{path}.name"), "")),
        name => errors.extend(each_invalid(&format!("{path}.name"), name, syntax::env_name(name))),
    }
    let Some(source) = present(variable, "/valueFrom") else { return errors };
    let path = format!("{path}.valueFrom");
    let given: Vec<&str> = entries(source, "").filter(|(_, source)| !source.is_null()).map(|(kind, _)| kind).collect();
    for kind in &given {
        let (reference, path) = (&source[kind], format!("{path}.{kind}"));
        let needed: &[&str] = match *kind {
            "fieldRef" => &["apiVersion", "fieldPath"],
            "resourceFieldRef" => &["resource"],
            "configMapKeyRef" | "secretKeyRef" => &["name", "key"],
            _ => &[],
        };
        let missing = needed.iter().filter(|field| reference.get(**field).is_none_or(|value| value == ""));
        errors.extend(missing.map(|field| required(format!("{path}.{field}"), "")));
        let field = text(reference, "/fieldPath");
        if *kind == "fieldRef" && !field.is_empty() && !is_field(field) {
            let detail = format!("error converting fieldPath: field label not supported: {field}");
            errors.push(invalid_text(format!("{path}.fieldPath"), field, detail));
        }
        if let Some(key) = reference.get("key").and_then(Value::as_str).filter(|key| !key.is_empty()) {
            errors.extend(each_invalid(&format!("{path}.key"), key, syntax::config_key(key)));
        }
    }
    let has_value = !text(variable, "/value").is_empty();
    match given.len() {
        0 => errors.push(invalid_text(
            path,
            "",
            "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`",
        )),
        _ if has_value => errors.push(invalid_text(path, "", "may not be specified when `value` is not empty")),
        1 => {}
        _ => errors.push(invalid_text(path, "", "may not have more than one field specified at a time")),
    }
    errors
}

/// Whether a variable may have the value of a pod's field.
fn is_field(path: &str) -> bool {
    const FIELDS: [&str; 10] = [
        "metadata.name",
        "metadata.namespace",
        "metadata.uid",
        "spec.nodeName",
        "spec.restartPolicy",
        "spec.serviceAccountName",
        "status.podIP",
        "status.podIPs",
        "status.hostIP",
        "status.hostIPs",
    ];
    FIELDS.contains(&path) || ["metadata.labels[", "metadata.annotations["].iter().any(|start| path.starts_with(start))
}

fn variables_from(source: &Value, path: &str) -> Vec<FieldError> {
    let given: Vec<&str> =
        ["configMapRef", "secretRef"].into_iter().filter(|kind| source.get(kind).is_some_and(Value::is_object)).collect();
    let mut errors: Vec<FieldError> = given
        .iter()
        .filter(|kind| text(&source[**kind], "/name").is_empty())
        .map(|kind| required(format!("{path}.{kind}.name"), ""))
        .collect();
    match given.len() {
        0 => errors.push(invalid_text(path, "", "must specify one of: `configMapRef` or `secretRef`")),
        1 => {}
        _ => errors.push(invalid_text(path, "", "may not have more than one field specified at a time")),
    }
    errors
}

fn mounts(container: &Value, volumes: &[&str], path: &str) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let mut paths = Vec::new();
    for (index, mount) in list(container, "/volumeMounts").iter().enumerate() {
        let path = format!("{path}.volumeMounts[{index}]");
        match text(mount, "/name") {
            "" => errors.push(required(format!("{path}.name"), "")),
            name if volumes.contains(&name) => {}
            name => errors.push(not_found(format!("{path}.name"), name)),
        }
        match text(mount, "/mountPath") {
            "" => errors.push(required(format!("{path}.mountPath"), "")),
            taken if paths.contains(&taken) => errors.push(invalid_text(format!("{path}.mountPath"), taken, "must be unique")),
            free => paths.push(free),
        }
    }
    errors
}

/// Errors of limits and requests.
fn resources(resources: &Value, path: &str) -> Vec<FieldError> {
    let mut errors = Vec::new();
    for field in ["limits", "requests"] {
        for (name, amount) in entries(resources, &format!("/{field}")) {
            let at = format!("{path}.{field}[{name}]");
            errors.extend(each_invalid(&at, name, resource_name(name)));
            let Ok(quantity) = Amount::from_json(amount) else { continue };
            if quantity.is_negative() {
                errors.push(invalid(&at, amount, NEGATIVE));
            }
            let limit = resources.get("limits").and_then(|limits| limits.get(name)).and_then(|limit| Amount::from_json(limit).ok());
            let Some(limit) = limit.filter(|_| field == "requests") else { continue };
            let can_exceed = matches!(name, "cpu" | "memory" | "ephemeral-storage");
            if can_exceed && quantity > limit {
                errors.push(invalid(format!("{path}.requests"), amount, format!("must be less than or equal to {name} limit of {limit}")));
            } else if !can_exceed && quantity != limit {
                errors.push(invalid(format!("{path}.requests"), amount, format!("must be equal to {name} limit of {limit}")));
            }
        }
    }
    errors
}

/// What is wrong with the name of a resource that a container asks for.
fn resource_name(name: &str) -> Vec<String> {
    let mut wrong = syntax::qualified_name(name);
    if !wrong.is_empty() && !name.contains('/') {
        wrong.push("must be a standard resource for containers".to_owned());
    }
    if !wrong.is_empty() || name.contains('/') || name.starts_with("hugepages-") {
        return wrong;
    }
    match name {
        "cpu" | "memory" | "ephemeral-storage" => Vec::new(),
        "pods" | "services" | "secrets" | "configmaps" | "storage" => vec!["must be a standard resource for containers".to_owned()],
        _ => {
            vec!["must be a standard resource type or fully qualified".to_owned(), "must be a standard resource for containers".to_owned()]
        }
    }
}

fn probes(container: &Value, path: &str) -> Vec<FieldError> {
    let mut errors = Vec::new();
    for hook in ["postStart", "preStop"] {
        if let Some(handler) = present(container, &format!("/lifecycle/{hook}")) {
            errors.extend(self::handler(handler, &format!("{path}.lifecycle.{hook}"), &["exec", "httpGet", "tcpSocket", "sleep"]));
        }
    }
    for name in PROBES {
        let Some(probe) = present(container, &format!("/{name}")) else { continue };
        let path = format!("{path}.{name}");
        errors.extend(handler(probe, &path, &HANDLERS));
        for count in ["initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold"] {
            errors.extend(negative(probe, &path, count));
        }
        let successes = probe.get("successThreshold").unwrap_or(&Value::Null);
        if name != "readinessProbe" && successes.as_i64().is_some_and(|count| count != 1) {
            errors.push(invalid(format!("{path}.successThreshold"), successes, "must be 1"));
        }
    }
    errors
}

fn handler(handler: &Value, path: &str, kinds: &[&str]) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let mut is_given = false;
    for kind in kinds {
        let Some(action) = present(handler, &format!("/{kind}")) else { continue };
        let path = format!("{path}.{kind}");
        if is_given {
            errors.push(forbidden(path, "may not specify more than 1 handler type"));
            continue;
        }
        is_given = true;
        if *kind == "exec" && list(action, "/command").is_empty() {
            errors.push(required(format!("{path}.command"), ""));
        }
        if matches!(*kind, "httpGet" | "tcpSocket" | "grpc") {
            errors.extend(number_or_name(action, &path));
        }
        if *kind == "httpGet" && !matches!(text(action, "/scheme"), "" | "HTTP" | "HTTPS") {
            errors.push(not_supported(format!("{path}.scheme"), &action["scheme"], &["HTTP", "HTTPS"]));
        }
    }
    if !is_given {
        errors.push(required(path, "must specify a handler type"));
    }
    errors
}

fn number_or_name(action: &Value, path: &str) -> Vec<FieldError> {
    let port = action.get("port").unwrap_or(&Value::Null);
    let wrong = match port {
        Value::String(name) => syntax::port_name(name),
        number => syntax::port_number(number.as_i64().unwrap_or_default()),
    };
    wrong.into_iter().map(|message| invalid(format!("{path}.port"), port, message)).collect()
}
