//! The kubeconfig file through which kubectl finds the clusters. Writes one file, whole or not at all.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::fmt::{self, Write as _};
use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

/// One cluster as a context of the file. Printed without its token.
#[derive(Clone)]
pub struct Context {
    /// Name of context, cluster and user.
    pub name: String,
    /// `https://127.0.0.1:6443`.
    pub url: String,
    /// Certificate authority, PEM.
    pub authority: String,
    /// Bearer token.
    pub token: String,
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context").field("name", &self.name).field("url", &self.url).finish_non_exhaustive()
    }
}

/// The file's text; the first context is the current one.
pub fn text(contexts: &[Context]) -> String {
    let mut text = String::from("apiVersion: v1\nkind: Config\n");
    let mut list = |title: &str, item: &dyn Fn(&Context) -> String| {
        let items: String = contexts.iter().map(item).collect();
        write!(text, "{title}:\n{items}").expect("a String takes any text");
    };
    list("clusters", &|one| {
        let authority = STANDARD.encode(&one.authority);
        format!("- name: {}\n  cluster:\n    server: {}\n    certificate-authority-data: {authority}\n", one.name, one.url)
    });
    list("users", &|one| format!("- name: {}\n  user:\n    token: {}\n", one.name, one.token));
    list("contexts", &|one| format!("- name: {0}\n  context:\n    cluster: {0}\n    user: {0}\n", one.name));
    let current = contexts.first().map_or("", |one| &one.name);
    text + &format!("current-context: {current}\n")
}

/// Writes the file for its owner alone, in one step: who sees it sees all of it.
pub fn write(path: &Path, contexts: &[Context]) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let unfinished = folder.join(format!(".kubeconfig-{}", uuid::Uuid::new_v4().simple()));
    let written = (|| {
        let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&unfinished)?;
        file.write_all(text(contexts).as_bytes())?;
        file.sync_all()?;
        fs::rename(&unfinished, path)
    })();
    if written.is_err() {
        // What matters is the first error.
        let _ = fs::remove_file(&unfinished);
    }
    written.map_err(|error| io::Error::new(error.kind(), format!("kubeconfig `{}` cannot be written: {error}", path.display())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    fn contexts() -> Vec<Context> {
        ["flotilla", "member1"]
            .map(|name| Context { name: name.into(), url: "https://127.0.0.1:1".into(), authority: "PEM".into(), token: "t".into() })
            .to_vec()
    }

    #[test]
    fn kube_reads_what_is_written() {
        let folder = std::env::temp_dir().join(format!("kubeconfig-{}", uuid::Uuid::new_v4()));
        let path = folder.join("config");
        write(&path, &contexts()).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let read = kube::config::Kubeconfig::read_from(&path).unwrap();
        assert_eq!(read.current_context.as_deref(), Some("flotilla"));
        let names: Vec<_> = read.contexts.iter().map(|one| one.name.as_str()).collect();
        assert_eq!(names, ["flotilla", "member1"]);
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn a_file_that_cannot_be_written_is_named() {
        let error = write(Path::new("/proc/nope/config"), &contexts()).unwrap_err();
        assert!(error.to_string().contains("/proc/nope") || error.kind() == io::ErrorKind::NotFound, "{error}");
    }
}
