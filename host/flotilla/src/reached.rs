//! A cluster that a command works on: reached through a kubeconfig, written by server-side apply, watched until it is as hoped for.

use crate::connect::{Wanted, config};
use crate::exit::{Code, Failure, bad_input};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flotilla_api::object::{GroupVersionKind, Object};
use flotilla_controllers::cluster_api::{ApiError, ClusterApi, ObjectKey, Resource};
use flotilla_controllers::live_object::LiveObject;
use futures::StreamExt;
use kube::Api;
use kube::api::{ListParams, Patch, PatchParams};
use kube::runtime::{WatchStreamExt, watcher};
use std::fmt;
use std::path::Path;
use std::time::Duration;
use tokio::time::{Instant, timeout, timeout_at};

/// Longest wait for a single answer.
const DEADLINE: Duration = Duration::from_secs(20);
/// Who owns the fields that commands write; the controllers are somebody else.
const MANAGER: &str = "flotilla-cli";

/// A cluster that answers to a client.
pub struct Reached {
    /// How messages call it: `the control plane`, `the member`.
    pub name: &'static str,
    /// Its API.
    pub api: ClusterApi,
    /// How it was reached, for others who are to reach it.
    pub config: kube::Config,
}

/// What writing an object came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Put {
    /// It was not there.
    Created,
    /// It was there and differed.
    Configured,
    /// It was there as wanted.
    Unchanged,
}

impl fmt::Display for Put {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Created => "created",
            Self::Configured => "configured",
            Self::Unchanged => "unchanged",
        })
    }
}

impl Reached {
    /// The cluster of a context of a kubeconfig; without a file, of `$KUBECONFIG` or `~/.kube/config`. Asks it for its version.
    pub async fn through(name: &'static str, file: Option<&Path>, wanted: Wanted<'_>) -> Result<Self, Failure> {
        let config = config(file, wanted).await?;
        let client = kube::Client::try_from(config.clone())
            .map_err(|error| bad_input(format!("no client can be made for {name} at {}: {error}", config.cluster_url)))?;
        let reached = Self { name, api: ClusterApi::new(client, DEADLINE), config };
        match reached.api.get_text("/version").await {
            Ok(_) => Ok(reached),
            Err(error) => Err(reached.failed("version", &error)),
        }
    }

    /// What to say when it did not do what was asked.
    pub fn failed(&self, what: impl fmt::Display, error: &ApiError) -> Failure {
        let url = &self.config.cluster_url;
        match error.code() {
            None => Failure::new(Code::Unreachable, format!("{} at {url} cannot be reached: {error}", self.name))
                .hint("check the address in the kubeconfig, and that the API server runs"),
            Some(401) => {
                Failure::new(Code::Unreachable, format!("{} at {url} does not accept the credentials of the kubeconfig", self.name))
            }
            Some(403) => Failure::new(Code::Negative, format!("{what} is not allowed in {}: {error}", self.name)),
            Some(_) => Failure::new(Code::Negative, format!("{what} in {}: {error}", self.name)),
        }
    }

    /// An object; `None` when it is not there.
    pub async fn get(&self, resource: &Resource, key: &ObjectKey) -> Result<Option<Object>, Failure> {
        self.api.get(resource, key).await.map_err(|error| self.failed(format!("{} `{key}`", resource.kind), &error))
    }

    /// All objects of a kind, or those of a namespace.
    pub async fn list(&self, resource: &Resource, namespace: Option<&str>) -> Result<Vec<Object>, Failure> {
        let objects = self.objects(resource, namespace);
        let listed = within_deadline(objects.list(&ListParams::default())).await;
        let listed = listed.map_err(|error| self.failed(&resource.plural, &error))?;
        Ok(listed.items.into_iter().map(|live| live.object).collect())
    }

    /// Makes an object as it is wanted, and takes over the fields that others have set; the rest stays theirs.
    pub async fn put(&self, object: &Object) -> Result<(Put, Object), Failure> {
        let (resource, key) = (resource_of(object), ObjectKey::of(object));
        let old = self.get(&resource, &key).await?;
        let objects = self.objects(&resource, key.namespace());
        let params = PatchParams::apply(MANAGER).force();
        let written = within_deadline(objects.patch(&key.name, &params, &Patch::Apply(object))).await;
        let new = written.map_err(|error| self.failed(format!("{} `{key}`", resource.kind), &error))?.object;
        let put = match &old {
            None => Put::Created,
            Some(old) if old.resource_version() == new.resource_version() => Put::Unchanged,
            Some(_) => Put::Configured,
        };
        Ok((put, new))
    }

