//! The cases beside each plugin, `tests/*.yaml` in its folder, asked of the plugin that `make plugins` built: what
//! `flotilla plugin test` would say, for all built-in plugins and the sample.

mod support;

use flotilla_api::interpretation::{Layer, Operation};
use flotilla_interpreter::Chain;
use flotilla_interpreter::cases::run_cases;
use flotilla_interpreter::manifest::Manifest;
use flotilla_interpreter::package::Package;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The folders of plugins, each with what was built of it.
fn plugins() -> Vec<(PathBuf, PathBuf)> {
    let root = support::root();
    let sample = root.join("deploy/samples/webshop-plugin");
    let mut plugins = vec![(sample.clone(), sample.join("webshop.wasm"))];
    for folder in files(&root.join("plugins")).into_iter().filter(|folder| folder.join("Cargo.toml").exists()) {
        let name = folder.file_name().expect("a folder has a name").to_string_lossy();
        let built = root.join(format!("plugins/built/{name}.wasm"));
        plugins.push((folder, built));
    }
    plugins
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let files = std::fs::read_dir(folder).unwrap_or_else(|why| panic!("{}: {why}", folder.display()));
    let mut files: Vec<PathBuf> = files.map(|file| file.expect("an entry").path()).collect();
    files.sort();
    files
}

fn chain(wasm: &Path) -> Chain {
    let payload = std::fs::read(wasm).unwrap_or_else(|_| panic!("{} is missing: run `make plugins`", wasm.display()));
    let plugin = Package::open(&payload, None).and_then(|package| package.load(&support::runtime(), Layer::Loaded, &Manifest::default()));
    support::chain(vec![Arc::new(plugin.unwrap_or_else(|why| panic!("{}: {why}", wasm.display())))])
}

/// What is wrong with the cases of one plugin. A hook without a case is, too.
fn failures(folder: &Path, wasm: &Path) -> Vec<String> {
    let chain = chain(wasm);
    let mut failures = Vec::new();
    let mut asked = BTreeSet::new();
    for file in files(&folder.join("tests")) {
        let text = std::fs::read_to_string(&file).expect("a text");
        for outcome in run_cases(&text, &chain) {
            let place = format!("{}:{} › {}", file.display(), outcome.line, outcome.name);
            failures.extend(outcome.failures.iter().map(|failure| format!("{place}: {failure}")));
            asked.extend(outcome.operation);
        }
    }
    let operations: Vec<Operation> = chain.plugins().iter().flat_map(|plugin| plugin.operations().collect::<Vec<_>>()).collect();
    let unasked = operations.iter().filter(|operation| !asked.contains(operation));
    failures.extend(unasked.map(|operation| format!("{}: no case asks for {operation}", folder.display())));
    failures
}

#[test]
fn every_plugin_answers_its_cases() {
    let failures: Vec<_> = plugins().iter().flat_map(|(folder, wasm)| failures(folder, wasm)).collect();
    assert!(failures.is_empty(), "{} failed\n{}", failures.len(), failures.join("\n"));
}
