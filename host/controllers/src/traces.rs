//! Which change of which template a reconcile is about, and since when that change is known: fields of its span in the log.
//!
//! A trace is a template's uid and generation. Bindings lead to their template, and manifests in Works carry both: so every stage finds its
//! trace in the objects that it reads anyway, and nothing is written for it.

use crate::store::Change;
use flotilla_api::labels;
use flotilla_api::object::Object;
use std::collections::HashMap;
use std::sync::Mutex;
use tokio::time::Instant;
use tracing::Span;

/// When the changes of templates were seen in this process. One entry for each template that is watched.
#[derive(Default)]
pub struct Traces(Mutex<HashMap<Box<str>, Seen>>);

#[derive(Debug, Clone, Copy, PartialEq)]
struct Seen {
    generation: i64,
    since: Instant,
}

impl Traces {
    /// A template changed, or went. What we write ourselves belongs to the change that made us write it, even where it counts as another
    /// generation.
    pub fn changed(&self, change: &Change) {
        let mut seen = self.0.lock().expect("no code panics while it holds the traces");
        let Some((cached, template)) = change.new else {
            change.old.map(|old| seen.remove(&old.uid));
            return;
        };
        let new = Seen { generation: template.generation(), since: Instant::now() };
        match seen.get_mut(&cached.uid) {
            Some(known) if change.is_own_write => known.generation = new.generation,
            Some(known) if change.is_desired_changed() => *known = new,
            Some(_) => {}
            None => drop(seen.insert(cached.uid.clone(), new)),
        }
    }

    /// The present reconcile is about this template, as it is.
    pub fn follow(&self, template: &Object) {
        self.record(template.uid(), template.generation());
    }

    /// The present reconcile is about the template, and the generation of it, that this manifest was rendered from.
    pub fn follow_manifest(&self, manifest: Option<&Object>) {
        let text = |key: &str| manifest.and_then(|manifest| manifest.annotation(key));
        if let Some(uid) = text(labels::TEMPLATE_UID) {
            self.record(uid, text(labels::TEMPLATE_GENERATION).and_then(|text| text.parse().ok()).unwrap_or(0));
        }
    }

    fn record(&self, uid: &str, generation: i64) {
        let span = Span::current();
        span.record("trace", format_args!("{uid}/{generation}"));
        let seen = self.0.lock().expect("no code panics while it holds the traces").get(uid).copied();
        if let Some(seen) = seen.filter(|seen| seen.generation == generation) {
            span.record("since_change_ms", u64::try_from(seen.since.elapsed().as_millis()).unwrap_or(u64::MAX));
        }
    }
}
