//! Whether a control plane has what the controllers need, before they start: our kinds with all their fields, and the rights.

use crate::connect::refused;
use crate::exit::{Code, Failure};
use flotilla_api::crd::crds;
use flotilla_api::object::Object;
use flotilla_controllers::cluster_api::{ApiError, ClusterApi, Resource};
use flotilla_controllers::watch::Own;
use flotilla_controllers::{certificate, definitions, members};
use serde_json::{Value, json};

/// Refuses a control plane that lacks something, and says what.
pub async fn check(control: &ClusterApi) -> Result<(), Failure> {
    for kind in Own::ALL {
        served(control, &kind.resource()).await?;
    }
    for definition in crds() {
        let ours = serde_json::to_value(&definition).expect("a CRD prints");
        let name = ours["metadata"]["name"].as_str().unwrap_or_default();
        // A kind that is served without a definition is that of an aggregated API: it says nothing of its fields.
        let Some(theirs) = definition_of(control, name).await? else { continue };
        if let Some(field) = missing_field(&ours, &theirs) {
            let message = format!("CustomResourceDefinition `{name}` is older than this program: `{field}` is missing");
            return Err(Failure::new(Code::Negative, message).hint("update it with `flotilla init --crds-only`"));
        }
    }
    Ok(())
}

/// Found by listing, which is what the controllers need to be allowed anyway.
async fn definition_of(control: &ClusterApi, name: &str) -> Result<Option<Value>, Failure> {
    let path = format!("{}?fieldSelector=metadata.name%3D{name}", definitions::resource().path(None));
    let text = control.get_text(&path).await.map_err(|error| failed(&error))?;
    let list: Value = serde_json::from_str(&text)
        .map_err(|error| Failure::new(Code::Unreachable, format!("the control plane answers with something else than JSON: {error}")))?;
    Ok(list.pointer("/items/0").cloned())
}

async fn served(control: &ClusterApi, resource: &Resource) -> Result<(), Failure> {
    match control.get_text(&format!("{}?limit=1", resource.path(None))).await {
        Ok(_) => Ok(()),
        Err(error) if error.is_not_found() => {
            let name = format!("{}.{}", resource.plural, resource.group);
            Err(Failure::new(Code::Negative, format!("the control plane does not serve `{name}` {}", resource.version))
                .hint("install the CustomResourceDefinitions with `flotilla init --crds-only`"))
        }
        Err(error) => Err(failed(&error)),
    }
}

fn failed(error: &ApiError) -> Failure {
    match error {
        ApiError::Refused(status) => refused(status.code, &status.message),
        other => Failure::new(Code::Unreachable, format!("the control plane cannot be reached: {other}")),
    }
}

/// Asks for each of these rights, all at once; the first that is missing is named.
pub async fn rights(control: &ClusterApi, needed: Vec<Right>) -> Result<(), Failure> {
    // Asking stores nothing: it need not pass the gate.
    let api = control.ungated(REVIEW_DEADLINE);
    let asked: Vec<_> = needed
        .into_iter()
        .map(|right| {
            let (api, review) = (api.clone(), right.review());
            (right, tokio::spawn(async move { api.create(&reviews(), &review).await }))
        })
        .collect();
    for (right, answer) in asked {
        let answer = answer.await.map_err(|_| Failure::new(Code::Unreachable, "a question about rights was cut off"))?;
        if answer.map_err(|error| failed(&error))?.pointer("/status/allowed") == Some(&Value::Bool(false)) {
            return Err(Failure::new(Code::Negative, format!("a right is missing in the control plane: {right}")).hint(format!(
                "grant it with a ClusterRole and a ClusterRoleBinding; `kubectl auth can-i {right}` tells when it is there"
            )));
        }
    }
    Ok(())
}

const REVIEW_DEADLINE: std::time::Duration = std::time::Duration::from_secs(10);

/// One right.
#[derive(Debug, Clone)]
pub struct Right {
    verb: &'static str,
    group: String,
    resource: String,
    subresource: &'static str,
    namespace: String,
    /// Of a single object; empty for all.
    name: String,
}

impl Right {
    /// The question whether we have it.
    fn review(&self) -> Object {
        Object(json!({
            "apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview", "metadata": {},
            "spec": {"resourceAttributes": {
                "verb": self.verb, "group": self.group, "resource": self.resource, "subresource": self.subresource,
                "namespace": self.namespace, "name": self.name,
            }},
        }))
    }
}

impl std::fmt::Display for Right {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.verb, self.resource)?;
        if !self.group.is_empty() {
            write!(f, ".{}", self.group)?;
        }
        if !self.subresource.is_empty() {
            write!(f, "/{}", self.subresource)?;
        }
        if !self.name.is_empty() {
            write!(f, "/{}", self.name)?;
        }
        if !self.namespace.is_empty() {
            write!(f, " -n {}", self.namespace)?;
        }
        Ok(())
    }
}

