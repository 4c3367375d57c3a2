//! `watch`: a stream of what happens to a collection. Reads the store's history by position, so no event is lost or reordered.

use super::read::{Selection, revision_of};
use crate::negotiation::{self, Form, Include, MetaVersion};
use crate::options;
use crate::registry::ResourceType;
use crate::represent;
use crate::request::Call;
use crate::response;
use crate::server::ApiServer;
use crate::status::ApiError;
use crate::storage::{Change, Entry, Event};
use axum::body::{Body, Bytes};
use axum::response::Response;
use futures::stream;
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// How often a watcher that asked for bookmarks gets one.
const BOOKMARKS: Duration = Duration::from_secs(60);
/// How long before the end of a watch the last one comes.
const BEFORE_END: Duration = Duration::from_secs(2);
/// How long a watch lasts that names no timeout.
const LONGEST: Duration = Duration::from_secs(45 * 60);

struct Watcher {
    server: ApiServer,
    of: Arc<ResourceType>,
    namespace: Option<String>,
    selection: Selection,
    form: Form,
    bookmarks: bool,
    /// Everything up to this revision was sent.
    seen: u64,
    woken: tokio::sync::watch::Receiver<u64>,
    queue: VecDeque<Bytes>,
    columns_sent: bool,
    ends: Instant,
    next_bookmark: Instant,
    over: bool,
}

/// Starts a watch.
pub fn watch(server: &ApiServer, call: &Call) -> Result<Response, ApiError> {
    let form = negotiation::form(call)?;
    options::numbers(call)?;
    if negotiation::wants_yaml(&call.accept) {
        return Err(ApiError::no_stream());
    }
    let selection = Selection::of(call)?;
    let initial = Initial::of(call)?;
    let timeout = call.params.get("timeoutSeconds").and_then(|seconds| seconds.parse().ok()).filter(|seconds| *seconds > 0);
    let now = Instant::now();
    let lasts = timeout.map_or(LONGEST, Duration::from_secs);
    // One comes shortly before the end, so that the next watch begins there.
    let first_bookmark = lasts.checked_sub(BEFORE_END).map_or(BOOKMARKS, |end| BOOKMARKS.min(end));
    let mut watcher = Watcher {
        server: server.clone(),
        of: call.of.clone(),
        namespace: call.target.namespace.clone(),
        selection,
        form,
        bookmarks: call.params.flag("allowWatchBookmarks"),
        seen: 0,
        // Subscribed before the first read: a write in between wakes the watcher once too often, never too seldom.
        woken: server.store().subscribe(&call.of.stored_as),
        queue: VecDeque::new(),
        columns_sent: false,
        ends: now + lasts,
        next_bookmark: now + first_bookmark,
        over: false,
    };
    watcher.start(initial);
    let body = Body::from_stream(stream::unfold(watcher, Watcher::next));
    Ok(response::with_type(200, "application/json", body))
}

/// Where a watch begins.
#[derive(Debug, PartialEq)]
enum Initial {
    /// With what is there, not older than a revision.
    Everything(u64),
    /// The same, and a bookmark that says that this was all.
    EverythingMarked(u64),
    /// After a revision; with whatever comes next where it is none.
    After(u64),
}

impl Initial {
    fn of(call: &Call) -> Result<Self, ApiError> {
        let params = &call.params;
        let unexplained = |error: ApiError| ApiError::unexplained(error.message.trim_start_matches("invalid resource version: "));
        let revision = params.get("resourceVersion").map(revision_of).transpose().map_err(unexplained)?.unwrap_or_default();
        options::of_watch(call, revision == 0)?;
        let begins_with_all = match params.get("sendInitialEvents") {
            Some(_) => params.flag("sendInitialEvents"),
            None => revision == 0,
        };
        Ok(match (begins_with_all, params.flag("allowWatchBookmarks")) {
            (true, true) => Self::EverythingMarked(revision),
            (true, false) => Self::Everything(revision),
            (false, _) => Self::After(revision),
        })
    }
}

impl Watcher {
    fn start(&mut self, initial: Initial) {
        let (at_least, is_marked) = match initial {
            Initial::After(revision) => {
                self.seen = if revision == 0 { self.server.store().revision() } else { revision };
                return;
            }
            Initial::Everything(revision) => (revision, false),
            Initial::EverythingMarked(revision) => (revision, true),
        };
        let current = self.server.store().revision();
        if at_least > current {
            return self.push_error(&ApiError::too_new(at_least, current));
        }
        let listed = self.server.store().list(&self.of.stored_as, self.namespace.as_deref());
        self.seen = listed.revision;
        for entry in &listed.entries {
            if self.selects(entry) {
                self.push("ADDED", entry);
            }
        }
        if is_marked {
            self.push_bookmark(true);
        }
    }

    fn selects(&self, entry: &Entry) -> bool {
        self.selection.matches(&self.of, entry)
    }

    async fn next(mut self) -> Option<(Result<Bytes, std::io::Error>, Self)> {
        loop {
            if !self.queue.is_empty() {
                return Some((Ok(self.batch()), self));
            }
            if self.over {
                return None;
            }
            if self.server.faults().unreachable {
                self.over = true;
                return Some((Err(std::io::ErrorKind::ConnectionReset.into()), self));
            }
            self.read_events();
            if self.queue.is_empty() && !self.over {
                self.wait().await;
            }
        }
    }

