//! What was written to a real API server, read from its audit log as it grows, and counted as the sandbox counts; and what it refused.

use flotilla_sandbox::counts::WriteKey;
use flotilla_sandbox::request::Verb;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Seek as _, SeekFrom};
use std::path::Path;

/// Writes since this was opened.
#[derive(Debug)]
pub struct AuditLog {
    file: BufReader<File>,
    /// The end of the file as it was: a line that is being written.
    unfinished: String,
    counts: BTreeMap<WriteKey, u64>,
    /// Who was refused what for want of a right.
    forbidden: BTreeMap<String, Vec<String>>,
}

impl AuditLog {
    /// Counts what is written from now on.
    pub fn open(path: &Path) -> std::io::Result<Self> {
        let mut file = File::open(path)?;
        file.seek(SeekFrom::End(0))?;
        Ok(Self { file: BufReader::new(file), unfinished: String::new(), counts: BTreeMap::new(), forbidden: BTreeMap::new() })
    }

    /// The writes so far that were answered with success.
    pub fn counts(&mut self) -> std::io::Result<&BTreeMap<WriteKey, u64>> {
        self.read_on()?;
        Ok(&self.counts)
    }

    /// What this agent was refused so far for want of a right: user, verb and path.
    pub fn forbidden(&mut self, agent: &str) -> std::io::Result<&[String]> {
        self.read_on()?;
        Ok(self.forbidden.get(agent).map_or(&[], Vec::as_slice))
    }

    fn read_on(&mut self) -> std::io::Result<()> {
        while self.file.read_line(&mut self.unfinished)? > 0 && self.unfinished.ends_with('\n') {
            if let Ok(event) = serde_json::from_str(&self.unfinished) {
                if let Some(key) = write_of(&event) {
                    *self.counts.entry(key).or_default() += 1;
                }
                if event["annotations"]["authorization.k8s.io/decision"] == "forbid" {
                    let told = ["/user/username", "/verb", "/requestURI"].map(|pointer| text(&event, pointer));
                    self.forbidden.entry(agent_of(&event)).or_default().push(told.join(" "));
                }
            }
            self.unfinished.clear();
        }
        Ok(())
    }
}

/// The write that an audit event tells of, if it does and the write was done.
fn write_of(event: &Value) -> Option<WriteKey> {
    let text = |pointer: &str| text(event, pointer);
    let verb = match text("/verb") {
        "create" => Verb::Create,
        "update" => Verb::Update,
        "patch" => Verb::Patch,
        "delete" => Verb::Delete,
        "deletecollection" => Verb::DeleteCollection,
        _ => return None,
    };
    let is_done = event.pointer("/responseStatus/code").and_then(Value::as_u64).is_some_and(|code| code < 300);
    if !is_done || text("/stage") != "ResponseComplete" || text("/requestURI").contains("dryRun=All") {
        return None;
    }
    let mut resource = text("/objectRef/resource").to_owned();
    for (separator, pointer) in [(".", "/objectRef/apiGroup"), ("/", "/objectRef/subresource")] {
        let part = text(pointer);
        if !part.is_empty() {
            resource = format!("{resource}{separator}{part}");
        }
    }
    Some(WriteKey { verb, resource, agent: agent_of(event) })
}

fn text<'e>(event: &'e Value, pointer: &str) -> &'e str {
    event.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

fn agent_of(event: &Value) -> String {
    text(event, "/userAgent").split(['/', ' ']).next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    const EVENTS: &str = r#"
{"stage":"ResponseComplete","verb":"patch","requestURI":"/a","userAgent":"flotilla/1","objectRef":{"resource":"works","apiGroup":"work.karmada.io","subresource":"status"},"responseStatus":{"code":200}}
{"stage":"ResponseComplete","verb":"create","requestURI":"/a","userAgent":"kubectl","objectRef":{"resource":"secrets"},"responseStatus":{"code":201}}
{"stage":"ResponseComplete","verb":"create","requestURI":"/a","userAgent":"kubectl","objectRef":{"resource":"secrets"},"responseStatus":{"code":409}}
{"stage":"ResponseComplete","verb":"create","requestURI":"/a?dryRun=All","userAgent":"kubectl","objectRef":{"resource":"secrets"},"responseStatus":{"code":201}}
{"stage":"ResponseComplete","verb":"get","requestURI":"/a","userAgent":"kubectl","objectRef":{"resource":"secrets"},"responseStatus":{"code":200}}
{"stage":"ResponseComplete","verb":"list","requestURI":"/b","userAgent":"flotilla","user":{"username":"us"},"annotations":{"authorization.k8s.io/decision":"forbid"},"responseStatus":{"code":403}}
{"stage":"ResponseComplete","verb":"create","requestURI":"/c","userAgent":"flotilla","user":{"username":"us"},"annotations":{"authorization.k8s.io/decision":"allow"},"responseStatus":{"code":403}}
"#;

    #[test]
    fn writes_that_were_done_are_counted_once_their_line_is_complete() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit");
        let mut file = File::create(&path).unwrap();
        file.write_all(EVENTS.as_bytes()).unwrap();
        let mut log = AuditLog::open(&path).unwrap();
        let (begin, end) = EVENTS.split_at(60);
        file.write_all(begin.as_bytes()).unwrap();
        assert!(log.counts().unwrap().is_empty());
        file.write_all(end.as_bytes()).unwrap();
        let counts: Vec<String> = log
            .counts()
            .unwrap()
            .iter()
            .map(|(key, count)| format!("{} {} {} {count}", key.agent, key.verb.as_str(), key.resource))
            .collect();
        assert_eq!(counts, ["kubectl create secrets 1", "flotilla patch works.work.karmada.io/status 1"]);
        // A namespace that goes refuses too: that is no want of a right.
        assert_eq!(log.forbidden("flotilla").unwrap(), ["us list /b"]);
    }
}
