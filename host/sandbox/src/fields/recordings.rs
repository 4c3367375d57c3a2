//! Recordings of a real API server, and CRDs of other projects, where they lie beside the repository (or beside the folder of its
//! worktrees). Tests that want them print a line and pass where they are absent.

use serde_json::Value;
use std::path::PathBuf;

/// One request and its answer.
pub struct Exchange {
    pub step: String,
    pub method: String,
    pub path: String,
    pub content_type: String,
    pub body: Value,
    pub status: u64,
    pub answer: Value,
}

impl Exchange {
    /// A parameter of the query.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        let (_, query) = self.path.split_once('?')?;
        query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
    }

    /// The path without its query.
    pub fn resource(&self) -> &str {
        self.path.split('?').next().unwrap_or(&self.path)
    }
}

fn root() -> Option<PathBuf> {
    let repository = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..");
    let found = ["../shared/fixtures", "../../shared/fixtures"].map(|place| repository.join(place)).into_iter().find(|path| path.is_dir());
    if found.is_none() {
        println!("skipped: no recordings beside the repository");
    }
    found
}

/// The traffic of `control-plane` or `member`, in order; nothing where it is not recorded.
pub fn exchanges(server: &str) -> Vec<Exchange> {
    let Some(root) = root() else { return Vec::new() };
    let path = root.join(format!("kubernetes-1.35/kubectl-{server}.ndjson"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    text.lines().map(|line| exchange(serde_json::from_str(line).expect("one JSON value per line"))).collect()
}

fn exchange(mut line: Value) -> Exchange {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    Exchange {
        step: text(&line["step"]),
        method: text(&line["method"]),
        path: text(&line["path"]),
        content_type: text(&line["request"]["Content-Type"]),
        status: line["status"].as_u64().unwrap_or_default(),
        body: line["body"].take(),
        answer: line["answer"].take(),
    }
}

/// A file of the fixtures as YAML.
pub fn yaml(path: &str) -> Option<Value> {
    let text = std::fs::read_to_string(root()?.join(path)).expect("a file of the fixtures");
    Some(serde_saphyr::from_str(&text).expect("YAML"))
}

/// All CRDs of the fixtures.
pub fn definitions() -> Vec<Value> {
    let Some(root) = root() else { return Vec::new() };
    let folders = ["karmada-crds", "kruise-crds"].into_iter().flat_map(|folder| {
        let mut paths: Vec<_> =
            std::fs::read_dir(root.join(folder)).expect("a folder of CRDs").map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        paths
    });
    folders.map(|path| serde_saphyr::from_str(&std::fs::read_to_string(path).unwrap()).expect("YAML")).collect()
}

/// The schema of a version of a definition.
pub fn schema_of<'a>(definition: &'a Value, version: &str) -> &'a Value {
    let versions = definition["spec"]["versions"].as_array().expect("a definition has versions");
    &versions.iter().find(|of| of["name"] == version).expect("the version is there")["schema"]["openAPIV3Schema"]
}
