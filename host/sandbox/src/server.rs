//! One API server: its parts, and the way of a request through them.

use crate::admission::Admission;
use crate::counts::{WriteCounts, WriteKey};
use crate::definitions::{self, status::Taken};
use crate::discovery;
use crate::faults::{FaultState, Faults};
use crate::handlers::{self, body, reviews};
use crate::negotiation;
use crate::openapi;
use crate::options;
use crate::registry::{Registry, ResourceType};
use crate::request::{Call, Params, Target, User, Verb, agent};
use crate::response;
use crate::status::{ApiError, FieldError, FieldReason};
use crate::storage::{Key, Store};
use crate::writes::{self, Write};
use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::response::Response;
use http::request::Parts;
use http::{Method, header};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::{Arc, RwLock};
use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime};

/// Largest request body, in bytes: 3 MiB, as in the real server.
const BODY: usize = 3 * 1024 * 1024;

/// What differs between servers.
#[derive(Debug, Clone, Default)]
pub struct ServerOptions {
    /// Name of the cluster, for messages and logs.
    pub name: String,
    /// Certificate authority (PEM) that each namespace gets in its ConfigMap `kube-root-ca.crt`; `None` for no such ConfigMap.
    pub root_ca: Option<String>,
    /// Token that Secrets of service accounts are filled with; `None` for Secrets that stay empty.
    pub token: Option<String>,
}

/// One cluster's API server, in memory. Clones are the same server.
#[derive(Clone)]
pub struct ApiServer(Arc<Shared>);

struct Shared {
    options: ServerOptions,
    store: Store,
    registry: Registry,
    admission: RwLock<Option<Arc<dyn Admission>>>,
    faults: FaultState,
    counts: WriteCounts,
    stop: tokio::sync::watch::Sender<bool>,
}

impl std::fmt::Debug for ApiServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ApiServer {}", self.0.options.name)
    }
}

impl ApiServer {
    /// A server of the built-in types, without objects or controllers: see [`crate::lifecycle::start`].
    pub fn new(options: ServerOptions) -> Self {
        Self::with_registry(options, Registry::new())
    }

    /// A server of other types.
    pub fn with_registry(options: ServerOptions, registry: Registry) -> Self {
        Self(Arc::new(Shared {
            options,
            registry,
            store: Store::default(),
            admission: RwLock::default(),
            faults: FaultState::default(),
            counts: WriteCounts::default(),
            stop: tokio::sync::watch::Sender::new(false),
        }))
    }

    /// Name of the cluster.
    pub fn name(&self) -> &str {
        &self.0.options.name
    }

    /// The options it was made with.
    pub fn options(&self) -> &ServerOptions {
        &self.0.options
    }

    /// Has every create, update and delete from now on reviewed; `None` for no review.
    pub fn set_admission(&self, admission: Option<Arc<dyn Admission>>) {
        *self.0.admission.write().expect("no code panics while it holds the admission") = admission;
    }

    /// Makes the server misbehave from now on.
    pub fn set_faults(&self, faults: Faults) {
        self.0.faults.set(faults);
    }

    /// How often which writes were done, by whom.
    pub fn write_counts(&self) -> BTreeMap<WriteKey, u64> {
        self.0.counts.get()
    }

    /// Ends all watches and controllers; requests are still answered.
    pub fn stop(&self) {
        self.0.stop.send_replace(true);
    }

    /// The HTTP service, without authentication.
    pub fn router(&self) -> Router {
        Router::new().fallback(handle).with_state(self.clone())
    }

    pub(crate) fn store(&self) -> &Store {
        &self.0.store
    }

    pub(crate) fn registry(&self) -> &Registry {
        &self.0.registry
    }

    pub(crate) fn admission(&self) -> Option<Arc<dyn Admission>> {
        self.0.admission.read().expect("no code panics while it holds the admission").clone()
    }

