//! What a cluster does by itself, whatever runs in it: namespaces, garbage collection, definitions, claims and volumes, tokens and events. Each controller
//! reads the server's own event log and reacts; none polls.

pub mod collector;
pub mod definitions;
mod edit;
pub mod events;
pub mod namespaces;
pub mod protection;
pub mod tokens;

use crate::server::ApiServer;
use crate::storage::Event;
use std::sync::Arc;

/// Starts the controllers of a server; they end when it is stopped.
pub fn start(server: &ApiServer) {
    namespaces::create_initial(server);
    tokio::spawn(run(server.clone()));
    tokio::spawn(events::expire(server.clone()));
}

/// One loop for all: events come in the order in which they were written, and each controller sees every one.
async fn run(server: ApiServer) {
    let mut woken = server.store().subscribe_all();
    let mut seen = 0;
    let mut collector = collector::Collector::default();
    loop {
        woken.mark_unchanged();
        match server.store().all_events_after(seen) {
            Ok(events) => {
                seen = events.last().map_or(seen, |event| event.object.revision);
                for event in &events {
                    react(&server, &mut collector, event);
                }
            }
            Err(_) => seen = resume(&server, &mut collector),
        }
        tokio::task::yield_now().await;
        if *woken.borrow() > seen {
            continue;
        }
        tokio::select! {
            changed = woken.changed() => if changed.is_err() { return },
            () = server.stopped() => return,
        }
    }
}

fn react(server: &ApiServer, collector: &mut collector::Collector, event: &Arc<Event>) {
    collector.react(server, event);
    namespaces::react(server, event);
    definitions::react(server, event);
    protection::react(server, event);
    tokens::react(server, event);
}

/// The log is shorter than what was missed: look at everything instead.
fn resume(server: &ApiServer, collector: &mut collector::Collector) -> u64 {
    let (everything, revision) = server.store().everything();
    *collector = collector::Collector::default();
    for (of, key, entry) in &everything {
        collector.learn(of, key, &entry.facts.owners);
    }
    collector.examine_all(server);
    namespaces::examine_all(server);
    definitions::examine_all(server);
    protection::examine_all(server);
    tokens::examine_all(server);
    revision
}
