//! The loop of one member: watches feed the [`World`], due work is decided, what was decided is sent. One task, no locks; everything
//! that can wake it is a branch of the one `select`.

use super::MemberOptions;
use super::action::{Action, Outcome, Request};
use super::definitions::{self, Definition, FOLLOWED};
use super::events::Event;
use super::kind::Kind;
use super::kruise::clone_set::CloneSet;
use super::kruise::stateful_set::KruiseStatefulSet;
use super::mirrors::{Kept, Update};
use super::node_faults::NodeFaults;
use super::routes::everything;
use super::send::{Performed, perform};
use super::world::{Controller, Work, World};
use futures::future::{AbortHandle, BoxFuture, FutureExt as _};
use futures::stream::{self, BoxStream, FuturesUnordered, SelectAll, Stream, StreamExt as _};
use k8s_openapi::api::apps::v1::{ControllerRevision, DaemonSet, Deployment, ReplicaSet, StatefulSet};
use k8s_openapi::api::batch::v1::{CronJob, Job};
use k8s_openapi::api::core::v1::{Node, PersistentVolumeClaim, Pod, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::jiff::Timestamp;
use kube::core::{ApiResource, GroupVersionKind};
use kube::runtime::utils::Backoff;
use kube::runtime::{WatchStreamExt as _, watcher};
use kube::{Api, Client};
use std::collections::VecDeque;
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// At most this many pieces of work are under way at once.
const AT_ONCE: usize = 64;
/// At most this many watch events are taken in before work is decided again.
const AT_A_TIME: usize = 1000;

/// Simulates a member until `stopped`; its nodes suffer what `suffered` says.
pub async fn run(client: Client, options: MemberOptions, mut stopped: watch::Receiver<bool>, mut suffered: watch::Receiver<NodeFaults>) {
    let mut shell = Shell::new(client, options);
    while !*stopped.borrow_and_update() {
        shell.dispatch();
        let timer = shell.world.queue.next_timer();
        tokio::select! {
            Some(update) = shell.watches.next() => shell.take_in(update),
            Some((work, performed)) = shell.writes.next(), if !shell.writes.is_empty() => shell.finish(&work, performed),
            performed = written(&mut shell.event) => shell.end_event(performed),
            () = until(timer) => {}
            Ok(()) = suffered.changed() => shell.world.suffer(suffered.borrow_and_update().clone()),
            changed = stopped.changed() => if changed.is_err() { break },
        }
        shell.world.queue.tick(Instant::now());
    }
    while shell.writes.next().await.is_some() {}
}

async fn until(time: Option<Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time.into()).await,
        None => std::future::pending().await,
    }
}

