//! Compiled components, in memory and on disk, so that a component is compiled once and not at every start.
//!
//! A file that is damaged, foreign or of another engine is compiled again, never trusted. This is the one place with `unsafe`.

use lru::LruCache;
use sha2::{Digest, Sha256};
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Write;
use std::num::NonZeroUsize;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;
use wasmtime::Engine;
use wasmtime::component::Component;

/// Compiled components that are kept in memory, used or not.
const IN_MEMORY: NonZeroUsize = NonZeroUsize::new(32).expect("not zero");
/// Bytes that the directory may hold.
const ON_DISK: u64 = 256 << 20;
/// Bytes of the digest that precedes a compiled component in its file.
const DIGEST: usize = 32;

/// Compiled components by digest and engine.
pub struct ArtefactCache {
    directory: Option<PathBuf>,
    compiled: Mutex<LruCache<String, Component>>,
}

impl ArtefactCache {
    /// Keeps nothing on disk.
    pub fn in_memory() -> Self {
        Self { directory: None, compiled: Mutex::new(LruCache::new(IN_MEMORY)) }
    }

    /// Keeps files in a directory, which is made when it is missing. A directory that others may write is not used.
    pub fn in_directory(directory: &Path) -> Self {
        let usable =
            prepare(directory).inspect_err(|why| tracing::warn!(directory = %directory.display(), %why, "plugin cache is not used"));
        Self { directory: usable.ok().map(|()| directory.to_owned()), ..Self::in_memory() }
    }

    /// Keeps files under `$XDG_CACHE_HOME/flotilla` or `~/.cache/flotilla`; nothing where there is neither.
    pub fn in_user_directory() -> Self {
        let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let base = absolute("XDG_CACHE_HOME").or_else(|| absolute("HOME").map(|home| home.join(".cache")));
        base.map_or_else(Self::in_memory, |base| Self::in_directory(&base.join("flotilla")))
    }

    /// The compiled component; compiles it when it is not there.
    pub(crate) fn component(&self, engine: &Engine, wasm: &[u8], digest: &str) -> wasmtime::Result<Component> {
        let key = key(engine, digest);
        if let Some(component) = self.remembered(&key) {
            return Ok(component);
        }
        let component = match self.read(engine, &key) {
            Some(component) => component,
            None => {
                let component = Component::from_binary(engine, wasm)?;
                self.write(&key, &component);
                component
            }
        };
        self.compiled.lock().unwrap_or_else(PoisonError::into_inner).put(key, component.clone());
        Ok(component)
    }

    fn remembered(&self, key: &str) -> Option<Component> {
        self.compiled.lock().unwrap_or_else(PoisonError::into_inner).get(key).cloned()
    }

    /// The component from its file, when that is ours and whole.
    fn read(&self, engine: &Engine, key: &str) -> Option<Component> {
        let path = self.directory.as_ref()?.join(key);
        let metadata = fs::symlink_metadata(&path).ok()?;
        if !metadata.is_file() || metadata.uid() != own_user()? || metadata.mode() & 0o022 != 0 {
            return None;
        }
        let file = fs::read(&path).ok()?;
        let (written, artefact) = file.split_at_checked(DIGEST)?;
        if written != Sha256::digest(artefact).as_slice() {
            tracing::warn!(path = %path.display(), "compiled plugin is damaged and will be compiled again");
            return None;
        }
        deserialize(engine, artefact)
    }

    /// Writes the file in one step; a cache that cannot be written costs time, not answers.
    fn write(&self, key: &str, component: &Component) {
        let Some(directory) = &self.directory else { return };
        let written = component.serialize().map_err(std::io::Error::other).and_then(|artefact| {
            make_room(directory, artefact.len() as u64)?;
            let part = directory.join(format!(".{key}.{}", std::process::id()));
            let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&part)?;
            file.write_all(&Sha256::digest(&artefact))?;
            file.write_all(&artefact)?;
            fs::rename(&part, directory.join(key))
        });
        if let Err(why) = written {
            tracing::warn!(directory = %directory.display(), %why, "compiled plugin is not kept");
        }
    }
}

/// Turns a compiled component into a runnable one.
#[allow(unsafe_code, reason = "a compiled component is machine code: wasmtime cannot check it, so `read` did")]
fn deserialize(engine: &Engine, artefact: &[u8]) -> Option<Component> {
    // SAFETY: the bytes are what `Component::serialize` gave this program. They come from a regular file that only this user can
    // write (owner and mode were checked) in a directory of mode 0700, and their digest was checked against damage. Wasmtime
    // refuses artefacts of another version or configuration itself.
    unsafe { Component::deserialize(engine, artefact) }.ok()
}

/// File name: digest of the component and of everything that compilation depends on.
fn key(engine: &Engine, digest: &str) -> String {
    let mut hasher = DefaultHasher::new();
    engine.precompile_compatibility_hash().hash(&mut hasher);
    format!("{}-{:016x}.cwasm", digest.trim_start_matches("sha256:"), hasher.finish())
}

fn prepare(directory: &Path) -> std::io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    let metadata = fs::symlink_metadata(directory)?;
    let ours = metadata.is_dir() && Some(metadata.uid()) == own_user() && metadata.mode() & 0o077 == 0;
    if ours { Ok(()) } else { Err(std::io::Error::other("must be a directory of this user with mode 0700")) }
}

/// The user that this process runs as, without a call that needs `unsafe`.
fn own_user() -> Option<u32> {
    fs::metadata("/proc/self").ok().map(|metadata| metadata.uid())
}

/// Removes the oldest files until another of this size fits.
fn make_room(directory: &Path, size: u64) -> std::io::Result<()> {
    let mut files: Vec<(SystemTime, u64, PathBuf)> = fs::read_dir(directory)?
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let metadata = entry.metadata().ok()?;
            metadata.is_file().then(|| (metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH), metadata.len(), entry.path()))
        })
        .collect();
    files.sort();
    let mut total: u64 = size + files.iter().map(|(_, size, _)| size).sum::<u64>();
    for (_, size, path) in files {
        if total <= ON_DISK {
            break;
        }
        fs::remove_file(path)?;
        total -= size;
    }
    Ok(())
}
