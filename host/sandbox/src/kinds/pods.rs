//! Pods and PodTemplates: their defaults, what admission adds to a new pod, and what may change later.

use super::Behaviour;
use super::internal;
use super::pod_parts;
use super::pod_spec::{self, defaults, validation};
use super::reach::{each, fill, fill_zero, flag, inner, list, present, remove, set, text};
use super::refusal::{IMMUTABLE, each_invalid, forbidden, invalid, invalid_text, required};
use super::syntax;
use crate::status::FieldError;
use flotilla_api::quantity::Amount;
use serde_json::{Value, json};

/// A pod's first address stands alone, too.
fn same_addresses(status: &mut Value) {
    let (alone, first) = (text(status, "/podIP").to_owned(), text(status, "/podIPs/0/ip").to_owned());
    if !alone.is_empty() && alone != first {
        set(status, "podIPs", json!([{"ip": alone}]));
    } else if alone.is_empty() && !first.is_empty() {
        set(status, "podIP", first);
    }
}

/// Pods.
pub(super) struct Pods;

/// Where a container finds its token.
const TOKEN_PATH: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

impl Behaviour for Pods {
    fn default(&self, object: &mut Value) {
        let spec = inner(object, "spec");
        defaults::pod_only(spec);
        defaults::pod_spec(spec);
        same_addresses(inner(object, "status"));
    }

    fn prepare_create(&self, object: &mut Value) {
        let class = qos_class(object);
        let token = format!("kube-api-access-{}", text(object, "/metadata/uid").get(..5).unwrap_or("token"));
        let spec = inner(object, "spec");
        fill_zero(spec, "serviceAccountName", "default");
        defaults::service_account(spec);
        mount_token(spec, &token);
        tolerate_lost_nodes(spec);
        fill(spec, "priority", 0);
        fill(spec, "preemptionPolicy", "PreemptLowerPriority");
        set(object, "status", json!({"phase": "Pending", "qosClass": class}));
    }

    /// As the admission of default tolerations does, of changes too.
    fn prepare_update(&self, new: &mut Value, old: &Value) {
        tolerate_lost_nodes(inner(new, "spec"));
        if let Some(class) = present(old, "/status/qosClass") {
            fill_zero(inner(new, "status"), "qosClass", class.clone());
        }
    }

    fn validate(&self, object: &Value) -> Vec<FieldError> {
        let mut errors = validation::pod_spec(&object["spec"], "spec");
        let first = text(object, "/status/podIP");
        let addresses: Vec<&str> = match list(object, "/status/podIPs") {
            [] => vec![first].into_iter().filter(|first| !first.is_empty()).collect(),
            all => all.iter().map(|address| text(address, "/ip")).collect(),
        };
        for (index, address) in addresses.into_iter().enumerate() {
            errors.extend(each_invalid(&format!("status.podIPs[{index}]"), address, syntax::ip(address)));
        }
        if let all @ [_, _, ..] = list(object, "/status/podIPs") {
            let (sixes, fours): (Vec<&str>, Vec<&str>) = all.iter().map(|one| text(one, "/ip")).partition(|one| one.contains(':'));
            if sixes.len() > 1 || fours.len() > 1 {
                let shown: Vec<Value> = all.iter().map(|one| json!({"IP": one["ip"]})).collect();
                errors.push(invalid("status.podIPs", &shown.into(), "may specify no more than one IP for each IP family"));
            }
        }
        errors.extend(pod_parts::debug_errors(&object["spec"]));
        if object["metadata"].get("resourceVersion").is_none() && !list(object, "/spec/ephemeralContainers").is_empty() {
            errors.push(forbidden("spec.ephemeralContainers", "cannot be set on create"));
        }
        errors
    }

    fn validate_update(&self, new: &Value, old: &Value) -> Vec<FieldError> {
        for field in ["containers", "initContainers"] {
            let pointer = format!("/spec/{field}");
            if list(new, &pointer).len() != list(old, &pointer).len() {
                return vec![forbidden(format!("spec.{field}"), "pod updates may not add or remove containers")];
            }
        }
        let mut errors: Vec<FieldError> = deadline_change(new, old).into_iter().collect();
        let class = text(new, "/status/qosClass");
        if !text(old, "/status/qosClass").is_empty() && class != text(old, "/status/qosClass") {
            errors.push(invalid_text("status.qosClass", class, IMMUTABLE));
        }
        errors.extend(tolerations_change(new, old));
        if fixed(new, old) != old["spec"] {
            let difference = internal::pod_difference(&old["spec"], &fixed(new, old));
            errors.push(forbidden("spec", format!("{FIXED}{difference}")));
        }
        errors
    }

    fn warnings(&self, object: &Value) -> Vec<String> {
        let wrong = syntax::dns_label(text(object, "/metadata/name"));
        let surprising = (!wrong.is_empty() && object["metadata"].get("resourceVersion").is_none()).then(|| {
            let words =
                "metadata.name: this is used in the Pod's hostname, which can result in surprising behavior; a DNS label is recommended";
            format!("{words}: [{}]", wrong.join(" "))
        });
        surprising.into_iter().chain(pod_spec::warnings(object, "/spec")).collect()
    }