    pub(crate) fn faults(&self) -> Faults {
        self.0.faults.get()
    }

    /// Waits until the faults change.
    pub(crate) async fn faults_changed(&self) {
        // An error means that the server is gone, and with it whoever waits.
        let _ = self.0.faults.subscribe().changed().await;
    }

    /// Waits until the server is stopped.
    pub(crate) async fn stopped(&self) {
        let _ = self.0.stop.subscribe().wait_for(|stopped| *stopped).await;
    }

    /// Now, as objects carry it.
    pub(crate) fn now(&self) -> String {
        self.time_after(0)
    }

    /// Some seconds from now, as objects carry it.
    pub(crate) fn time_after(&self, seconds: i64) -> String {
        let time = OffsetDateTime::now_utc().replace_nanosecond(0).expect("0 is a nanosecond") + Duration::seconds(seconds);
        time.format(&Rfc3339).expect("times of this era have an RFC 3339 form")
    }

    /// Now, in Unix seconds.
    pub(crate) fn unix_now(&self) -> i64 {
        OffsetDateTime::now_utc().unix_timestamp()
    }

    /// Serves what a stored CustomResourceDefinition defines, and says so in its status. A definition that is being deleted serves on
    /// until its objects are gone.
    pub(crate) fn accept_definition(&self, name: &str) {
        let (types, user) = (self.registry().types(), User::default());
        let Some(of) = types.stored_as(&definitions::STORED_AS.into()) else { return };
        let stored = || self.store().get(&of.stored_as, &Key::new("", name));
        let (entry, mut definition) = loop {
            let Some(entry) = stored() else { return self.registry().set_custom(name, Vec::new()) };
            let definition = entry.value();
            let status = self.status_of(of, &definition);
            let is_served = definitions::status::is_established(&status);
            if is_served && !entry.facts.is_going && self.registry().types().stored_as(&name.into()).is_none() {
                self.store().begin_history(&name.into());
            }
            self.registry().set_custom(name, if is_served { definitions::served_types(&definition) } else { Vec::new() });
            // Whoever wrote it in between may have said first what is served.
            if stored().is_some_and(|now| now.revision == entry.revision) {
                break (entry, definition);
            }
        };
        let status = self.status_of(of, &definition);
        if definition["status"] == status {
            return;
        }
        definition["status"] = status;
        let write = Write { subresource: "status", ..Write::internal(of, None, &user) };
        // This comes back here for what is then stored; someone who wrote in between does so too.
        if let Err(error) = writes::update(self, &write, &entry, definition, &mut Vec::new()) {
            tracing::warn!(definition = name, error = error.message, "status of a definition not written");
        }
    }

    fn status_of(&self, of: &ResourceType, definition: &Value) -> Value {
        let all: Vec<Value> = self.store().list(&of.stored_as, None).entries.iter().map(|entry| entry.value()).collect();
        definitions::status::looked_at(definition, &Taken::by_others(definition, all.iter()), &self.now())
    }

    async fn answer(&self, request: Request) -> Result<Response, ApiError> {
        let (parts, body) = request.into_parts();
        let body = to_bytes(body, BODY).await.map_err(|_| ApiError::too_large())?;
        let path = parts.uri.path().to_owned();
        let reads = parts.method == Method::GET || parts.method == Method::HEAD;
        if let Some(answer) = self.fixed(&parts, &path) {
            // Most of what is no resource answers whatever the method.
            return if reads || !["/api", "/version"].contains(&path.trim_end_matches('/')) { answer } else { Err(ApiError::no_method()) };
        }
        if path.starts_with("//") {
            return Ok(not_found_page());
        }
        let watched = path.replacen("/watch/", "/", 1);
        let is_old_watch = watched != path && (path.starts_with("/api/") || path.starts_with("/apis/"));
        if is_old_watch && let Some(target) = Target::parse(&watched) {
            if parts.method != Method::GET {
                return Err(ApiError::no_method());
            }
            return self.resource(&parts, body, target, true);
        }
        let Some(target) = Target::parse(&path) else { return Ok(not_found_page()) };
        if target.plural.is_empty() && target.name.is_none() {
            return match discovery::version(self, accept_of(&parts), &target.group, &target.version) {
                Some(_) if !reads && self.has_group(&target.group) => Err(ApiError::no_method()),
                Some(answer) => answer,
                None if self.has_group(&target.group) => Err(ApiError::no_resource()),
                None => Ok(not_found_page()),
            };
        }
        self.resource(&parts, body, target, false)
    }

