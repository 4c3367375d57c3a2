//! What a fresh control plane gets: our CRDs, our namespaces, and a Cluster with its Secret for each member.

use crate::exit::{Code, Failure};
use flotilla_api::cluster::Cluster;
use flotilla_api::crd::crds;
use flotilla_api::object::Object;
use flotilla_controllers::cluster;
use flotilla_controllers::cluster_api::{ApiError, ClusterApi, ObjectKey, Resource};
use flotilla_controllers::plugins::PLUGIN_NAMESPACE;
use flotilla_controllers::watch::Own;
use flotilla_sandbox::sandbox::Sandbox;
use k8s_openapi::ByteString;
use serde::Deserialize;
use serde_json::json;
use std::time::{Duration, Instant};

/// Namespace of the Secrets of Cluster objects.
const CLUSTER_NAMESPACE: &str = "karmada-cluster";
/// Longest wait for the API server to serve a kind, or for a member to be ready.
const PATIENCE: Duration = Duration::from_secs(30);

/// Installs everything; returns when all of it is served.
pub async fn install(control: &ClusterApi, clusters: &Sandbox) -> Result<(), Failure> {
    let definitions = resource("apiextensions.k8s.io", "CustomResourceDefinition", "customresourcedefinitions", false);
    for crd in crds() {
        create(control, &definitions, Object(serde_json::to_value(&crd).expect("a CRD prints"))).await?;
    }
    for name in [PLUGIN_NAMESPACE, CLUSTER_NAMESPACE] {
        let namespace =
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": {"karmada.io/system": "true"}}});
        create(control, &Own::Namespace.resource(), Object(namespace)).await?;
    }
    for member in clusters.members() {
        let Some(access) = &member.access else { continue };
        let text = |text: &str| ByteString(text.as_bytes().to_vec());
        let secret = json!({
            "apiVersion": "v1", "kind": "Secret", "type": "Opaque",
            "metadata": {"name": member.name, "namespace": CLUSTER_NAMESPACE},
            "data": {"token": text(&access.token), "caBundle": text(&access.authority)},
        });
        create(control, &resource("", "Secret", "secrets", true), Object(secret)).await?;
        let api = ClusterApi::new(member.api.client_as("flotilla"), PATIENCE);
        let identity = cluster::identity(&api).await.map_err(|error| failed(&member.name, &error))?;
        let registered = json!({
            "apiVersion": "cluster.karmada.io/v1alpha1", "kind": "Cluster", "metadata": {"name": member.name},
            "spec": {
                "id": identity, "syncMode": "Push", "apiEndpoint": access.url,
                "secretRef": {"namespace": CLUSTER_NAMESPACE, "name": member.name},
            },
        });
        create(control, &Own::Cluster.resource(), Object(registered)).await?;
    }
    Ok(())
}

/// Waits until all members are ready.
pub async fn until_ready(control: &ClusterApi, clusters: &Sandbox) -> Result<(), Failure> {
    let started = Instant::now();
    for member in clusters.members() {
        loop {
            let cluster = control
                .get(&Own::Cluster.resource(), &ObjectKey::new(None, &member.name))
                .await
                .map_err(|error| failed(&member.name, &error))?;
            if cluster.is_some_and(|cluster| Cluster::deserialize(&cluster.0).is_ok_and(|cluster| cluster.is_ready())) {
                break;
            }
            if started.elapsed() > PATIENCE {
                return Err(Failure::new(Code::Unreachable, format!("Cluster {} does not become ready", member.name)));
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    Ok(())
}

/// Creates an object, as soon as its kind is served.
async fn create(control: &ClusterApi, resource: &Resource, object: Object) -> Result<(), Failure> {
    let started = Instant::now();
    loop {
        match control.create(resource, &object).await {
            Ok(_) => return Ok(()),
            Err(error) if error.is_already_exists() => return Ok(()),
            Err(error) if error.is_not_found() && started.elapsed() < PATIENCE => tokio::time::sleep(Duration::from_millis(5)).await,
            Err(error) => return Err(failed(&object.display(), &error)),
        }
    }
}

fn failed(what: &str, error: &ApiError) -> Failure {
    Failure::new(Code::Unreachable, format!("{what}: {error}"))
}

fn resource(group: &str, kind: &str, plural: &str, namespaced: bool) -> Resource {
    Resource { group: group.into(), version: "v1".into(), kind: kind.into(), plural: plural.into(), namespaced, has_status: false }
}
