//! The loop of one member: watches feed the [`World`], due work is decided, what was decided is sent. One task, no locks; everything
//! that can wake it is a branch of the one `select`.

use super::MemberOptions;
use super::action::{Action, Outcome};
use super::events::Event;
use super::kind::Key;
use super::send::{Performed, Update, perform};
use super::world::{Controller, Kept, Work, World, needs};
use futures::future::{BoxFuture, FutureExt as _};
use futures::stream::{BoxStream, FuturesUnordered, SelectAll, StreamExt as _};
use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet};
use k8s_openapi::api::core::v1::{Node, Pod};
use k8s_openapi::jiff::Timestamp;
use kube::runtime::{WatchStreamExt as _, watcher};
use kube::{Api, Client};
use std::collections::VecDeque;
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// At most this many pieces of work are under way at once.
const AT_ONCE: usize = 64;
/// At most this many watch events are taken in before work is decided again.
const AT_A_TIME: usize = 1000;

/// Simulates a member until `stopped`.
pub async fn run(client: Client, options: MemberOptions, mut stopped: watch::Receiver<bool>) {
    let mut shell = Shell::new(client, options);
    while !*stopped.borrow_and_update() {
        shell.dispatch();
        let timer = shell.world.queue.next_timer();
        tokio::select! {
            Some(update) = shell.watches.next() => shell.take_in(update),
            Some((work, performed)) = shell.writes.next(), if !shell.writes.is_empty() => shell.finish(&work, performed),
            () = written(&mut shell.event) => shell.event = None,
            () = until(timer) => {}
            changed = stopped.changed() => if changed.is_err() { break },
        }
        shell.world.queue.tick(Instant::now());
    }
    shell.drain().await;
}

async fn until(time: Option<Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time.into()).await,
        None => std::future::pending().await,
    }
}

async fn written(event: &mut Option<BoxFuture<'static, ()>>) {
    match event {
        Some(event) => event.await,
        None => std::future::pending().await,
    }
}

struct Shell {
    client: Client,
    world: World,
    watches: SelectAll<BoxStream<'static, Update>>,
    writes: FuturesUnordered<BoxFuture<'static, (Work, Performed)>>,
    /// Events are written one after the other, so that the second of a sort finds the first.
    event: Option<BoxFuture<'static, ()>>,
    events: VecDeque<Action>,
}

impl Shell {
    fn new(client: Client, options: MemberOptions) -> Self {
        let (seed, _) = uuid::Uuid::new_v4().as_u64_pair();
        let mut world = World::new(options, seed);
        world.add(Controller::Nodes, Key::new("", ""));
        let watches = watches(&client, &world.options);
        Self { client, world, watches, writes: FuturesUnordered::new(), event: None, events: VecDeque::new() }
    }

    /// Takes in an update, and those that are ready after it.
    fn take_in(&mut self, update: Update) {
        update(&mut self.world);
        for _ in 0..AT_A_TIME {
            match self.watches.next().now_or_never() {
                Some(Some(update)) => update(&mut self.world),
                _ => break,
            }
        }
    }

    /// Decides what is due, once all is seen that decisions build on.
    fn dispatch(&mut self) {
        while self.world.is_synced() && self.writes.len() < AT_ONCE {
            let Some(work) = self.world.queue.take() else { break };
            let outcome = self.world.reconcile(&work, Timestamp::now());
            self.begin(work, outcome.unwrap_or_default());
        }
        if self.event.is_none()
            && let Some(action) = self.events.pop_front()
        {
            let client = self.client.clone();
            let manager = "kube-controller-manager";
            self.event = Some(perform(client, manager, vec![(action, 0)], false).map(|_| ()).boxed());
        }
    }

    fn begin(&mut self, work: Work, outcome: Outcome) {
        if let Some(wake) = outcome.wake {
            self.world.queue.add_at(work.clone(), instant(wake));
        }
        if outcome.actions.is_empty() {
            self.world.queue.succeeded(&work);
            return;
        }
        let dated = outcome.actions.into_iter().map(|action| {
            let lists = self.world.lists_of(&action.request);
            (action, lists)
        });
        let sending = perform(self.client.clone(), work.controller.manager(), dated.collect(), outcome.independent);
        self.writes.push(sending.map(move |performed| (work, performed)).boxed());
    }

    fn finish(&mut self, work: &Work, performed: Performed) {
        performed.updates.into_iter().for_each(|update| update(&mut self.world));
        self.record(performed.events);
        match performed.error {
            None => {
                self.world.errors.remove(work);
                self.world.queue.succeeded(work);
            }
            Some(failure) => {
                tracing::debug!(?work, code = failure.code, error = failure.message, "will be tried again");
                if failure.replicating {
                    self.world.errors.insert(work.clone(), failure.message);
                }
                self.world.queue.failed(work, Instant::now());
            }
        }
    }

    fn record(&mut self, events: Vec<Event>) {
        if self.world.options.events {
            let now = Timestamp::now();
            let written = events.iter().filter_map(|event| self.world.recorder.record(event, now));
            self.events.extend(written);
        }
    }

    async fn drain(&mut self) {
        while self.writes.next().await.is_some() {}
    }
}

fn instant(time: Timestamp) -> Instant {
    let wait = Duration::try_from(time.duration_since(Timestamp::now())).unwrap_or_default();
    Instant::now() + wait
}

fn watches(client: &Client, options: &MemberOptions) -> SelectAll<BoxStream<'static, Update>> {
    let mut watches = SelectAll::new();
    watches.push(watch_all::<Node>(client));
    watches.push(watch_all::<Pod>(client));
    watches.push(watch_all::<ReplicaSet>(client));
    watches.push(watch_all::<Deployment>(client));
    let _ = (options, needs);
    watches
}

fn watch_all<K: Kept<DynamicType = ()>>(client: &Client) -> BoxStream<'static, Update> {
    watch_at(Api::<K>::all(client.clone()))
}

fn watch_at<K: Kept>(api: Api<K>) -> BoxStream<'static, Update> {
    let seen = watcher(api, watcher::Config::default()).default_backoff();
    seen.filter_map(|event| async move {
        match event {
            Ok(event) => Some(Box::new(move |world: &mut World| world.observe(event)) as Update),
            Err(error) => {
                tracing::debug!(%error, "a watch has to be begun anew");
                None
            }
        }
    })
    .boxed()
}