    /// Paths that are not of the resource API.
    fn fixed(&self, parts: &Parts, path: &str) -> Option<Result<Response, ApiError>> {
        if let Some((_, check)) = ["/healthz/", "/livez/", "/readyz/"].iter().find_map(|probe| path.split_once(probe)) {
            return Some(Ok(discovery::check(check).unwrap_or_else(not_found_page)));
        }
        let accept = accept_of(parts);
        let path = if path.len() > 1 { path.trim_end_matches('/') } else { path };
        match path {
            "/" => Some(Ok(discovery::root(self))),
            "/version" => Some(Ok(discovery::server_version())),
            "/healthz" | "/livez" | "/readyz" => Some(Ok(discovery::health(&Params::parse(&parts.uri), path))),
            "/api" => Some(discovery::core(self, accept)),
            "/apis" => Some(discovery::groups(self, accept)),
            "/openapi/v2" => Some(Ok(openapi::legacy())),
            "/openapi/v3" => Some(Ok(openapi::index(self))),
            _ if path.starts_with("/version/") => Some(Err(ApiError::no_resource())),
            _ => {
                if let Some(document) = path.strip_prefix("/openapi/v3/") {
                    return Some(Ok(openapi::document(self, document).unwrap_or_else(response::nothing)));
                }
                discovery::group(self, accept, path.strip_prefix("/apis/").filter(|group| !group.contains('/'))?)
            }
        }
    }

    fn resource(&self, parts: &Parts, body: Bytes, target: Target, watches: bool) -> Result<Response, ApiError> {
        if let Some(of) = reviews::type_of(&target.group, &target.version, &target.plural) {
            return self.review(parts, body, target, of);
        }
        if target.is_bindings() && parts.method != Method::POST {
            return Err(ApiError::no_method());
        }
        let target =
            if target.is_bindings() && parts.method == Method::POST { handlers::pods::bound_pod(parts, &body, target)? } else { target };
        let types = self.registry().types();
        let Some(of) = types.find(&target.group, &target.version, &target.plural) else {
            return if self.has_group(&target.group) { Err(ApiError::no_resource()) } else { Ok(not_found_page()) };
        };
        let is_of_namespace = target.namespace.is_some();
        let call = Call::new(&parts.method, &parts.uri, &parts.headers, body, target, of.clone());
        let mut call = call.ok_or_else(ApiError::no_method)?;
        if watches {
            call.verb = Verb::Watch;
        }
        let across = matches!(call.verb, Verb::List | Verb::Watch);
        if call.of.custom.is_some() && (is_of_namespace != call.of.namespaced) && (is_of_namespace || !across) {
            return Ok(not_found_page());
        }
        options::timeout(&call)?;
        if self.faults().read_only && !call.verb.is_read() {
            return Err(ApiError::unavailable("the server is read-only"));
        }
        let answer = handlers::dispatch(self, &mut call);
        if answer.is_ok() && !call.verb.is_read() && !call.params.dry_run() {
            self.count(&call);
        }
        let mut response = answer.unwrap_or_else(|error| response::refusal(&error));
        let deprecation: Vec<String> = call.of.deprecation().into_iter().collect();
        response::warn(&mut response, &deprecation);
        response::warn(&mut response, &call.warnings);
        Ok(response)
    }