async fn written(event: &mut Option<BoxFuture<'static, Performed>>) -> Performed {
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
    event: Option<BoxFuture<'static, Performed>>,
    events: VecDeque<Action>,
    /// What is watched of each of [`FOLLOWED`].
    followed: [Option<(&'static Kind, AbortHandle)>; FOLLOWED.len()],
}

impl Shell {
    fn new(client: Client, options: MemberOptions) -> Self {
        let (seed, _) = uuid::Uuid::new_v4().as_u64_pair();
        let mut world = World::new(options, seed);
        world.add(Controller::Nodes, everything());
        let (watches, writes, followed) = (SelectAll::new(), FuturesUnordered::new(), [const { None }; FOLLOWED.len()]);
        let mut shell = Self { client, world, watches, writes, event: None, events: VecDeque::new(), followed };
        shell.watch_built_ins();
        shell.watch_definitions();
        shell
    }

    /// Watches what the controllers that run have to see.
    fn watch_built_ins(&mut self) {
        use Controller as C;
        self.watch::<Node>(&[C::Nodes, C::NodeLifecycle, C::Eviction, C::Scheduler, C::Kubelet, C::DaemonSet]);
        self.watch::<Pod>(&C::ALL);
        self.watch::<PersistentVolumeClaim>(&[C::Volumes, C::StatefulSet, C::KruiseStatefulSet]);
        self.watch::<Service>(&[C::Endpoints]);
        self.watch::<EndpointSlice>(&[C::Endpoints]);
        self.watch::<ReplicaSet>(&[C::ReplicaSet, C::Deployment]);
        self.watch::<Deployment>(&[C::Deployment]);
        self.watch::<StatefulSet>(&[C::StatefulSet]);
        self.watch::<DaemonSet>(&[C::DaemonSet]);
        self.watch::<ControllerRevision>(&[C::StatefulSet, C::DaemonSet, C::CloneSet, C::KruiseStatefulSet]);
        self.watch::<PodDisruptionBudget>(&[C::Disruption]);
        self.watch::<Job>(&[C::Job, C::CronJob]);
        self.watch::<CronJob>(&[C::CronJob]);
    }

    /// Watches a kind, if any of these controllers runs; nothing is decided before its first list.
    fn watch<K: Kept<DynamicType = ()>>(&mut self, controllers: &[Controller]) {
        if self.runs(controllers) {
            K::mirror(&mut self.world.mirrors).is_awaited = true;
            self.watches.push(updates(Api::<K>::all(self.client.clone())).boxed());
        }
    }

    fn runs(&self, controllers: &[Controller]) -> bool {
        controllers.iter().any(|controller| self.world.options.controllers.contains(controller))
    }

    fn watch_definitions(&mut self) {
        for (index, kinds) in FOLLOWED.into_iter().enumerate() {
            if !self.runs(&[[Controller::CloneSet, Controller::KruiseStatefulSet][index]]) {
                continue;
            }
            let api: Api<Definition> = Api::all_with(self.client.clone(), &definitions::resource());
            let config = watcher::Config::default().fields(&format!("metadata.name={}", definitions::name(kinds)));
            let seen = watcher(api, config).backoff(Patience::default()).filter_map(|event| async move { event.ok() });
            let updates = seen.map(move |event| Box::new(move |world: &mut World| note_definition(world, index, &event)) as Update);
            self.watches.push(updates.boxed());
        }
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
        self.follow::<CloneSet>(0);
        self.follow::<KruiseStatefulSet>(1);
    }

    /// Begins and ends the watch of a kind with its definition.
    fn follow<K: Kept<DynamicType = ApiResource>>(&mut self, index: usize) {
        let served = self.world.served[index];
        if self.followed[index].as_ref().map(|(kind, _)| *kind) == served {
            return;
        }
        if let Some((_, watch)) = self.followed[index].take() {
            watch.abort();
        }
        self.world.forget_kind::<K>(served);
        if let Some(kind) = served {
            let resource = ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(kind.group, kind.version, kind.kind), kind.plural);
            let (watch, handle) = stream::abortable(updates(Api::<K>::all_with(self.client.clone(), &resource)));
            self.watches.push(watch.boxed());
            self.followed[index] = Some((kind, handle));
        }
    }

    /// Decides what is due, once all is seen that decisions build on.
    fn dispatch(&mut self) {
        while self.world.mirrors.are_synced() && self.writes.len() < AT_ONCE {
            let Some(work) = self.world.queue.take() else { break };
            let outcome = self.world.decide(&work, Timestamp::now());
            self.begin(work, outcome.unwrap_or_default());
        }
        if self.event.is_none()
            && let Some(action) = self.events.pop_front()
        {
            let manager = if is_of_scheduler(&action) { Controller::Scheduler } else { Controller::Deployment }.manager();
            self.event = Some(perform(self.client.clone(), manager, vec![(action, 0)], false).boxed());
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
        let mirrors = &self.world.mirrors;
        let dated = outcome.actions.into_iter().map(|action| {
            let lists = mirrors.lists(action.request.kind());
            (action, lists)
        });
        let sending = perform(self.client.clone(), work.controller.manager(), dated.collect(), outcome.independent);
        self.writes.push(sending.map(move |performed| (work, performed)).boxed());
    }

    fn finish(&mut self, work: &Work, performed: Performed) {
        performed.updates.into_iter().for_each(|update| update(&mut self.world));
        self.record(&performed.events);
        match performed.error {
            None => {
                self.world.errors.remove(work);
                self.world.queue.succeeded(work);
            }
            Some(failure) => {
                tracing::debug!(?work, code = failure.code, error = failure.message, "will be tried again");
                if failure.replicating && failure.code != 0 {
                    self.world.errors.insert(work.clone(), failure.message);
                }
                self.world.queue.failed(work, Instant::now());
            }
        }
    }

    fn record(&mut self, events: &[Event]) {
        if self.world.options.events {
            let now = Timestamp::now();
            let written = events.iter().filter_map(|event| self.world.recorder.record(event, now));
            self.events.extend(written);
        }
    }

    fn end_event(&mut self, performed: Performed) {
        self.event = None;
        performed.updates.into_iter().for_each(|update| update(&mut self.world));
    }
}

fn is_of_scheduler(event: &Action) -> bool {
    matches!(&event.request, Request::Create { object, .. } if object["reportingComponent"] == super::scheduler::COMPONENT)
}

fn instant(time: Timestamp) -> Instant {
    let wait = Duration::try_from(time.duration_since(Timestamp::now())).unwrap_or_default();
    Instant::now() + wait
}

fn note_definition(world: &mut World, index: usize, event: &watcher::Event<Definition>) {
    let served = |definition| definitions::served(definition, FOLLOWED[index]);
    match event {
        watcher::Event::Apply(definition) => world.served[index] = served(definition),
        watcher::Event::Delete(_) => world.served[index] = None,
        watcher::Event::Init => world.listed[index] = None,
        watcher::Event::InitApply(definition) => world.listed[index] = served(definition),
        watcher::Event::InitDone => world.served[index] = world.listed[index],
    }
}

/// How long a watch that failed waits before it is begun anew: up to a second, for the server is near.
struct Patience(Duration);

impl Default for Patience {
    fn default() -> Self {
        Self(Duration::from_millis(50))
    }
}

impl Iterator for Patience {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        let wait = self.0;
        self.0 = (wait * 2).min(Duration::from_secs(1));
        Some(wait)
    }
}

impl Backoff for Patience {
    fn reset(&mut self) {
        *self = Self::default();
    }
}

fn updates<K: Kept>(api: Api<K>) -> impl Stream<Item = Update> + Send + 'static {
    watcher(api, watcher::Config::default()).backoff(Patience::default()).filter_map(|event| async move {
        match event {
            Ok(event) => Some(Box::new(move |world: &mut World| world.observe(event)) as Update),
            Err(error) => {
                tracing::debug!(%error, "a watch has to be begun anew");
                None
            }
        }
    })
}