    /// What is queued, in one piece of at most about 256 KiB: one write for many events.
    fn batch(&mut self) -> Bytes {
        if self.queue.len() == 1 {
            return self.queue.pop_front().unwrap_or_default();
        }
        let mut batch = Vec::new();
        while let Some(next) = self.queue.front() {
            if !batch.is_empty() && batch.len() + next.len() > 256 * 1024 {
                break;
            }
            batch.extend_from_slice(next);
            self.queue.pop_front();
        }
        Bytes::from(batch)
    }

    fn read_events(&mut self) {
        self.woken.mark_unchanged();
        match self.server.store().events_after(&self.of.stored_as, self.seen) {
            Ok((events, revision)) => {
                for event in events {
                    self.push_event(&event);
                }
                self.seen = self.seen.max(revision);
            }
            Err(expired) => {
                self.push_error(&ApiError::expired(format!("too old resource version: {} ({})", self.seen, expired.oldest)));
            }
        }
    }

    async fn wait(&mut self) {
        let until = if self.bookmarks { self.ends.min(self.next_bookmark) } else { self.ends };
        tokio::select! {
            changed = self.woken.changed() => self.over |= changed.is_err(),
            () = self.server.faults_changed() => {}
            () = self.server.stopped() => self.over = true,
            () = tokio::time::sleep_until(until) => {
                self.over = until == self.ends;
                if self.bookmarks && !self.over {
                    self.read_events();
                    self.push_bookmark(false);
                    self.next_bookmark = Instant::now() + BOOKMARKS;
                }
            }
        }
    }

    /// A write that moves an object into or out of the selection is an addition or a removal to this watcher.
    fn push_event(&mut self, event: &Event) {
        if self.namespace.as_deref().is_some_and(|namespace| namespace != &*event.key.namespace) {
            return;
        }
        let before = event.previous.as_ref().is_some_and(|previous| self.selects(previous));
        let after = event.change != Change::Deleted && self.selects(&event.object);
        match (before, after) {
            (false, true) => self.push("ADDED", &event.object),
            (true, true) => self.push("MODIFIED", &event.object),
            (true, false) if event.change == Change::Deleted => self.push("DELETED", &event.object),
            (true, false) => {
                let last = event.previous.as_ref().unwrap_or(&event.object);
                self.push("DELETED", &last.moved_to(event.object.revision));
            }
            (false, false) => {}
        }
    }

    /// The watch ends with an error.
    fn push_error(&mut self, error: &ApiError) {
        self.push_line("ERROR", error.to_status().to_string().as_bytes());
        self.over = true;
    }

    fn push(&mut self, kind: &str, entry: &Entry) {
        let form = match self.form {
            // Columns are sent with the first row only.
            Form::Table(include, meta) => return self.push_row(kind, entry, (include, meta)),
            // No object is a list: the first one ends the watch.
            Form::PartialList(_) => return self.over = true,
            form => form,
        };
        let object = represent::object(&self.of, entry, form, 0);
        self.push_line(kind, &object);
    }

    fn push_row(&mut self, kind: &str, entry: &Entry, (include, meta): (Include, MetaVersion)) {
        let table = represent::object(&self.of, entry, Form::Table(include, meta), self.server.unix_now());
        if !self.columns_sent {
            self.columns_sent = true;
            return self.push_line(kind, &table);
        }
        let mut table: Value = serde_json::from_slice(&table).expect("made by this server");
        table["columnDefinitions"] = Value::Null;
        self.push_line(kind, table.to_string().as_bytes());
    }

    fn push_bookmark(&mut self, ends_initial_events: bool) {
        let mut metadata = json!({"resourceVersion": self.seen.to_string()});
        if ends_initial_events {
            metadata["annotations"] = json!({"k8s.io/initial-events-end": "true"});
        }
        let (kind, api_version) = match self.form {
            Form::Object => (self.of.kind.clone(), self.of.api_version()),
            Form::Partial(meta) => ("PartialObjectMetadata".into(), meta.into()),
            Form::Table(_, meta) => ("Table".into(), meta.into()),
            Form::PartialList(_) => return self.over = true,
        };
        let mut object = json!({"kind": kind, "apiVersion": api_version, "metadata": metadata});
        if let Form::Table(include, meta) = self.form {
            let row = represent::table_of(&self.of, &[&json!({"metadata": object["metadata"].take()})], (include, meta), Value::Null, 0);
            object["metadata"] = json!({"resourceVersion": self.seen.to_string()});
            object["columnDefinitions"] = if self.columns_sent { Value::Null } else { row["columnDefinitions"].clone() };
            object["rows"] = row["rows"].clone();
            self.columns_sent = true;
        }
        self.push_line("BOOKMARK", object.to_string().as_bytes());
    }

    fn push_line(&mut self, kind: &str, object: &[u8]) {
        let mut line = Vec::with_capacity(object.len() + 40);
        line.extend_from_slice(b"{\"type\":\"");
        line.extend_from_slice(kind.as_bytes());
        line.extend_from_slice(b"\",\"object\":");
        line.extend_from_slice(object);
        line.extend_from_slice(b"}\n");
        self.queue.push_back(Bytes::from(line));
    }
}
