//! The member clusters as the controllers reach them: one client, one set of stores each; nothing is shared between two members.
//!
//! Decides nothing about health; that is the cluster controller's.

use crate::cluster_api::{ClusterApi, FIELD_MANAGER, ObjectKey, Resource};
use crate::health::Watch;
use crate::served::Served;
use crate::store::{Change, Store};
use crate::watch::SharedServed;
use flotilla_api::cluster::Cluster;
use flotilla_api::labels;
use flotilla_api::object::Object;
use futures::future::BoxFuture;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, RwLock};
use std::time::Duration;

/// Longest wait for any single answer of a member.
pub const MEMBER_DEADLINE: Duration = Duration::from_secs(10);

/// Makes a client for a member.
pub trait Connect: Send + Sync {
    /// A client for the cluster, or why there can be none. Does not talk to the member.
    fn connect<'a>(&'a self, cluster: &'a Cluster) -> BoxFuture<'a, Result<ClusterApi, String>>;
}

/// Reaches members over HTTPS: `spec.apiEndpoint`, and the Secret's `token` and `caBundle`.
pub struct ConnectBySecret {
    control: ClusterApi,
}

impl ConnectBySecret {
    /// Reads Secrets from this control plane.
    pub fn new(control: ClusterApi) -> Self {
        Self { control }
    }

    async fn secret(&self, cluster: &Cluster) -> Result<Option<Object>, String> {
        let Some(reference) = &cluster.spec.secret_ref else { return Ok(None) };
        let key = ObjectKey::new(Some(&reference.namespace), &reference.name);
        match self.control.get(&secrets(), &key).await {
            Ok(Some(secret)) => Ok(Some(secret)),
            Ok(None) => Err(format!("Secret {key} of `spec.secretRef` does not exist")),
            Err(error) => Err(format!("Secret {key} of `spec.secretRef` cannot be read: {error}")),
        }
    }
}

impl Connect for ConnectBySecret {
    fn connect<'a>(&'a self, cluster: &'a Cluster) -> BoxFuture<'a, Result<ClusterApi, String>> {
        Box::pin(async move {
            let endpoint =
                cluster.spec.api_endpoint.as_deref().filter(|endpoint| !endpoint.is_empty()).ok_or("`spec.apiEndpoint` is empty")?;
            let uri: http::Uri = endpoint.parse().map_err(|error| format!("`spec.apiEndpoint` `{endpoint}` is not a URL: {error}"))?;
            let secret = self.secret(cluster).await?;
            let mut config = kube::Config::new(uri);
            config.accept_invalid_certs = cluster.spec.insecure_skip_tls_verification;
            config.connect_timeout = Some(Duration::from_secs(5));
            config.proxy_url = proxy(cluster)?;
            config.headers.push((http::header::USER_AGENT, http::HeaderValue::from_static(FIELD_MANAGER)));
            if let Some(secret) = &secret {
                let token = secret_text(secret, "token")?.ok_or("the Secret of `spec.secretRef` has no `token`")?;
                config.auth_info.token = Some(token.into());
                if let Some(bundle) = secret_text(secret, "caBundle")? {
                    config.root_cert = Some(certificates(&bundle)?);
                }
            }
            let client = kube::Client::try_from(config).map_err(|error| format!("no client for `{endpoint}`: {error}"))?;
            Ok(ClusterApi::new(client, MEMBER_DEADLINE))
        })
    }
}

/// The proxy that leads to the cluster. Its URL may hold a password: no message repeats it.
fn proxy(cluster: &Cluster) -> Result<Option<http::Uri>, String> {
    let spec = &cluster.spec;
    let Some(url) = spec.proxy_url.as_deref().filter(|url| !url.is_empty()) else { return Ok(None) };
    if spec.proxy_header.as_ref().is_some_and(|headers| !headers.is_empty()) {
        return Err("`spec.proxyHeader` is not supported: give user and password in `spec.proxyURL`".to_owned());
    }
    let uri: http::Uri = url.parse().map_err(|error| format!("`spec.proxyURL` is not a URL: {error}"))?;
    match uri.scheme_str() {
        Some("http" | "https" | "socks5") => Ok(Some(uri)),
        _ => Err("`spec.proxyURL` has another scheme than `http`, `https` or `socks5`".to_owned()),
    }
}

/// Where Secrets are served.
pub fn secrets() -> Resource {
    Resource {
        group: String::new(),
        version: "v1".into(),
        kind: "Secret".into(),
        plural: "secrets".into(),
        namespaced: true,
        has_status: false,
    }
}

fn secret_text(secret: &Object, key: &str) -> Result<Option<String>, String> {
    let Some(encoded) = secret.at(&["data", key]).and_then(|value| value.as_str()) else { return Ok(None) };
    let bytes: k8s_openapi::ByteString =
        serde_json::from_value(encoded.into()).map_err(|_| format!("`data.{key}` of the Secret is not base64"))?;
    let text = String::from_utf8(bytes.0).map_err(|_| format!("`data.{key}` of the Secret is not text"))?;
    Ok(Some(text).filter(|text| !text.is_empty()))
}

fn certificates(bundle: &str) -> Result<Vec<Vec<u8>>, String> {
    use rustls_pki_types::{CertificateDer, pem::PemObject};
    let parsed: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(bundle.as_bytes()).map(|found| found.map(|der| der.to_vec())).collect();
    parsed.map_err(|error| format!("`data.caBundle` of the Secret is not PEM: {error}"))
}

