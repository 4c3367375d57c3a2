//! Watches that heal themselves: one that has been silent for too long, bookmarks included, begins anew with a list.
//!
//! The watcher beneath asks again when a connection says nothing for five minutes, but does not list: what the API server failed to send
//! stays unknown, and an answer that never begins is waited for.

use crate::cluster_api::{ClusterApi, Resource};
use crate::health::Watch;
use crate::metrics::{ClusterRole, Metrics};
use crate::pulse::Pulse;
use crate::task::Task;
use futures::stream::{self, BoxStream};
use futures::{Stream, StreamExt};
use kube::runtime::watcher::{self, Event};
use std::fmt::Debug;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// A watch that was not heard of for so long begins anew: API servers send a bookmark each minute, and end each watch within five.
pub const SILENT_AFTER: Duration = Duration::from_secs(330);

/// The events of a watch of one cluster. `list` must go through `heard` ([`Pulse::listen`]), or it is taken to be silent.
pub fn events<K>(
    api: &ClusterApi,
    watched: &Resource,
    heard: &Pulse,
    list: kube::Api<K>,
    config: watcher::Config,
) -> impl Stream<Item = watcher::Result<Event<K>>> + Send + use<K>
where
    K: kube::Resource + Clone + serde::de::DeserializeOwned + Debug + Send + 'static,
{
    let lasting = Lasting {
        events: watcher::watcher(list.clone(), config.clone()).boxed(),
        began: Instant::now(),
        begin: move || watcher::watcher(list.clone(), config.clone()).boxed(),
        heard: heard.clone(),
        role: api.role(),
        metrics: api.metrics().clone(),
        watched: watched.clone(),
    };
    stream::unfold(lasting, |mut lasting| async move {
        let event = lasting.next().await?;
        Some((event, lasting))
    })
}

struct Lasting<K, B> {
    events: BoxStream<'static, watcher::Result<Event<K>>>,
    began: Instant,
    begin: B,
    heard: Pulse,
    role: ClusterRole,
    metrics: Metrics,
    watched: Resource,
}

impl<K, B: Fn() -> BoxStream<'static, watcher::Result<Event<K>>>> Lasting<K, B> {
    async fn next(&mut self) -> Option<watcher::Result<Event<K>>> {
        loop {
            let last = self.heard.last().max(self.began);
            match timeout_at(last + SILENT_AFTER, self.events.next()).await {
                Ok(event) => return event,
                // Bookmarks are no events, but signs of life.
                Err(_) if self.heard.last() > last => {}
                Err(_) => {
                    let resource = self.watched.label(false);
                    tracing::warn!(
                        cluster = self.role.label(),
                        resource,
                        silent_s = SILENT_AFTER.as_secs(),
                        "watch is stuck, it begins anew"
                    );
                    self.metrics.watch_failed(self.role, &self.watched);
                    (self.events, self.began) = ((self.begin)(), Instant::now());
                }
            }
        }
    }
}

/// A running watch that keeps no objects.
#[derive(Debug)]
pub struct Watching {
    watched: Resource,
    heard: Pulse,
    task: Task,
}

impl Watching {
    /// Starts what takes the events; it is handed the pulse, which its client must go through.
    pub fn start<F: Future<Output = ()> + Send + 'static>(watched: Resource, take: impl FnOnce(Pulse) -> F) -> Self {
        let heard = Pulse::default();
        Self { watched, task: Task::spawn(take(heard.clone())), heard }
    }

    /// How it is, for [`crate::health`].
    pub fn observe(&self) -> Watch {
        Watch {
            resource: self.watched.label(false),
            is_followed: !self.task.is_finished(),
            is_synced: true,
            is_required: false,
            heard: self.heard.last(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::live_object::LiveObject;
    use crate::watch::Own;
    use http_body_util::{BodyStream, StreamBody};
    use kube::client::Body;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    /// Lists a namespace of another name each time, and never says anything in a watch.
    fn silent(lists: Arc<AtomicU64>) -> kube::Client {
        let service = tower::service_fn(move |request: http::Request<Body>| {
            let lists = lists.clone();
            async move {
                let answer =
                    |body: Body, rest| Ok::<_, std::io::Error>(http::Response::new(StreamBody::new(BodyStream::new(body).chain(rest))));
                if request.uri().query().is_some_and(|query| query.contains("watch=true")) {
                    return answer(Body::empty(), stream::pending().boxed());
                }
                let name = format!("n{}", lists.fetch_add(1, Ordering::Relaxed));
                let list = serde_json::json!({
                    "apiVersion": "v1", "kind": "NamespaceList", "metadata": {"resourceVersion": "1"},
                    "items": [{"metadata": {"name": name, "resourceVersion": "1"}}],
                });
                answer(Body::from(list.to_string().into_bytes()), stream::empty().boxed())
            }
        });
        kube::Client::new(service, "default")
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_watch_lists_again_and_one_with_signs_of_life_does_not() {
        let lists = Arc::new(AtomicU64::new(0));
        let api = ClusterApi::new(silent(lists.clone()), Duration::from_secs(10));
        let (heard, watched) = (Pulse::default(), Own::Namespace.resource());
        let list = kube::Api::<LiveObject>::all_with(heard.listen(api.client()), &watched.to_kube());
        let mut events = std::pin::pin!(events(&api, &watched, &heard, list, watcher::Config::default()));
        let mut named = async || loop {
            if let Event::InitApply(live) = events.next().await.expect("it lasts").expect("the list is right") {
                return live.object.name().to_owned();
            }
        };
        assert_eq!(named().await, "n0");
        let began = Instant::now();
        let alive = heard.clone();
        tokio::spawn(async move {
            tokio::time::sleep(SILENT_AFTER / 2).await;
            alive.beat();
        });
        assert_eq!(named().await, "n1");
        assert!(began.elapsed() >= SILENT_AFTER * 3 / 2, "{:?}", began.elapsed());
        let told = api.metrics().text(false, None, None);
        assert!(told.contains(r#"flotilla_watch_restarts_total{cluster="control",resource="namespaces"} 1"#), "{told}");
    }
}