    fn select_field(&self, object: &Value, field: &str) -> Option<String> {
        let pointer = match field {
            "spec.nodeName" => "/spec/nodeName",
            "spec.restartPolicy" => "/spec/restartPolicy",
            "spec.schedulerName" => "/spec/schedulerName",
            "spec.serviceAccountName" => "/spec/serviceAccountName",
            "status.phase" => "/status/phase",
            "status.podIP" => "/status/podIP",
            "status.nominatedNodeName" => "/status/nominatedNodeName",
            "spec.hostNetwork" => return Some(flag(object, "/spec/hostNetwork").to_string()),
            _ => return None,
        };
        Some(text(object, pointer).to_owned())
    }
}

/// What may change in a pod's spec.
const FIXED: &str = "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,\
    `spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it \
    to be set to 1 if it was previously negative)";

/// The new spec with what may change taken from the old one.
fn fixed(new: &Value, old: &Value) -> Value {
    let mut spec = new["spec"].clone();
    for field in ["containers", "initContainers"] {
        let pointer = format!("/{field}");
        for (container, before) in each(&mut spec, &pointer).zip(list(&old["spec"], &pointer)) {
            set(container, "image", before["image"].clone());
        }
    }
    let was_negative = old.pointer("/spec/terminationGracePeriodSeconds").and_then(Value::as_i64).is_some_and(|seconds| seconds < 0);
    let mut mutable = vec!["activeDeadlineSeconds", "tolerations", "schedulingGates"];
    if was_negative && new["spec"]["terminationGracePeriodSeconds"] == 1 {
        mutable.push("terminationGracePeriodSeconds");
    }
    for field in mutable {
        match old["spec"].get(field) {
            Some(before) => set(&mut spec, field, before.clone()),
            None => drop(remove(&mut spec, field)),
        }
    }
    spec
}

/// A deadline may come nearer, not go.
fn deadline_change(new: &Value, old: &Value) -> Option<FieldError> {
    let path = "spec.activeDeadlineSeconds";
    let of = |pod: &Value| pod.pointer("/spec/activeDeadlineSeconds").and_then(Value::as_i64);
    match (of(old)?, of(new)) {
        (before, Some(now)) if now > before => Some(invalid(path, &json!(now), "must be less than or equal to previous value")),
        (_, Some(_)) => None,
        (_, None) => Some(invalid(path, &Value::Null, "must not update from a positive integer to nil value")),
    }
}

fn tolerations_change(new: &Value, old: &Value) -> Option<FieldError> {
    let new = list(new, "/spec/tolerations");
    let is_kept = |before: &Value| {
        new.iter().any(|toleration| ["key", "operator", "value", "effect"].iter().all(|field| toleration.get(field) == before.get(field)))
    };
    let detail = "existing toleration can not be modified except its tolerationSeconds";
    (!list(old, "/spec/tolerations").iter().all(is_kept)).then(|| forbidden("spec.tolerations", detail))
}

/// As the admission of service accounts does: a projected volume, mounted in each container that has nothing there.
fn mount_token(spec: &mut Value, name: &str) {
    if spec.get("automountServiceAccountToken") == Some(&json!(false)) {
        return;
    }
    let mut is_needed = false;
    for containers in ["/initContainers", "/containers"] {
        for container in each(spec, containers) {
            let has_own = list(container, "/volumeMounts").iter().any(|mount| text(mount, "/mountPath") == TOKEN_PATH);
            if !has_own {
                is_needed = true;
                push(container, "volumeMounts", json!({"name": name, "readOnly": true, "mountPath": TOKEN_PATH}));
            }
        }
    }
    if is_needed {
        push(spec, "volumes", token_volume(name));
    }
}

