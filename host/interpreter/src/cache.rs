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
    let ours = metadata.is_dir() && Some(metadata.uid()) == own_user() && metadata.mode() & 0o022 == 0;
    if ours { Ok(()) } else { Err(std::io::Error::other("must be a directory of this user that nobody else may write")) }
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    const EMPTY: &[u8] = b"\0asm\x0d\0\x01\0";

    /// Puts the empty component through the cache and says which files there are then.
    fn compile(directory: &Path) -> Vec<PathBuf> {
        let cache = ArtefactCache::in_directory(directory);
        cache.component(&Engine::default(), EMPTY, "sha256:00").expect("a component");
        let files = fs::read_dir(directory).expect("the directory").map(|file| file.expect("a file").path());
        files.collect()
    }

    #[test]
    fn a_compiled_component_is_kept_where_only_this_user_reads_it() {
        let directory = tempfile::tempdir().expect("a directory");
        let inner = directory.path().join("flotilla");
        let files = compile(&inner);
        assert_eq!(files.len(), 1);
        let mode = |path: &Path| fs::metadata(path).expect("it is there").mode() & 0o777;
        assert_eq!((mode(&inner), mode(&files[0])), (0o700, 0o600));
        let cache = ArtefactCache::in_directory(&inner);
        let key = files[0].file_name().expect("a name").to_string_lossy().into_owned();
        assert!(cache.read(&Engine::default(), &key).is_some());
    }

    #[test]
    fn a_file_that_is_damaged_or_not_ours_is_compiled_again() {
        let directory = tempfile::tempdir().expect("a directory");
        let file = compile(directory.path()).remove(0);
        let whole = fs::read(&file).expect("it is there");
        let key = file.file_name().expect("a name").to_string_lossy().into_owned();
        let is_read = || ArtefactCache::in_directory(directory.path()).read(&Engine::default(), &key).is_some();
        let mut flipped = whole.clone();
        flipped[DIGEST + 100] ^= 1;
        for damaged in [&flipped[..], &whole[..whole.len() - 1], &whole[..10], b""] {
            fs::write(&file, damaged).expect("written");
            assert!(!is_read());
            assert_eq!(compile(directory.path()), std::slice::from_ref(&file));
            assert_eq!(fs::read(&file).expect("it is there").len(), whole.len(), "it was compiled again");
        }
        assert!(is_read());
        fs::set_permissions(&file, fs::Permissions::from_mode(0o622)).expect("changed");
        assert!(!is_read(), "others may have written it");
    }

    #[test]
    fn a_directory_that_others_may_write_is_not_used() {
        let directory = tempfile::tempdir().expect("a directory");
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o777)).expect("changed");
        assert_eq!(compile(directory.path()), Vec::<PathBuf>::new());
    }

    #[test]
    fn the_oldest_files_make_room() {
        let directory = tempfile::tempdir().expect("a directory");
        for (name, age) in [("old", 200), ("new", 100)] {
            let file = fs::File::create(directory.path().join(name)).expect("a file");
            file.set_len(ON_DISK / 2).expect("a sparse file");
            file.set_modified(SystemTime::now() - std::time::Duration::from_secs(age)).expect("dated");
        }
        make_room(directory.path(), 1).expect("room");
        let left: Vec<_> = fs::read_dir(directory.path()).expect("the directory").map(|file| file.expect("a file").file_name()).collect();
        assert_eq!(left, ["new"]);
    }
}