    fn count(&self, call: &Call) {
        let mut resource = call.of.qualified();
        if !call.subresource().is_empty() {
            resource = format!("{resource}/{}", call.subresource());
        }
        self.0.counts.add(WriteKey { verb: call.verb, resource, agent: call.agent.clone() });
    }

    /// Whether a group is one of the server's own, of which it answers unknown resources with a Status.
    fn has_group(&self, group: &str) -> bool {
        self.registry().types().is_built_in(group) || !reviews::of_group(group).is_empty()
    }

    fn review(&self, parts: &Parts, sent: Bytes, target: Target, of: Arc<ResourceType>) -> Result<Response, ApiError> {
        if target.name.is_some() || of.namespaced != target.namespace.is_some() {
            return Err(ApiError::no_resource());
        }
        let mut call = Call::new(&parts.method, &parts.uri, &parts.headers, sent, target, of.clone()).ok_or_else(ApiError::no_method)?;
        if call.verb != Verb::Create {
            return Err(ApiError::no_method());
        }
        if negotiation::form(&call)? != negotiation::Form::Object {
            return Err(ApiError::not_acceptable());
        }
        options::of_write(&call)?;
        let mut review = body::object(&mut call)?;
        body::is_in_namespace(&call, &review)?;
        if let Some(namespace) = &call.target.namespace {
            review["metadata"]["namespace"] = namespace.as_str().into();
        }
        let manager = call.manager().to_owned();
        let is_named = review["metadata"]["name"].as_str().is_some_and(|name| !name.is_empty());
        if is_named && of.group == "authorization.k8s.io" {
            writes::track_posted(self, &mut review, &manager, "");
            let (value, detail) = (review["metadata"].to_string(), "must be empty".to_owned());
            let error = FieldError { reason: FieldReason::Invalid, field: "metadata".into(), value, detail };
            return Err(ApiError::invalid(&of.group, "", "", &[error]));
        }
        let mut answer = reviews::answer(self, &of, review, &User::default())?;
        writes::track_posted(self, &mut answer, &manager, "");
        let mut response = response::json(201, crate::represent::bytes(&answer));
        response::warn(&mut response, &call.warnings);
        Ok(response)
    }
}

fn accept_of(parts: &Parts) -> &str {
    parts.headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or("")
}

fn not_found_page() -> Response {
    response::text(404, "404 page not found\n")
}

async fn handle(State(server): State<ApiServer>, request: Request) -> Response {
    let faults = server.faults();
    if !faults.latency.is_zero() {
        tokio::time::sleep(faults.latency).await;
    }
    if server.faults().unreachable {
        return unreachable_response();
    }
    if let Some(pause) = faults.throttled {
        return response::refusal(&ApiError::too_many_requests(pause.as_secs().max(1)));
    }
    if faults.error_rate > 0.0 && server.0.faults.fails_now(faults.error_rate) {
        return response::refusal(&ApiError::internal("this request was chosen to fail"));
    }
    let seen =
        tracing::enabled!(tracing::Level::TRACE).then(|| (request.method().clone(), request.uri().clone(), agent(request.headers())));
    let wants_yaml = request.headers().get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).is_some_and(negotiation::wants_yaml);
    let mut response = server.answer(request).await.unwrap_or_else(|error| response::refusal(&error));
    if wants_yaml {
        response = response::in_yaml(response).await;
    }
    if let Some((method, uri, agent)) = seen {
        tracing::trace!(cluster = server.name(), %method, %uri, agent, code = response.status().as_u16(), "request");
    }
    response
}

/// What stands for no answer at all: a body that breaks off, so that the client sees a broken connection.
fn unreachable_response() -> Response {
    let broken = futures::stream::once(async { Err::<Bytes, _>(std::io::Error::from(std::io::ErrorKind::ConnectionReset)) });
    response::with_type(503, "text/plain; charset=utf-8", Body::from_stream(broken))
}
