//! What joining a cluster consists of, as objects: an account in the member, and what the control plane knows of it. Pure.
//!
//! Names and contents are Karmada's: a cluster that either joined can be unjoined by the other.

use flotilla_api::names::service_account_name;
use flotilla_api::object::Object;
use serde_json::{Value, json};

/// Longest name of a cluster.
const LONGEST_NAME: usize = 48;

/// What the user says of a cluster.
#[derive(Debug, Clone, Default)]
pub struct Place {
    /// Who runs it.
    pub provider: Option<String>,
    /// The region it is in.
    pub region: Option<String>,
    /// The zones it is in.
    pub zones: Vec<String>,
}

/// How the control plane gets to a cluster.
#[derive(Debug, Clone, Default)]
pub struct Way {
    /// URL of its API server.
    pub endpoint: String,
    /// Certificate authority in PEM, where it is not one that the machine trusts.
    pub authority: Option<String>,
    /// Whether its certificate is taken unseen.
    pub is_unverified: bool,
    /// URL of the proxy that leads there.
    pub proxy: Option<String>,
}

/// Why a cluster cannot have this name.
pub fn bad_name(name: &str) -> Option<String> {
    let is_inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let is_label = !name.is_empty() && name.bytes().all(is_inner) && !name.starts_with('-') && !name.ends_with('-');
    let why = match is_label {
        false => "expected lower case letters, digits and `-`, with a letter or digit at both ends".to_owned(),
        true if name.len() > LONGEST_NAME => format!("{} characters, {LONGEST_NAME} at most", name.len()),
        true => return None,
    };
    Some(format!("`{name}` is no name for a cluster: {why}"))
}

/// Why the cluster with this uid may not join under this name, given the Clusters that there are.
pub fn refusal(name: &str, id: &str, control_id: &str, clusters: &[Object]) -> Option<String> {
    if id == control_id {
        return Some(format!("`{name}` is the control plane itself, which cannot be its own member"));
    }
    let id_of = |cluster: &Object| cluster.at(&["spec", "id"]).and_then(Value::as_str).map(str::to_owned);
    if let Some(same) = clusters.iter().find(|cluster| id_of(cluster).as_deref() == Some(id)) {
        return Some(format!("the same cluster has been joined already, under the name `{}`", same.name()));
    }
    clusters.iter().any(|cluster| cluster.name() == name).then(|| format!("another cluster has been joined under the name `{name}`"))
}

/// Name of the ClusterRole of the control plane's account in a member, and of its binding.
pub fn role_name(cluster: &str) -> String {
    format!("karmada-controller-manager:{}", service_account_name(cluster))
}

/// What is made in the member, in this order: an account that may do everything there, since any kind may be propagated, and its token.
pub fn in_member(cluster: &str, namespace: &str) -> Vec<Object> {
    let (account, role) = (service_account_name(cluster), role_name(cluster));
    let account_of = |kind: &str| json!({"apiVersion": "v1", "kind": kind, "metadata": {"name": account, "namespace": namespace}});
    let role_of = |kind: &str| json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": kind, "metadata": {"name": role}});
    let mut rules = role_of("ClusterRole");
    rules["rules"] = json!([
        {"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]},
        {"nonResourceURLs": ["*"], "verbs": ["get"]},
    ]);
    let mut binding = role_of("ClusterRoleBinding");
    binding["roleRef"] = json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role});
    binding["subjects"] = json!([{"kind": "ServiceAccount", "name": account, "namespace": namespace}]);
    let mut token = account_of("Secret");
    token["type"] = "kubernetes.io/service-account-token".into();
    token["metadata"]["annotations"] = json!({"kubernetes.io/service-account.name": account});
    vec![self::namespace(namespace), Object(account_of("ServiceAccount")), Object(rules), Object(binding), Object(token)]
}

/// The namespace of the Secrets of Clusters in the control plane.
pub fn namespace(name: &str) -> Object {
    Object(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}))
}

/// The Secret that lets the control plane into the member. `token` and `authority` as the member's Secret holds them, in base64; `owner`
/// is the uid of the Cluster, with which the Secret goes.
pub fn secret(cluster: &str, namespace: &str, token: &str, authority: Option<&str>, owner: Option<&str>) -> Object {
    let mut secret = json!({
        "apiVersion": "v1", "kind": "Secret", "type": "Opaque",
        "metadata": {"name": cluster, "namespace": namespace},
        "data": {"token": token},
    });
    if let Some(authority) = authority {
        secret["data"]["caBundle"] = authority.into();
    }
    if let Some(uid) = owner {
        secret["metadata"]["ownerReferences"] = json!([{
            "apiVersion": "cluster.karmada.io/v1alpha1", "kind": "Cluster", "name": cluster, "uid": uid,
            "controller": true, "blockOwnerDeletion": true,
        }]);
    }
    Object(secret)
}

/// The Cluster object.
pub fn cluster(name: &str, namespace: &str, id: &str, way: &Way, place: &Place) -> Object {
    let mut spec = json!({
        "id": id, "syncMode": "Push", "apiEndpoint": way.endpoint,
        "secretRef": {"namespace": namespace, "name": name},
    });
    let texts = [("proxyURL", &way.proxy), ("provider", &place.provider), ("region", &place.region)];
    for (field, text) in texts {
        if let Some(text) = text {
            spec[field] = text.as_str().into();
        }
    }
    if way.is_unverified {
        spec["insecureSkipTLSVerification"] = true.into();
    }
    if !place.zones.is_empty() {
        spec["zones"] = json!(place.zones);
    }
    Object(json!({"apiVersion": "cluster.karmada.io/v1alpha1", "kind": "Cluster", "metadata": {"name": name}, "spec": spec}))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_labels_of_48_characters() {
        assert_eq!(bad_name("eu-west-1"), None);
        assert_eq!(bad_name(&"a".repeat(48)), None);
        assert_eq!(bad_name(&"a".repeat(49)), Some(format!("`{}` is no name for a cluster: 49 characters, 48 at most", "a".repeat(49))));
        for name in ["", "EU", "-a", "a-", "a.b"] {
            assert!(bad_name(name).is_some(), "{name}");
        }
    }

    #[test]
    fn a_cluster_joins_once() {
        let known = |name: &str, id: Option<&str>| Object(json!({"metadata": {"name": name}, "spec": {"id": id}}));
        let clusters = [known("east", Some("1")), known("west", None)];
        assert_eq!(refusal("north", "3", "0", &clusters), None);
        let said = |name: &str, id: &str| refusal(name, id, "0", &clusters).unwrap_or_default();
        assert_eq!(said("north", "1"), "the same cluster has been joined already, under the name `east`");
        assert_eq!(said("west", "3"), "another cluster has been joined under the name `west`");
        assert_eq!(said("north", "0"), "`north` is the control plane itself, which cannot be its own member");
    }
}
