//! Events go an hour after they were last written.

use crate::handlers::delete::{self, DeleteOptions};
use crate::request::User;
use crate::server::ApiServer;
use crate::storage::{Change, Key, TypeId};
use std::collections::VecDeque;
use std::time::Duration;
use tokio::time::Instant;

/// How long an Event is kept: the real server's default.
pub const KEPT: Duration = Duration::from_secs(3600);

/// Deletes Events when their time is over, until the server is stopped.
pub async fn expire(server: ApiServer) {
    let of: TypeId = "events".into();
    let mut woken = server.store().subscribe(&of);
    let mut seen = 0;
    // Writes in their order, and so in the order in which they expire.
    let mut due: VecDeque<(Instant, Key, u64)> = VecDeque::new();
    loop {
        woken.mark_unchanged();
        match server.store().events_after(&of, seen) {
            Ok((events, revision)) => {
                let written = events.iter().filter(|event| event.change != Change::Deleted);
                due.extend(written.map(|event| (Instant::now() + KEPT, event.key.clone(), event.object.revision)));
                seen = revision;
            }
            Err(expired) => seen = expired.oldest,
        }
        let next = due.front().map_or_else(|| Instant::now() + KEPT, |(at, ..)| *at);
        tokio::select! {
            changed = woken.changed() => if changed.is_err() { return },
            () = server.stopped() => return,
            () = tokio::time::sleep_until(next) => drop_due(&server, &of, &mut due),
        }
    }
}

fn drop_due(server: &ApiServer, of: &TypeId, due: &mut VecDeque<(Instant, Key, u64)>) {
    let types = server.registry().types();
    let Some(kind) = types.stored_as(of) else { return };
    while due.front().is_some_and(|(at, ..)| *at <= Instant::now()) {
        let Some((_, key, revision)) = due.pop_front() else { return };
        if server.store().get(of, &key).is_some_and(|entry| entry.revision == revision) {
            // It may have gone in between, which is as well.
            let _ = delete::delete(server, kind, &key, &DeleteOptions::default(), &User::default(), &mut Vec::new());
        }
    }
}