    /// Deletes an object; says whether there was one.
    pub async fn delete(&self, resource: &Resource, key: &ObjectKey) -> Result<bool, Failure> {
        let Some(found) = self.get(resource, key).await? else { return Ok(false) };
        let deleted = self.api.delete(resource, key, Some(found.uid())).await;
        deleted.map_err(|error| self.failed(format!("{} `{key}`", resource.kind), &error))?;
        Ok(true)
    }

    /// Waits until `look` is content with an object, and says on standard error what is waited for, whenever that changes. `Err` is what
    /// was waited for when `patience` ended.
    pub async fn until(
        &self,
        resource: &Resource,
        key: &ObjectKey,
        patience: Duration,
        look: impl Fn(Option<&Object>) -> Result<(), String>,
    ) -> Result<(), String> {
        let end = Instant::now() + patience;
        let mut seen = std::pin::pin!(watcher::watch_object(self.objects(resource, key.namespace()), &key.name).default_backoff());
        let mut said = format!("{} does not answer", self.name);
        loop {
            let why = match timeout_at(end, seen.next()).await {
                Err(_) | Ok(None) => return Err(said),
                Ok(Some(Err(error))) => format!("{} `{key}` cannot be watched: {error}", resource.kind),
                Ok(Some(Ok(live))) => match look(live.as_ref().map(|live| &live.object)) {
                    Ok(()) => return Ok(()),
                    Err(why) => why,
                },
            };
            if why != said {
                eprintln!("waiting: {why}");
                said = why;
            }
        }
    }

    /// Certificate authority of the connection, in PEM; `None` where the machine's own authorities are trusted.
    pub fn authority(&self) -> Option<String> {
        let certificates = self.config.root_cert.as_ref().filter(|certificates| !certificates.is_empty())?;
        Some(certificates.iter().map(|der| pem(der)).collect())
    }

    fn objects(&self, resource: &Resource, namespace: Option<&str>) -> Api<LiveObject> {
        match namespace {
            Some(namespace) => Api::namespaced_with(self.api.client(), namespace, &resource.to_kube()),
            None => Api::all_with(self.api.client(), &resource.to_kube()),
        }
    }
}

async fn within_deadline<T>(call: impl Future<Output = Result<T, kube::Error>>) -> Result<T, ApiError> {
    timeout(DEADLINE, call).await.map_err(|_| ApiError::Deadline(DEADLINE))?.map_err(ApiError::from)
}

/// The resource of an object of one of the kinds that an installation consists of: their plurals are regular, and their namespace is given.
pub fn resource_of(object: &Object) -> Resource {
    let gvk = object.gvk();
    resource(&gvk, object.namespace().is_some())
}

/// The resource of a kind with a regular plural.
pub fn resource(gvk: &GroupVersionKind, namespaced: bool) -> Resource {
    let lower = gvk.kind.to_lowercase();
    let plural = match lower.strip_suffix('y') {
        Some(stem) => format!("{stem}ies"),
        None if lower.ends_with('s') => format!("{lower}es"),
        None => format!("{lower}s"),
    };
    Resource { group: gvk.group.clone(), version: gvk.version.clone(), kind: gvk.kind.clone(), plural, namespaced, has_status: false }
}

/// An object as kubectl names it: `deployment.apps/web`.
pub fn reference(object: &Object) -> String {
    let (kind, group) = (object.kind().to_lowercase(), object.gvk().group);
    let dot = if group.is_empty() { "" } else { "." };
    format!("{kind}{dot}{group}/{}", object.name())
}

fn pem(der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines: Vec<&str> = text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).expect("base64 is ASCII")).collect();
    format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"))
}

/// How long a command waits for what it started: a duration as in `90s` or `2m`, or `false` for not at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wait(pub Option<Duration>);

impl std::str::FromStr for Wait {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "false" | "0" => return Ok(Self(None)),
            "true" => return Ok(Self(Some(Duration::from_secs(60)))),
            _ => {}
        }
        let parsed: Result<kube::core::Duration, _> = text.parse();
        match parsed {
            Ok(duration) if !duration.is_negative() => Ok(Self(Some(duration.into()))),
            _ => Err("expected a duration as in `90s` or `2m`, or `false`".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plurals_are_those_of_the_api() {
        let plural = |api_version: &str, kind: &str| resource(&GroupVersionKind::new(api_version, kind), true).plural;
        assert_eq!(plural("networking.k8s.io/v1", "NetworkPolicy"), "networkpolicies");
        assert_eq!(plural("policy/v1", "PodDisruptionBudget"), "poddisruptionbudgets");
        assert_eq!(plural("v1", "ServiceAccount"), "serviceaccounts");
    }

    #[test]
    fn waits_are_durations_or_false() {
        assert_eq!("1m30s".parse(), Ok(Wait(Some(Duration::from_secs(90)))));
        assert_eq!("false".parse(), Ok(Wait(None)));
        assert!("soon".parse::<Wait>().is_err());
    }
}
