//! What an HTTP request asks for: path, query and headers read into one value. Decides nothing about whether it may be done.

use crate::registry::ResourceType;
use axum::body::Bytes;
use axum::extract::Query;
use http::{HeaderMap, Method, Uri, header};
use percent_encoding::percent_decode_str;
use std::sync::Arc;

/// What is to be done with a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Verb {
    /// Read one object.
    Get,
    /// Read a collection.
    List,
    /// Follow a collection.
    Watch,
    /// Make an object.
    Create,
    /// Replace an object.
    Update,
    /// Change an object.
    Patch,
    /// Remove an object.
    Delete,
    /// Remove a collection.
    DeleteCollection,
}

impl Verb {
    /// As audit logs and roles name it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::List => "list",
            Self::Watch => "watch",
            Self::Create => "create",
            Self::Update => "update",
            Self::Patch => "patch",
            Self::Delete => "delete",
            Self::DeleteCollection => "deletecollection",
        }
    }

    /// Whether it only reads.
    pub fn is_read(self) -> bool {
        matches!(self, Self::Get | Self::List | Self::Watch)
    }

    fn of(method: &Method, named: bool, watch: bool) -> Option<Self> {
        Some(match (method.as_str(), named) {
            ("GET", true) => Self::Get,
            ("GET", false) if watch => Self::Watch,
            ("GET", false) => Self::List,
            ("POST", _) => Self::Create,
            ("PUT", true) => Self::Update,
            ("PATCH", true) => Self::Patch,
            ("DELETE", true) => Self::Delete,
            ("DELETE", false) => Self::DeleteCollection,
            _ => return None,
        })
    }
}

/// Which resource a path names.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Target {
    /// API group, empty for core.
    pub group: String,
    /// Version.
    pub version: String,
    /// Plural, empty for the version itself.
    pub plural: String,
    /// Namespace in the path.
    pub namespace: Option<String>,
    /// Name in the path.
    pub name: Option<String>,
    /// What follows the name.
    pub subresource: Option<String>,
}

impl Target {
    /// Whether it is where pods are bound whose names are in the body.
    pub fn is_bindings(&self) -> bool {
        self.group.is_empty() && self.plural == "bindings" && self.namespace.is_some() && self.name.is_none()
    }

    /// `None` for a path that is not of the resource API.
    pub fn parse(path: &str) -> Option<Self> {
        // An empty namespace is none: what follows is of all of them.
        let path = path.replace("/namespaces//", "/");
        let segments: Vec<String> = path.trim_end_matches('/').split('/').skip(1).map(decode).collect();
        let mut rest = segments.into_iter();
        let (group, version) = match rest.next()?.as_str() {
            "api" => (String::new(), rest.next()?),
            "apis" => (rest.next()?, rest.next()?),
            _ => return None,
        };
        let mut target = Self { group, version, ..Self::default() };
        let rest: Vec<String> = rest.collect();
        let mut rest = rest.as_slice();
        if let [first, namespace, plural, ..] = rest
            && first == "namespaces"
            && !["status", "finalize"].contains(&plural.as_str())
        {
            target.namespace = Some(namespace.clone());
            rest = &rest[2..];
        }
        let mut rest = rest.iter().cloned();
        target.plural = rest.next().unwrap_or_default();
        target.name = rest.next();
        let subresource: Vec<_> = rest.collect();
        target.subresource = (!subresource.is_empty()).then(|| subresource.join("/"));
        Some(target)
    }
}

fn decode(segment: &str) -> String {
    percent_decode_str(segment).decode_utf8_lossy().into_owned()
}

/// The query of a request.
#[derive(Debug, Clone, Default)]
pub struct Params(Vec<(String, String)>);

impl Params {
    /// From the part of the URI behind `?`.
    pub fn parse(uri: &Uri) -> Self {
        Self(Query::try_from_uri(uri).map(|Query(pairs)| pairs).unwrap_or_default())
    }

    /// The first value of a parameter that is not empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, value)| key == name && !value.is_empty()).map(|(_, value)| value.as_str())
    }

    /// All values of a parameter.
    pub fn all(&self, name: &str) -> Vec<&str> {
        self.0.iter().filter(|(key, _)| key == name).map(|(_, value)| value.as_str()).collect()
    }

    /// Whether a parameter is there at all.
    pub fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(key, _)| key == name)
    }

    /// Whether a parameter is set to something true.
    pub fn flag(&self, name: &str) -> bool {
        self.get(name).is_some_and(|value| !["false", "0", "f", "F", "False", "FALSE"].contains(&value))
    }

    /// Whether nothing is to be stored.
    pub fn dry_run(&self) -> bool {
        self.get("dryRun").is_some()
    }
}

