//! Takes out of an object what belongs to the API server it was read from: what must not be written to another one.
//!
//! The same rules make manifests of templates and make member objects comparable with manifests. Goes by the name of the kind
//! alone, whatever its group, as the webhook of Karmada does. Source: controlplane.md §1.5.

use serde_json::{Map, Value};

/// Fields of `metadata` that the API server owns, and owners and finalizers, which mean nothing elsewhere.
const SERVER_METADATA: [&str; 10] = [
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "finalizers",
    "generation",
    "managedFields",
    "ownerReferences",
    "resourceVersion",
    "selfLink",
    "uid",
];

/// A kind by its name, and what else it carries that another API server must not be given.
type PruneKind = (&'static str, fn(&mut Value));

const BY_KIND: [PruneKind; 6] = [
    ("Deployment", prune_deployment),
    ("Job", prune_job),
    ("PersistentVolumeClaim", prune_volume_claim),
    ("Secret", prune_secret),
    ("Service", prune_service),
    ("ServiceAccount", prune_service_account),
];

/// Prunes `object` in place. Doing it twice changes nothing more.
pub fn prune(object: &mut Value) {
    remove_all(object, &["metadata"], &SERVER_METADATA);
    remove_all(object, &[], &["status"]);
    let kind = object.get("kind").and_then(Value::as_str);
    if let Some((_, prune_kind)) = BY_KIND.iter().find(|(name, _)| kind == Some(name)) {
        prune_kind(object);
    }
}

fn prune_deployment(object: &mut Value) {
    let keys = ["deployment.kubernetes.io/revision", "deployment.kubernetes.io/revision-history"];
    remove_all(object, &["metadata", "annotations"], &keys);
}

/// The selector and the labels that the Job controller generates; a user who selects by hand keeps theirs.
fn prune_job(object: &mut Value) {
    remove_all(object, &["spec"], &["ttlSecondsAfterFinished"]);
    if object.pointer("/spec/manualSelector") == Some(&Value::Bool(true)) {
        return;
    }
    let uid_keys = ["controller-uid", "batch.kubernetes.io/controller-uid"];
    let template_labels = ["spec", "template", "metadata", "labels"];
    remove_all(object, &["spec", "selector", "matchLabels"], &uid_keys);
    remove_all(object, &template_labels, &uid_keys);
    remove_all(object, &template_labels, &["job-name", "batch.kubernetes.io/job-name"]);
}

fn prune_volume_claim(object: &mut Value) {
    remove_all(object, &["metadata", "annotations"], &["volume.kubernetes.io/selected-node"]);
}

/// The token of a service account is made by each cluster for itself.
fn prune_secret(object: &mut Value) {
    if object.get("type").and_then(Value::as_str) == Some("kubernetes.io/service-account-token") {
        remove_all(object, &["metadata", "annotations"], &["kubernetes.io/service-account.uid"]);
        if let Some(secret) = object.as_object_mut() {
            secret.insert("data".to_owned(), Value::Null);
        }
    }
}

/// Addresses are given by each cluster; `None` is a wish of the user.
fn prune_service(object: &mut Value) {
    let address = object.pointer("/spec/clusterIP");
    if address.is_some_and(|address| address != "None") {
        remove_all(object, &["spec"], &["clusterIP", "clusterIPs"]);
    }
}

/// Tokens that the cluster of the template made for the account.
fn prune_service_account(object: &mut Value) {
    let name = object.pointer("/metadata/name").and_then(Value::as_str).unwrap_or("");
    let generated = format!("{name}-token-");
    if let Some(secrets) = object.get_mut("secrets").and_then(Value::as_array_mut) {
        let is_generated = |name: &str| name.starts_with(&generated);
        secrets.retain(|secret| !secret.get("name").and_then(Value::as_str).is_some_and(is_generated));
    }
}

/// Removes `keys` of the map at `path`, where there is one.
fn remove_all(object: &mut Value, path: &[&str], keys: &[&str]) {
    let map = path.iter().try_fold(object, |value, key| value.get_mut(key)).and_then(Value::as_object_mut);
    if let Some(map) = map {
        keys.iter().for_each(|key| drop(Map::remove(map, *key)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(before: &str, after: &str) {
        let parse = |text| serde_saphyr::from_str::<Value>(text).expect("YAML");
        let mut object = parse(before);
        prune(&mut object);
        assert_eq!(object, parse(after));
        prune(&mut object);
        assert_eq!(object, parse(after), "pruning twice");
    }

    #[test]
    fn what_the_server_owns_goes() {
        check(
            r#"
            kind: CronTab
            metadata: {name: tab, labels: {a: b}, uid: u-1, resourceVersion: "7", generation: 3, creationTimestamp: "2026-01-01T00:00:00Z",
              managedFields: [{manager: me}], ownerReferences: [{name: o}], finalizers: [a/b], selfLink: /x, deletionGracePeriodSeconds: 3}
            spec: {status: kept}
            status: {replicas: 3}
            "#,
            "{kind: CronTab, metadata: {name: tab, labels: {a: b}}, spec: {status: kept}}",
        );
    }

    #[test]
    fn deployments_lose_their_revision() {
        check(
            r#"{kind: Deployment, metadata: {annotations: {deployment.kubernetes.io/revision: "3", deployment.kubernetes.io/revision-history: "1,2", mine: "1"}}}"#,
            r#"{kind: Deployment, metadata: {annotations: {mine: "1"}}}"#,
        );
    }

    #[test]
    fn jobs_lose_what_the_job_controller_generates() {
        check(
            r#"
            kind: Job
            spec:
              ttlSecondsAfterFinished: 60
              selector: {matchLabels: {controller-uid: u, batch.kubernetes.io/controller-uid: u, app: web}}
              template: {metadata: {labels: {controller-uid: u, batch.kubernetes.io/controller-uid: u, job-name: j, batch.kubernetes.io/job-name: j, app: web}}}
            "#,
            "{kind: Job, spec: {selector: {matchLabels: {app: web}}, template: {metadata: {labels: {app: web}}}}}",
        );
    }

    #[test]
    fn jobs_that_select_by_hand_keep_their_selector() {
        check(
            r#"{kind: Job, spec: {manualSelector: true, ttlSecondsAfterFinished: 60, selector: {matchLabels: {controller-uid: u}}, template: {metadata: {labels: {job-name: j}}}}}"#,
            r#"{kind: Job, spec: {manualSelector: true, selector: {matchLabels: {controller-uid: u}}, template: {metadata: {labels: {job-name: j}}}}}"#,
        );
    }

    #[test]
    fn token_secrets_lose_their_data_and_others_keep_it() {
        check(
            r#"{kind: Secret, type: kubernetes.io/service-account-token, data: {token: eA==}, metadata: {annotations: {kubernetes.io/service-account.uid: u, kubernetes.io/service-account.name: web}}}"#,
            r#"{kind: Secret, type: kubernetes.io/service-account-token, data: null, metadata: {annotations: {kubernetes.io/service-account.name: web}}}"#,
        );
        check("{kind: Secret, type: Opaque, data: {a: eA==}}", "{kind: Secret, type: Opaque, data: {a: eA==}}");
    }

    #[test]
    fn all_generated_tokens_of_a_service_account_go() {
        check(
            "{kind: ServiceAccount, metadata: {name: web}, secrets: [{name: web-token-a}, {name: web-token-b}, {name: mine}, {}, {name: web-token-c}]}",
            "{kind: ServiceAccount, metadata: {name: web}, secrets: [{name: mine}, {}]}",
        );
    }

    #[test]
    fn services_lose_their_address_unless_it_is_a_wish() {
        check(
            "{kind: Service, spec: {clusterIP: 10.0.0.1, clusterIPs: [10.0.0.1], type: ClusterIP}}",
            "{kind: Service, spec: {type: ClusterIP}}",
        );
        check(
            "{kind: Service, spec: {clusterIP: None, clusterIPs: [None]}}",
            "{kind: Service, spec: {clusterIP: None, clusterIPs: [None]}}",
        );
    }

    #[test]
    fn broken_objects_stay_as_they_are() {
        check("{kind: Job, metadata: 7, spec: [1]}", "{kind: Job, metadata: 7, spec: [1]}");
        check("{kind: ServiceAccount, secrets: web}", "{kind: ServiceAccount, secrets: web}");
    }
}