/// The rights that the controllers need whatever is propagated; those on templates are known when policies name them. Given are
/// namespace and name of the Lease, and of the Secret with the webhook's certificate.
pub fn needed(lease: Option<(&str, &str)>, secret: Option<(&str, &str)>) -> Vec<Right> {
    const ALL: (&str, &str) = ("", "");
    let mut rights = Vec::new();
    let mut need = |resource: Resource, verbs: &[&'static str], subresource, (namespace, name): (&str, &str)| {
        rights.extend(verbs.iter().map(|verb| Right {
            verb,
            subresource,
            group: resource.group.clone(),
            resource: resource.plural.clone(),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        }));
    };
    for kind in Own::ALL {
        let verbs: &[&str] = match kind {
            Own::Cluster => &["list", "watch", "patch"],
            Own::ResourceBinding | Own::ClusterResourceBinding => &["list", "watch", "create", "patch"],
            Own::Work => &["list", "watch", "create", "patch", "delete"],
            Own::PropagationPolicy | Own::ClusterPropagationPolicy => &["list", "watch", "patch"],
            Own::Namespace => &["list", "watch", "create", "delete"],
            _ => &["list", "watch"],
        };
        let resource = kind.resource();
        need(resource.clone(), verbs, "", ALL);
        if resource.has_status {
            need(resource, &["patch"], "status", ALL);
        }
    }
    need(definitions::resource(), &["list", "watch"], "", ALL);
    let core = |kind: &str, plural: &str| Resource {
        group: String::new(),
        version: "v1".into(),
        kind: kind.into(),
        plural: plural.into(),
        namespaced: true,
        has_status: false,
    };
    need(core("Event", "events"), &["create"], "", ALL);
    if let Some((namespace, name)) = lease {
        // With `list` and `watch` a standby hears of a release at once; without, a retry period later.
        need(flotilla_controllers::lease::leases(), &["get", "update"], "", (namespace, name));
        need(flotilla_controllers::lease::leases(), &["create"], "", (namespace, ""));
    }
    if let Some(secret) = secret {
        need(members::secrets(), &["get", "patch"], "", secret);
        for resource in certificate::configurations() {
            need(resource, &["get", "patch"], "", ("", certificate::CONFIGURATION));
        }
    }
    rights
}

fn reviews() -> Resource {
    Resource {
        group: "authorization.k8s.io".into(),
        version: "v1".into(),
        kind: "SelfSubjectAccessReview".into(),
        plural: "selfsubjectaccessreviews".into(),
        namespaced: false,
        has_status: false,
    }
}

/// The first field of our definition that theirs does not have.
fn missing_field(ours: &Value, theirs: &Value) -> Option<String> {
    let versions = |definition: &Value| definition.pointer("/spec/versions").and_then(Value::as_array).cloned().unwrap_or_default();
    let theirs = versions(theirs);
    versions(ours).iter().find_map(|version| {
        let schema = |version: &Value| version.pointer("/schema/openAPIV3Schema").cloned().unwrap_or_default();
        match theirs.iter().find(|other| other["name"] == version["name"]) {
            Some(other) => missing_in(&schema(version), &schema(other), ""),
            None => Some(format!("version {}", version["name"].as_str().unwrap_or_default())),
        }
    })
}

fn missing_in(ours: &Value, theirs: &Value, path: &str) -> Option<String> {
    if theirs["x-kubernetes-preserve-unknown-fields"] == true {
        return None;
    }
    let fields = ours["properties"].as_object().into_iter().flatten().find_map(|(name, field)| {
        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        match theirs.pointer("/properties").and_then(|properties| properties.get(name)) {
            Some(other) => missing_in(field, other, &path),
            None => Some(path),
        }
    });
    let nested = |key: &str, suffix: &str| {
        ours.get(key).filter(|inner| inner.is_object()).and_then(|inner| missing_in(inner, &theirs[key], &format!("{path}{suffix}")))
    };
    fields.or_else(|| nested("items", "[]")).or_else(|| nested("additionalProperties", ".*"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn definition(fields: Value) -> Value {
        let schema = json!({"openAPIV3Schema": {"type": "object", "properties": {"spec": {"type": "object", "properties": fields}}}});
        json!({"spec": {"versions": [{"name": "v1alpha1", "schema": schema}]}})
    }

    #[track_caller]
    fn misses(ours: Value, theirs: Value, expected: Option<&str>) {
        assert_eq!(missing_field(&definition(ours), &definition(theirs)).as_deref(), expected);
    }

    #[test]
    fn a_definition_that_lacks_a_field_is_older() {
        let text = json!({"type": "string"});
        misses(json!({"a": text}), json!({"a": text, "b": text}), None);
        misses(json!({"a": text, "b": text}), json!({"a": text}), Some("spec.b"));
        let list = |item: Value| json!({"a": {"type": "array", "items": {"type": "object", "properties": item}}});
        misses(list(json!({"b": text})), list(json!({"c": text})), Some("spec.a[].b"));
        let open = json!({"a": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}});
        misses(json!({"a": {"type": "object", "properties": {"b": text}}}), open, None);
    }

    #[test]
    fn a_version_that_is_not_served_is_named() {
        let mut theirs = definition(json!({}));
        theirs["spec"]["versions"][0]["name"] = "v1".into();
        assert_eq!(missing_field(&definition(json!({})), &theirs).as_deref(), Some("version v1alpha1"));
    }

    #[test]
    fn our_own_definitions_lack_nothing() {
        for definition in crds() {
            let ours = serde_json::to_value(&definition).expect("a CRD prints");
            assert_eq!(missing_field(&ours, &ours), None);
        }
    }

    #[test]
    fn rights_are_named_as_kubectl_asks_for_them() {
        let names: Vec<String> = needed(Some(("flotilla-system", "flotilla")), None).iter().map(ToString::to_string).collect();
        for name in ["patch works.work.karmada.io/status", "create events", "update leases.coordination.k8s.io/flotilla -n flotilla-system"]
        {
            assert!(names.iter().any(|known| known == name), "{name}: {names:#?}");
        }
        assert!(!needed(None, None).iter().any(|right| right.resource == "leases"));
    }
}