/// Who asks. Everyone who has the token may do everything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// User name.
    pub name: String,
    /// Groups.
    pub groups: Vec<String>,
}

impl Default for User {
    fn default() -> Self {
        Self { name: "kubernetes-admin".into(), groups: vec!["system:masters".into(), "system:authenticated".into()] }
    }
}

/// One request to a known resource.
#[derive(Debug)]
pub struct Call {
    /// What to do.
    pub verb: Verb,
    /// The type.
    pub of: Arc<ResourceType>,
    /// What the path names.
    pub target: Target,
    /// The query.
    pub params: Params,
    /// `Accept`.
    pub accept: String,
    /// `Content-Type`, without its parameters.
    pub content_type: String,
    /// First part of `User-Agent`, without its version: who is counted, and the field manager where none is named.
    pub agent: String,
    /// Who asks.
    pub user: User,
    /// The body.
    pub body: Bytes,
    /// `Warning:` headers of the answer.
    pub warnings: Vec<String>,
}

impl Call {
    /// `None` where the method does not fit the path.
    pub fn new(method: &Method, uri: &Uri, headers: &HeaderMap, body: Bytes, target: Target, of: Arc<ResourceType>) -> Option<Self> {
        let params = Params::parse(uri);
        let verb = Verb::of(method, target.name.is_some(), params.flag("watch"))?;
        let content_type = header_text(headers, header::CONTENT_TYPE);
        Some(Self {
            verb,
            of,
            target,
            params,
            accept: header_text(headers, header::ACCEPT).to_owned(),
            content_type: content_type.split(';').next().unwrap_or("").trim().to_ascii_lowercase(),
            agent: agent(headers),
            user: User::default(),
            body,
            warnings: Vec::new(),
        })
    }

    /// Who is recorded as the writer of fields.
    pub fn manager(&self) -> &str {
        self.params.get("fieldManager").unwrap_or(&self.agent)
    }

    /// The subresource, empty for the object itself.
    pub fn subresource(&self) -> &str {
        self.target.subresource.as_deref().unwrap_or("")
    }

    /// The name in the path, empty for collections.
    pub fn name(&self) -> &str {
        self.target.name.as_deref().unwrap_or("")
    }
}

fn header_text(headers: &HeaderMap, name: header::HeaderName) -> &str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("")
}

/// `kubectl` of `kubectl/v1.32 (linux/amd64) …`.
pub fn agent(headers: &HeaderMap) -> String {
    let agent = header_text(headers, header::USER_AGENT);
    let agent = agent.split('/').next().unwrap_or("");
    if agent.is_empty() { "unknown".to_owned() } else { agent.chars().take(128).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(path: &str) -> (String, String, String, String, String, String) {
        let target = Target::parse(path).unwrap();
        let blank = Option::unwrap_or_default;
        (target.group, target.version, blank(target.namespace), target.plural, blank(target.name), blank(target.subresource))
    }

    fn strings(texts: [&str; 6]) -> (String, String, String, String, String, String) {
        let [a, b, c, d, e, f] = texts.map(str::to_owned);
        (a, b, c, d, e, f)
    }

    #[test]
    fn paths_name_resources() {
        assert_eq!(parsed("/api/v1/namespaces"), strings(["", "v1", "", "namespaces", "", ""]));
        assert_eq!(parsed("/api/v1/namespaces/shop"), strings(["", "v1", "", "namespaces", "shop", ""]));
        assert_eq!(parsed("/api/v1/namespaces/shop/finalize"), strings(["", "v1", "", "namespaces", "shop", "finalize"]));
        assert_eq!(parsed("/api/v1/namespaces/shop/pods/a/log"), strings(["", "v1", "shop", "pods", "a", "log"]));
        assert_eq!(parsed("/apis/apps/v1/namespaces/x/deployments"), strings(["apps", "v1", "x", "deployments", "", ""]));
        assert_eq!(parsed("/apis/r/v1/clusterroles/system%3Ax"), strings(["r", "v1", "", "clusterroles", "system:x", ""]));
        assert_eq!(Target::parse("/healthz"), None);
        assert_eq!(Target::parse("/apis/apps"), None);
    }

    #[test]
    fn the_agent_is_the_program_without_its_version() {
        let mut headers = HeaderMap::new();
        assert_eq!(agent(&headers), "unknown");
        headers.insert(header::USER_AGENT, "kubectl/v1.32.4 (linux/amd64)".parse().unwrap());
        assert_eq!(agent(&headers), "kubectl");
    }
}
