//! Defaults of a PodSpec, in pods and in templates (`k8s.io/kubernetes/pkg/apis/core/v1`).

use crate::kinds::reach::{each, fill, fill_zero, given, inner, remove, set, text};
use serde_json::{Value, json};

/// Mode of files in volumes: 0644.
const FILE_MODE: i64 = 420;

/// Lists of containers in a PodSpec.
pub(in crate::kinds) const CONTAINER_LISTS: [&str; 3] = ["initContainers", "containers", "ephemeralContainers"];

/// Fills in a pod template: metadata and spec.
pub(in crate::kinds) fn template(template: &mut Value) {
    inner(template, "metadata");
    pod_spec(inner(template, "spec"));
}

/// Fills in a PodSpec with what templates and pods have in common.
pub(in crate::kinds) fn pod_spec(spec: &mut Value) {
    fill_zero(spec, "dnsPolicy", "ClusterFirst");
    fill_zero(spec, "restartPolicy", "Always");
    fill_zero(spec, "schedulerName", "default-scheduler");
    fill(spec, "terminationGracePeriodSeconds", 30);
    inner(spec, "securityContext");
    service_account(spec);
    for containers in CONTAINER_LISTS {
        each(spec, &format!("/{containers}")).for_each(container);
    }
    each(spec, "/volumes").for_each(volume);
}

/// Fills in what only pods have: requests from limits, host ports on the host's network, service links.
pub(in crate::kinds) fn pod_only(spec: &mut Value) {
    fill(spec, "enableServiceLinks", true);
    let on_host = spec.get("hostNetwork") == Some(&json!(true));
    for containers in ["initContainers", "containers"] {
        for container in each(spec, &format!("/{containers}")) {
            requests_from_limits(container);
            if on_host {
                each(container, "/ports").for_each(host_port);
            }
        }
    }
}

/// `serviceAccount` is the old name of `serviceAccountName`; both are written.
pub(in crate::kinds) fn service_account(spec: &mut Value) {
    let name = match text(spec, "/serviceAccountName") {
        "" => text(spec, "/serviceAccount"),
        name => name,
    }
    .to_owned();
    for field in ["serviceAccountName", "serviceAccount"] {
        if name.is_empty() {
            remove(spec, field);
        } else {
            set(spec, field, name.as_str());
        }
    }
}

fn container(container: &mut Value) {
    let policy = pull_policy(text(container, "/image"));
    fill_zero(container, "imagePullPolicy", policy);
    fill_zero(container, "terminationMessagePath", "/dev/termination-log");
    fill_zero(container, "terminationMessagePolicy", "File");
    inner(container, "resources");
    for port in each(container, "/ports") {
        fill_zero(port, "protocol", "TCP");
    }
    for env in each(container, "/env") {
        if let Some(from) = given(env, "valueFrom") {
            references(from);
        }
    }
    for name in ["livenessProbe", "readinessProbe", "startupProbe"] {
        if let Some(probe) = given(container, name) {
            self::probe(probe);
        }
    }
    if let Some(lifecycle) = given(container, "lifecycle") {
        for name in ["postStart", "preStop"] {
            if let Some(handler) = given(lifecycle, name) {
                http_get(handler);
            }
        }
    }
}

/// `Always` for what can move (`:latest` or no tag), else `IfNotPresent`.
fn pull_policy(image: &str) -> &'static str {
    let name = image.rsplit('/').next().unwrap_or_default();
    let is_moving = !name.contains('@') && name.split_once(':').is_none_or(|(_, tag)| tag == "latest");
    if is_moving { "Always" } else { "IfNotPresent" }
}

fn probe(probe: &mut Value) {
    fill_zero(probe, "timeoutSeconds", 1);
    fill_zero(probe, "periodSeconds", 10);
    fill_zero(probe, "successThreshold", 1);
    fill_zero(probe, "failureThreshold", 3);
    http_get(probe);
    if let Some(grpc) = given(probe, "grpc") {
        fill(grpc, "service", "");
    }
}

fn http_get(handler: &mut Value) {
    if let Some(get) = given(handler, "httpGet") {
        fill_zero(get, "path", "/");
        fill_zero(get, "scheme", "HTTP");
    }
}