/// Reaches some members without a socket (those of an embedded sandbox), the others by another way.
pub struct ConnectInProcess<C> {
    clients: HashMap<String, kube::Client>,
    otherwise: C,
}

impl<C> ConnectInProcess<C> {
    /// `clients` by name of the cluster.
    pub fn new(clients: HashMap<String, kube::Client>, otherwise: C) -> Self {
        Self { clients, otherwise }
    }
}

impl<C: Connect> Connect for ConnectInProcess<C> {
    fn connect<'a>(&'a self, cluster: &'a Cluster) -> BoxFuture<'a, Result<ClusterApi, String>> {
        match self.clients.get(cluster.name()) {
            Some(client) => Box::pin(std::future::ready(Ok(ClusterApi::new(client.clone(), MEMBER_DEADLINE)))),
            None => self.otherwise.connect(cluster),
        }
    }
}

/// What hears of changes in members: cluster, resource, change. Only enqueues.
pub type MemberListener = Arc<dyn Fn(&str, &Resource, &Change) + Send + Sync>;

/// One member that has been connected to.
pub struct Member {
    /// Its name.
    pub name: String,
    /// Its API.
    pub api: ClusterApi,
    /// What of the Cluster object the connection was made from.
    connected_by: String,
    served: SharedServed,
    stores: Mutex<BTreeMap<Resource, Arc<Store>>>,
    listener: MemberListener,
}

impl Member {
    /// What it serves; `None` while that is not known.
    pub fn served(&self) -> Option<Arc<Served>> {
        self.served.get()
    }

    /// Replaces what it serves; says whether that changed anything.
    pub fn set_served(&self, served: Served) -> bool {
        self.served.set(served)
    }

    /// The managed objects of one resource; the watch starts with the first call.
    pub fn store(&self, resource: &Resource) -> Arc<Store> {
        let mut stores = self.stores.lock().expect("no code panics while it holds the stores");
        if let Some(store) = stores.get(resource) {
            return store.clone();
        }
        let (listener, cluster, watched) = (self.listener.clone(), self.name.clone(), resource.clone());
        let store = Store::new(resource.clone(), &self.name, crate::store::no_index, move |change| listener(&cluster, &watched, change));
        store.follow_labelled(&self.api, None, &format!("{}=true", labels::MANAGED));
        stores.insert(resource.clone(), store.clone());
        store
    }

    fn watches(&self) -> Vec<Watch> {
        self.stores.lock().expect("no code panics while it holds the stores").values().map(|store| store.observe_watch(false)).collect()
    }

    fn stop(&self) {
        let stores = std::mem::take(&mut *self.stores.lock().expect("no code panics while it holds the stores"));
        stores.values().for_each(|store| store.stop());
    }
}

/// All members that are connected.
pub struct Members {
    control: ClusterApi,
    connect: Box<dyn Connect>,
    listener: MemberListener,
    connected: RwLock<HashMap<String, Arc<Member>>>,
}

impl Members {
    /// None yet. Writes to members pass the gate of `control`.
    pub fn new(control: ClusterApi, connect: Box<dyn Connect>, listener: MemberListener) -> Self {
        Self { control, connect, listener, connected: RwLock::default() }
    }

    /// The member of this name, if it is connected.
    pub fn get(&self, name: &str) -> Option<Arc<Member>> {
        self.connected.read().expect("no code panics while it holds the members").get(name).cloned()
    }

    /// The watches of propagated objects in all members.
    pub fn watches(&self) -> Vec<Watch> {
        let connected = self.connected.read().expect("no code panics while it holds the members");
        connected.values().flat_map(|member| member.watches()).collect()
    }

    /// The member of this Cluster object; connects anew when its endpoint, Secret reference or identity changed.
    pub async fn connect(&self, cluster: &Cluster) -> Result<Arc<Member>, String> {
        let connected_by = connection_of(cluster);
        if let Some(member) = self.get(cluster.name()).filter(|member| member.connected_by == connected_by) {
            return Ok(member);
        }
        let api = self.connect.connect(cluster).await?.as_member_of(&self.control);
        let member = Arc::new(Member {
            name: cluster.name().to_owned(),
            api,
            connected_by,
            served: SharedServed::default(),
            stores: Mutex::default(),
            listener: self.listener.clone(),
        });
        let old = self.connected.write().expect("no code panics while it holds the members").insert(member.name.clone(), member.clone());
        if let Some(old) = old {
            old.stop();
        }
        Ok(member)
    }

    /// Forgets the connection, so that the next use makes a new one (a token may have been replaced).
    pub fn disconnect(&self, name: &str) {
        let old = self.connected.write().expect("no code panics while it holds the members").remove(name);
        if let Some(old) = old {
            old.stop();
        }
    }
}

fn connection_of(cluster: &Cluster) -> String {
    let spec = &cluster.spec;
    let secret = spec.secret_ref.as_ref().map(|secret| format!("{}/{}", secret.namespace, secret.name));
    let uid = cluster.metadata.uid.as_deref().unwrap_or_default();
    let proxy = (&spec.proxy_url, &spec.proxy_header);
    format!("{uid} {:?} {secret:?} {} {proxy:?}", spec.api_endpoint, spec.insecure_skip_tls_verification)
}
