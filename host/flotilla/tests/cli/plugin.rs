//! `flotilla plugin`.

use crate::{flotilla, flotilla_on};
use serde_json::json;

const CLONESET: &str = "plugins/built/cloneset.wasm";

#[test]
fn inspect_tells_what_a_plugin_may_do() {
    let out = flotilla(&["plugin", "inspect", CLONESET]).done().out;
    for part in [
        "name      cloneset 0.1.0",
        "digest    sha256:",
        "fits a ConfigMap",
        "targets   apps.kruise.io/v1alpha1 CloneSet",
        "writes   /spec/replicas",
        "this host loads it (contract 1.0.0",
    ] {
        assert!(out.contains(part), "`{part}` is missing:\n{out}");
    }
    let sheet = flotilla(&["plugin", "inspect", CLONESET, "-o", "json"]).done().json();
    let hooks: Vec<_> = sheet["hooks"].as_array().expect("hooks").iter().map(|hook| hook["hook"].clone()).collect();
    assert!(hooks.contains(&json!("health")) && !hooks.contains(&json!("components")), "{hooks:?}");
    assert!(flotilla(&["plugin", "inspect", CLONESET, "--wit"]).done().out.contains("export flotilla:interpreter/health@1.0.0;"));
}

#[test]
fn a_config_map_is_made_and_can_be_looked_into() {
    let args = [
        "plugin",
        "manifest",
        CLONESET,
        "--set",
        "limits.memory=64Mi",
        "--set",
        "match.namespaces=[shop]",
        "--priority",
        "-3",
        "-o",
        "json",
    ];
    let made = flotilla(&args).done();
    let config_map = made.json();
    assert_eq!(config_map["metadata"]["name"], "cloneset-0.1.0");
    assert_eq!(config_map["metadata"]["namespace"], "flotilla-system");
    assert_eq!(config_map["metadata"]["labels"], json!({"plugin.flotilla.io/enabled": "true"}));
    assert_eq!(config_map["immutable"], true);
    let yaml = config_map["data"]["plugin.yaml"].as_str().expect("a manifest");
    assert!(yaml.contains("memory: 64Mi") && yaml.contains("priority: -3"), "{yaml}");
    let looked = flotilla_on(&["plugin", "inspect", "-", "-o", "json"], made.out.as_bytes()).done().json();
    assert_eq!(looked["digest"], config_map["metadata"]["annotations"]["plugin.flotilla.io/digest"]);
    let other = made.out.replace("\"plugin.flotilla.io/digest\": \"sha256:", "\"plugin.flotilla.io/digest\": \"sha256:0");
    flotilla_on(&["plugin", "inspect", "-"], other.as_bytes()).fails(2, "error: `-` cannot be loaded: DigestMismatch: ");
}

#[test]
fn a_config_map_that_would_be_refused_is_not_made() {
    let manifest = |more: &[&str]| flotilla(&[&["plugin", "manifest", CLONESET], more].concat());
    manifest(&["--set", "limits.cpu=5"]).fails(2, "error: `plugins/built/cloneset.wasm` cannot be loaded: BadManifest: ");
    manifest(&["--set", "limits"]).fails(2, "error: `--set limits`: there is no `=`\nhint: ");
    manifest(&["--set", "match.targets=[v1/Pod]"]).fails(2, "error: `plugins/built/cloneset.wasm` cannot be loaded: TargetNotDeclared: ");
    flotilla(&["plugin", "manifest", "Cargo.toml"]).fails(2, "error: `Cargo.toml` cannot be loaded: BadPayload: ");
}

#[test]
fn cases_go_along_and_are_run() {
    let folder = tempfile::tempdir().expect("a folder");
    let cases = folder.path().join("cases.yaml");
    let case = |replicas: i64| {
        format!(
            "name: replicas\noperation: InterpretReplica\ndesiredObj: {{apiVersion: apps.kruise.io/v1alpha1, kind: CloneSet, metadata: {{name: a}}, spec: {{replicas: 2, template: {{}}}}}}\noutput: {{replica: {replicas}}}\n"
        )
    };
    let args = ["plugin", "manifest", CLONESET, "-o", "name", "--cases", cases.to_str().expect("a path")];
    std::fs::write(&cases, case(2)).expect("a file");
    assert_eq!(flotilla(&args).done().out, "configmap/cloneset-0.1.0\n");
    std::fs::write(&cases, case(3)).expect("a file");
    flotilla(&args).fails(2, "error: `plugins/built/cloneset.wasm` cannot be loaded: SmokeFailed: case `replicas` at line 1");
}

#[test]
fn a_plugin_is_built_from_its_source() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("built.wasm");
    let file = file.to_str().expect("a path");
    let ran = flotilla(&["plugin", "build", "--manifest-path", "plugins/cloneset/Cargo.toml", "-o", file]).done();
    assert!(ran.out.starts_with("built    cloneset 0.1.0\n"), "{ran:#?}");
    assert!(ran.out.contains("hooks    replicas, revision, ") && ran.out.contains("fits a ConfigMap"), "{ran:#?}");
    assert_eq!(flotilla(&["plugin", "inspect", file, "-o", "name"]).done().out, "cloneset\n");
}

#[test]
fn what_cannot_be_built_or_read_says_why() {
    flotilla(&["plugin", "build", "--manifest-path", "no/Cargo.toml"]).fails(2, "error: there is no `no/Cargo.toml`\nhint: ");
    flotilla(&["plugin", "inspect", "deploy/demo/shop/web.yaml"])
        .fails(2, "error: `deploy/demo/shop/web.yaml` holds 3 objects, expected 1");
    flotilla_on(&["plugin", "inspect", "-"], b"{apiVersion: v1, kind: Pod, metadata: {name: a}}")
        .fails(2, "error: `-` holds Pod a, expected a component or a ConfigMap\nhint: ");
}