fn references(from: &mut Value) {
    if let Some(reference) = given(from, "fieldRef") {
        fill_zero(reference, "apiVersion", "v1");
    }
    if let Some(reference) = given(from, "resourceFieldRef") {
        fill_zero(reference, "divisor", "0");
    }
}

fn volume(volume: &mut Value) {
    let has_source = volume.as_object().is_some_and(|fields| fields.keys().any(|field| field != "name"));
    if !has_source {
        set(volume, "emptyDir", json!({}));
    }
    for source in ["secret", "configMap", "downwardAPI", "projected"] {
        if let Some(source) = given(volume, source) {
            fill(source, "defaultMode", FILE_MODE);
        }
    }
    each(volume, "/downwardAPI/items").for_each(references);
    each(volume, "/projected/sources").for_each(projected);
    if let Some(host_path) = given(volume, "hostPath") {
        fill(host_path, "type", "");
    }
    if let Some(image) = given(volume, "image") {
        let policy = pull_policy(text(image, "/reference"));
        fill_zero(image, "pullPolicy", policy);
    }
    if let Some(claim) = volume.pointer_mut("/ephemeral/volumeClaimTemplate/spec") {
        crate::kinds::core::claim_spec(claim);
    }
}

fn projected(source: &mut Value) {
    if let Some(token) = given(source, "serviceAccountToken") {
        fill(token, "expirationSeconds", 3600);
    }
    each(source, "/downwardAPI/items").for_each(references);
}

fn host_port(port: &mut Value) {
    if let Some(number) = port.get("containerPort").cloned() {
        fill_zero(port, "hostPort", number);
    }
}

fn requests_from_limits(container: &mut Value) {
    let Some(resources) = given(container, "resources") else {
        return;
    };
    let Some(limits) = resources.get("limits").and_then(Value::as_object).cloned() else {
        return;
    };
    let requests = inner(resources, "requests");
    for (name, quantity) in limits {
        fill(requests, &name, quantity);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_that_can_move_are_always_pulled() {
        for (image, policy) in [
            ("nginx", "Always"),
            ("nginx:latest", "Always"),
            ("registry:5000/nginx", "Always"),
            ("nginx:1.27", "IfNotPresent"),
            ("registry:5000/nginx:1", "IfNotPresent"),
            ("nginx@sha256:0a", "IfNotPresent"),
        ] {
            assert_eq!(pull_policy(image), policy, "{image}");
        }
    }

    #[test]
    fn probes_volumes_and_references_are_filled_in() {
        let mut spec = json!({
            "volumes": [{"name": "a", "configMap": {"name": "c"}}, {"name": "b"}, {"name": "h", "hostPath": {"path": "/x"}}],
            "serviceAccountName": "bot",
            "containers": [{"name": "main", "image": "x:1", "readinessProbe": {"httpGet": {"port": 80}},
                "env": [{"name": "N", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}]}],
        });
        pod_spec(&mut spec);
        assert_eq!(spec["volumes"][0]["configMap"]["defaultMode"], 420);
        assert_eq!(spec["volumes"][1]["emptyDir"], json!({}));
        assert_eq!(spec["volumes"][2]["hostPath"]["type"], "");
        assert_eq!(spec["serviceAccount"], "bot");
        let container = &spec["containers"][0];
        let probe = json!({"httpGet": {"port": 80, "path": "/", "scheme": "HTTP"}, "timeoutSeconds": 1, "periodSeconds": 10,
            "successThreshold": 1, "failureThreshold": 3});
        assert_eq!(container["readinessProbe"], probe);
        assert_eq!(container["env"][0]["valueFrom"]["fieldRef"]["apiVersion"], "v1");
    }

    #[test]
    fn a_pod_requests_what_it_limits() {
        let mut spec = json!({"hostNetwork": true, "containers": [{"ports": [{"containerPort": 80}],
            "resources": {"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "500m"}}}]});
        pod_only(&mut spec);
        assert_eq!(spec["containers"][0]["resources"]["requests"], json!({"cpu": "500m", "memory": "1Gi"}));
        assert_eq!(spec["containers"][0]["ports"][0]["hostPort"], 80);
    }
}
