//! The arrows of ARCHITECTURE.md, read from the crates' own manifests.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Crate, and the crates of ours that it may depend on.
const ARROWS: [(&str, &[&str]); 8] = [
    ("host/api", &[]),
    ("host/core", &["flotilla-api"]),
    ("host/interpreter", &["flotilla-api"]),
    ("host/controllers", &["flotilla-api", "flotilla-core", "flotilla-interpreter"]),
    ("host/webhook", &["flotilla-api", "flotilla-core", "flotilla-interpreter"]),
    ("host/sandbox", &["flotilla-api"]),
    ("sdk/build", &[]),
    ("sdk/rust", &["flotilla-sdk-derive"]),
];

/// Libraries that only some crates may name.
const ONLY_IN: [(&str, &[&str]); 3] = [
    ("wasmtime", &["host/interpreter"]),
    ("kube", &["host/controllers", "host/sandbox", "host/flotilla", "tests"]),
    ("axum", &["host/sandbox", "host/webhook", "tests"]),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ is in the workspace").to_owned()
}

fn dependencies(krate: &str) -> BTreeSet<String> {
    let path = root().join(krate).join("Cargo.toml");
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let manifest: toml::Table = text.parse().expect("a manifest is TOML");
    manifest.get("dependencies").and_then(toml::Value::as_table).into_iter().flat_map(|table| table.keys().cloned()).collect()
}

#[test]
fn arrows_point_down() {
    for (krate, allowed) in ARROWS {
        let ours: BTreeSet<String> = dependencies(krate).into_iter().filter(|name| name.starts_with("flotilla")).collect();
        let surplus: Vec<&String> = ours.iter().filter(|name| !allowed.contains(&name.as_str())).collect();
        assert!(surplus.is_empty(), "{krate} may not depend on {surplus:?}; ARCHITECTURE.md has the table");
    }
}

#[test]
fn libraries_stay_in_their_rooms() {
    let crates =
        ["host/api", "host/core", "host/interpreter", "host/controllers", "host/webhook", "host/sandbox", "host/flotilla", "tests"];
    for (library, rooms) in ONLY_IN {
        for krate in crates.into_iter().filter(|krate| !rooms.contains(krate)) {
            assert!(!dependencies(krate).contains(library), "{krate} may not name {library}; it belongs to {rooms:?}");
        }
    }
}

#[test]
fn built_in_plugins_are_written_with_nothing_but_the_sdk() {
    let plugins = std::fs::read_dir(root().join("plugins")).expect("plugins/ is in the checkout");
    let mut seen = 0;
    for entry in plugins.filter_map(Result::ok).filter(|entry| entry.path().join("src/lib.rs").exists()) {
        let name = format!("plugins/{}", entry.file_name().to_string_lossy());
        let surplus: Vec<String> = dependencies(&name).into_iter().filter(|library| library != "flotilla-sdk").collect();
        assert!(surplus.is_empty(), "{name} names {surplus:?}; what a plugin needs belongs into the SDK");
        seen += 1;
    }
    assert!(seen >= 3, "only {seen} built-in plugins found");
}

#[test]
fn rooms_have_names_that_say_something() {
    let mut stack = vec![root().join("host"), root().join("sdk"), root().join("plugins")];
    let mut seen = 0;
    while let Some(folder) = stack.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder of the checkout").filter_map(Result::ok) {
            let path = entry.path();
            let name = entry.file_name().to_string_lossy().into_owned();
            if path.is_dir() && name != "target" {
                stack.push(path);
            } else if let Some(stem) = name.strip_suffix(".rs") {
                seen += 1;
                let says_nothing = ["util", "utils", "common", "helper", "helpers", "misc", "manager"].contains(&stem);
                assert!(!says_nothing, "{} says nothing about what is in it", path.display());
                let first = std::fs::read_to_string(&path).expect("a source file").lines().next().unwrap_or_default().to_owned();
                assert!(
                    first.starts_with("//!") || first.starts_with("#!"),
                    "{}: the first line must say what the file is for",
                    path.display()
                );
            }
        }
    }
    assert!(seen > 50, "only {seen} source files found");
}
