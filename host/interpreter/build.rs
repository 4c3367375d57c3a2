//! Embeds the built-in plugins, which `make plugins` leaves in `plugins/built`. Nothing is embedded without the feature `built-in`,
//! so that this crate and those above it build and test without a wasm toolchain.

use std::fmt::Write;
use std::path::{Path, PathBuf};

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if std::env::var_os("CARGO_FEATURE_BUILT_IN").is_none() {
        return;
    }
    let manifest = std::env::var("CARGO_MANIFEST_DIR").expect("cargo sets it");
    let folder = Path::new(&manifest).join("../../plugins/built");
    println!("cargo::rerun-if-changed={}", folder.display());
    let plugins = plugins(&folder);
    if plugins.is_empty() {
        println!("cargo::error=no built-in plugin in `plugins/built`: run `make plugins`");
    }
    let mut table = String::from("pub(super) const PAYLOADS: &[(&str, &[u8])] = &[\n");
    for path in &plugins {
        let name = path.file_stem().expect("a file has a name").to_string_lossy();
        let path = path.canonicalize().expect("it was listed");
        writeln!(table, "    ({name:?}, include_bytes!({path:?})),").expect("writing to memory does not fail");
    }
    table.push_str("];\n");
    let out = std::env::var("OUT_DIR").expect("cargo sets it");
    std::fs::write(Path::new(&out).join("built_in.rs"), table).expect("the build directory can be written");
}

fn plugins(folder: &Path) -> Vec<PathBuf> {
    let files = std::fs::read_dir(folder).into_iter().flatten().filter_map(|file| Some(file.ok()?.path()));
    let mut plugins: Vec<PathBuf> = files.filter(|path| path.extension().is_some_and(|extension| extension == "wasm")).collect();
    plugins.sort();
    plugins
}
