//! Turns requests into HTTP, and answers into updates of the [`World`]. Decides nothing.

use super::action::{Action, Part, Request, Target};
use super::events::Event;
use super::kind::{EVENT, Key, POD};
use super::mirrors::{Update, doom, learn};
use super::world::World;
use futures::future::join_all;
use kube::Client;
use serde_json::{Value, json};
use std::collections::VecDeque;

/// At most this many requests of one outcome are under way at once.
const AT_ONCE: usize = 16;

/// What became of an outcome.
#[derive(Default)]
pub struct Performed {
    /// To be applied in this order.
    pub updates: Vec<Update>,
    /// To be recorded.
    pub events: Vec<Event>,
    /// Why an action failed, the first of them.
    pub error: Option<Failure>,
}

/// Why an action failed.
#[derive(Debug)]
pub struct Failure {
    /// What the server said.
    pub message: String,
    /// HTTP status, 0 where there was no answer.
    pub code: u16,
    /// Whether something was to be made or deleted.
    pub replicating: bool,
}

/// One action, with what [`Mirrors::lists`](super::mirrors::Mirrors::lists) said of its kind when it was decided.
pub type Dated = (Action, u64);

/// Sends the actions one after the other; pods are made and deleted, and independent actions sent, several at once, more and more of
/// them as long as all succeed.
pub async fn perform(client: Client, manager: &'static str, actions: Vec<Dated>, independent: bool) -> Performed {
    let mut performed = Performed::default();
    let mut left: VecDeque<Dated> = actions.into();
    let mut size = if independent { AT_ONCE } else { 1 };
    while !left.is_empty() {
        let batch = next_batch(&mut left, size, independent);
        let sent = batch.into_iter().map(|(action, lists)| send(&client, manager, action, lists));
        for (updates, event, failure) in join_all(sent).await {
            performed.updates.extend(updates);
            performed.events.extend(event);
            performed.error = performed.error.or(failure);
        }
        if performed.error.is_some() && !independent {
            break;
        }
        size = (size * 2).min(AT_ONCE);
    }
    performed
}

fn next_batch(left: &mut VecDeque<Dated>, size: usize, independent: bool) -> Vec<Dated> {
    let together = |action: &Action| {
        independent
            || match &action.request {
                Request::Create { kind, .. } => *kind == &POD,
                Request::Delete { target, .. } => target.kind == &POD,
                _ => false,
            }
    };
    let count = left.iter().take(size).take_while(|(action, _)| together(action)).count();
    left.drain(..count.max(1)).collect()
}

async fn send(client: &Client, manager: &'static str, action: Action, lists: u64) -> (Option<Update>, Option<Event>, Option<Failure>) {
    let result = match http(&action.request, manager) {
        Ok(request) => client.request_text(request).await,
        Err(error) => Err(kube::Error::BuildRequest(kube::core::request::Error::BuildRequest(error))),
    };
    match result {
        Ok(answer) => (accepted(action.request, &answer, lists), action.success, None),
        Err(error) => {
            let failure = failure(&action.request, &error);
            let gone = failure.code == 404 && matches!(action.request, Request::Delete { .. });
            if gone {
                return (accepted(action.request, "", lists), None, None);
            }
            let event = action.failure.map(|event| Event { message: format!("{}{}", event.message, failure.message), ..event });
            (refused(action.request), event, Some(failure))
        }
    }
}

fn failure(request: &Request, error: &kube::Error) -> Failure {
    let replicating = matches!(request, Request::Create { .. } | Request::Delete { .. });
    match error {
        kube::Error::Api(status) => Failure { message: status.message.clone(), code: status.code, replicating },
        other => Failure { message: other.to_string(), code: 0, replicating },
    }
}

fn http(request: &Request, manager: &str) -> Result<http::Request<Vec<u8>>, http::Error> {
    let namespace = |key: &Key| Some(key.namespace.clone()).filter(|namespace| !namespace.is_empty());
    let path = |target: &Target| format!("{}/{}", target.kind.path(namespace(&target.key).as_deref()), target.key.name);
    let (method, path, content, body) = match request {
        Request::Create { kind, object } => {
            let path = kind.path(object["metadata"]["namespace"].as_str());
            ("POST", path, "application/json", object.to_string())
        }
        Request::Patch { target, part, patch } => {
            let subresource = if *part == Part::Status { "/status" } else { "" };
            let style = if *part == Part::Items { "application/strategic-merge-patch+json" } else { "application/merge-patch+json" };
            ("PATCH", path(target) + subresource, style, patch.to_string())
        }
        Request::Delete { target, grace } => ("DELETE", path(target), "application/json", delete_options(target, *grace).to_string()),
        Request::Bind { target, node } => ("POST", path(target) + "/binding", "application/json", binding(target, node).to_string()),
    };
    http::Request::builder()
        .method(method)
        .uri(format!("{path}?fieldManager={manager}"))
        .header(http::header::CONTENT_TYPE, content)
        .header(http::header::ACCEPT, "application/json")
        .header(http::header::USER_AGENT, manager)
        .body(body.into_bytes())
}

fn delete_options(target: &Target, grace: Option<u32>) -> Value {
    let mut options = json!({"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Background"});
    if !target.uid.is_empty() {
        options["preconditions"] = json!({"uid": target.uid});
    }
    if let Some(grace) = grace {
        options["gracePeriodSeconds"] = json!(grace);
    }
    options
}

fn binding(target: &Target, node: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Binding",
        "metadata": {"name": target.key.name, "namespace": target.key.namespace, "uid": target.uid},
        "target": {"kind": "Node", "name": node},
    })
}

/// What a success teaches.
fn accepted(request: Request, answer: &str, lists: u64) -> Option<Update> {
    match request {
        Request::Create { kind, .. } => learn(kind, answer, lists),
        Request::Patch { target, .. } => learn(target.kind, answer, lists),
        Request::Delete { target, .. } => doom(target.kind, target.key, target.uid),
        Request::Bind { .. } => None,
    }
}

/// What a failure teaches.
fn refused(request: Request) -> Option<Update> {
    match request {
        Request::Bind { target, .. } => Some(Box::new(move |world: &mut World| {
            let pod = world.mirrors.pods.get(&target.key).cloned();
            world.capacity.unbind(pod.as_ref(), &target.uid);
        })),
        Request::Patch { target, .. } if target.kind == &EVENT => Some(Box::new(move |world: &mut World| world.recorder.forget(&target))),
        _ => None,
    }
}
