//! Secrets of type `kubernetes.io/service-account-token` get what they are there for: the cluster's token and authority.
//!
//! The sandbox knows one user, so that every account's token is that user's.

use super::edit::edit;
use crate::server::ApiServer;
use crate::storage::{Change, Entry, Event, Key, TypeId};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

const TYPE: &str = "kubernetes.io/service-account-token";

fn secrets() -> TypeId {
    "secrets".into()
}

/// Fills a Secret when it comes, or when the account that it names does.
pub fn react(server: &ApiServer, event: &Event) {
    match (&*event.of, event.change) {
        ("secrets", Change::Added | Change::Modified) => fill(server, &event.object),
        ("serviceaccounts", Change::Added) => {
            for secret in server.store().list(&secrets(), Some(&event.key.namespace)).entries {
                fill(server, &secret);
            }
        }
        _ => {}
    }
}

/// The same for all Secrets, when events were missed.
pub fn examine_all(server: &ApiServer) {
    for secret in server.store().list(&secrets(), None).entries {
        fill(server, &secret);
    }
}

fn fill(server: &ApiServer, secret: &Entry) {
    let value = secret.value();
    let Some(token) = &server.options().token else { return };
    if value["type"] != TYPE || value["data"]["token"].is_string() {
        return;
    }
    let key = &secret.facts.key;
    let account = value["metadata"]["annotations"]["kubernetes.io/service-account.name"].as_str().unwrap_or_default();
    let Some(account) = server.store().get(&"serviceaccounts".into(), &Key::new(&key.namespace, account)) else { return };
    let uid = account.value()["metadata"]["uid"].clone();
    edit(server, &secrets(), key, |secret| {
        secret["metadata"]["annotations"]["kubernetes.io/service-account.uid"] = uid.clone();
        secret["data"]["token"] = STANDARD.encode(token).into();
        secret["data"]["namespace"] = STANDARD.encode(&*key.namespace).into();
        if let Some(authority) = &server.options().root_ca {
            secret["data"]["ca.crt"] = STANDARD.encode(authority).into();
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::ServerOptions;
    use k8s_openapi::api::core::v1::{Secret, ServiceAccount};
    use kube::api::{Api, PostParams};
    use kube::runtime::wait::await_condition;
    use serde_json::json;

    #[tokio::test]
    async fn a_token_secret_waits_for_its_account() {
        let server = ApiServer::new(ServerOptions { token: Some("t0k3n".to_owned()), ..ServerOptions::default() });
        crate::lifecycle::start(&server);
        let secrets: Api<Secret> = Api::namespaced(server.client(), "default");
        let secret = json!({"metadata": {"name": "bot", "annotations": {"kubernetes.io/service-account.name": "bot"}}, "type": TYPE});
        let secret = serde_json::from_value(secret).unwrap();
        assert_eq!(secrets.create(&PostParams::default(), &secret).await.unwrap().data, None);
        let accounts: Api<ServiceAccount> = Api::namespaced(server.client(), "default");
        let account = serde_json::from_value(json!({"metadata": {"name": "bot"}})).unwrap();
        let account = accounts.create(&PostParams::default(), &account).await.unwrap();
        let has_token = |secret: Option<&Secret>| secret.is_some_and(|secret| secret.data.is_some());
        let filled = await_condition(secrets, "bot", has_token).await.unwrap().unwrap();
        assert_eq!(filled.data.unwrap()["token"].0, b"t0k3n");
        assert_eq!(filled.metadata.annotations.unwrap()["kubernetes.io/service-account.uid"], account.metadata.uid.unwrap());
    }
}