fn token_volume(name: &str) -> Value {
    let namespace = json!({"path": "namespace", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}});
    json!({"name": name, "projected": {"defaultMode": 420, "sources": [
        {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
        {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
        {"downwardAPI": {"items": [namespace]}},
    ]}})
}

/// As the admission of default tolerations does: five minutes on a node that is gone.
fn tolerate_lost_nodes(spec: &mut Value) {
    for key in ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"] {
        let is_tolerated = list(spec, "/tolerations")
            .iter()
            .any(|toleration| matches!(text(toleration, "/effect"), "" | "NoExecute") && ["", key].contains(&text(toleration, "/key")));
        if !is_tolerated {
            let toleration = json!({"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300});
            push(spec, "tolerations", toleration);
        }
    }
}

fn push(object: &mut Value, field: &str, item: Value) {
    fill(object, field, json!([]));
    if let Some(items) = object.get_mut(field).and_then(Value::as_array_mut) {
        items.push(item);
    }
}

/// `Guaranteed`, `Burstable` or `BestEffort`, from the containers' CPU and memory.
pub(super) fn qos_class(pod: &Value) -> &'static str {
    let containers: Vec<&Value> = ["/spec/initContainers", "/spec/containers"].iter().flat_map(|pointer| list(pod, pointer)).collect();
    let amount = |container: &Value, list: &str, resource: &str| {
        let amount = container.pointer(&format!("/resources/{list}/{resource}"))?;
        Amount::from_json(amount).ok().filter(|amount| *amount > Amount::ZERO)
    };
    let asks_for = |container: &Value, resource: &str| {
        amount(container, "requests", resource).or_else(|| amount(container, "limits", resource)).is_some()
    };
    let is_fixed = |container: &Value, resource: &str| {
        let limit = amount(container, "limits", resource);
        limit.is_some() && amount(container, "requests", resource).or(limit) == limit
    };
    let resources = ["cpu", "memory"];
    if !containers.iter().any(|container| resources.iter().any(|resource| asks_for(container, resource))) {
        "BestEffort"
    } else if containers.iter().all(|container| resources.iter().all(|resource| is_fixed(container, resource))) {
        "Guaranteed"
    } else {
        "Burstable"
    }
}

/// PodTemplates.
pub(super) struct PodTemplates;

impl Behaviour for PodTemplates {
    fn default(&self, object: &mut Value) {
        if present(object, "/template").is_some() {
            defaults::template(inner(object, "template"));
        } else {
            remove(object, "template");
        }
    }

    fn validate(&self, object: &Value) -> Vec<FieldError> {
        let mut errors = Vec::new();
        match present(object, "/template") {
            None => errors.push(required("template", "")),
            Some(template) => errors.extend(validation::template(template, "template")),
        }
        errors
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(resources: &[Value]) -> Value {
        let containers: Vec<Value> = resources.iter().map(|resources| json!({"resources": resources})).collect();
        json!({"spec": {"containers": containers}})
    }

    #[test]
    fn quality_of_service_follows_requests_and_limits() {
        let both = json!({"cpu": "1", "memory": "1Gi"});
        assert_eq!(qos_class(&pod(&[json!({})])), "BestEffort");
        assert_eq!(qos_class(&pod(&[json!({"requests": {"cpu": "1"}})])), "Burstable");
        assert_eq!(qos_class(&pod(&[json!({"limits": both, "requests": {"cpu": "1000m", "memory": "1024Mi"}})])), "Guaranteed");
        assert_eq!(qos_class(&pod(&[json!({"limits": both}), json!({})])), "Burstable");
    }

    #[test]
    fn a_new_pod_gets_what_admission_adds() {
        let mut pod = json!({"metadata": {"name": "p", "uid": "abcdef"}, "spec": {"containers": [{"name": "c", "image": "x"}]}});
        Pods.default(&mut pod);
        Pods.prepare_create(&mut pod);
        assert_eq!(pod["spec"]["volumes"][0]["name"], "kube-api-access-abcde");
        assert_eq!(pod["spec"]["containers"][0]["volumeMounts"][0]["mountPath"], TOKEN_PATH);
        assert_eq!(pod["spec"]["serviceAccount"], "default");
        assert_eq!(pod["spec"]["tolerations"][1]["key"], "node.kubernetes.io/unreachable");
        assert_eq!(pod["status"], json!({"phase": "Pending", "qosClass": "BestEffort"}));
    }

    #[test]
    fn a_pod_that_wants_no_token_gets_none() {
        let mut pod = json!({"spec": {"automountServiceAccountToken": false, "containers": [{"name": "c"}]}});
        Pods.prepare_create(&mut pod);
        assert!(pod["spec"].get("volumes").is_none());
    }

    #[test]
    fn pods_can_be_selected_by_node_and_phase() {
        let pod = json!({"spec": {"nodeName": "n1"}, "status": {"phase": "Running"}});
        assert_eq!(Pods.select_field(&pod, "spec.nodeName").as_deref(), Some("n1"));
        assert_eq!(Pods.select_field(&pod, "status.podIP").as_deref(), Some(""));
        assert_eq!(Pods.select_field(&pod, "spec.priority"), None);
    }

    #[test]
    fn images_and_more_tolerations_may_change() {
        let mut old = json!({"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "x"}], "nodeName": "n1"}});
        Pods.default(&mut old);
        Pods.prepare_create(&mut old);
        assert_eq!(Pods.validate(&old), []);
        let mut new = old.clone();
        new["spec"]["containers"][0]["image"] = json!("w");
        push(&mut new["spec"], "tolerations", json!({"key": "k", "operator": "Exists"}));
        assert_eq!(Pods.validate_update(&new, &old), []);
        assert_eq!(Pods.validate_update(&old, &new)[0].field, "spec.tolerations");
        new["spec"]["nodeName"] = json!("n2");
        let errors = Pods.validate_update(&new, &old);
        assert!(
            errors[0].to_string().starts_with("spec: Forbidden: pod updates may not change fields other than `spec.containers[*].image`,")
        );
        push(&mut new["spec"], "containers", json!({"name": "d", "image": "x"}));
        let added = "spec.containers: Forbidden: pod updates may not add or remove containers";
        assert_eq!(Pods.validate_update(&new, &old)[0].to_string(), added);
    }
}
