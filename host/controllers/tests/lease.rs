//! Of several candidates one writes, never two: whatever happens to the one that leads.

mod support;

use flotilla_api::object::Object;
use flotilla_controllers::cluster_api::{ApiError, ClusterApi, ObjectKey, Resource};
use flotilla_controllers::gate::{Role, WriteGate};
use flotilla_controllers::lease::{Elector, Lost, Timing};
use flotilla_controllers::task::Task;
use flotilla_sandbox::faults::Faults;
use flotilla_sandbox::server::ApiServer;
use serde_json::json;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::Duration;
use support::{Recorder, Seen, server, until, user};
use tokio::time::{Instant, sleep};

const SECOND: Duration = Duration::from_secs(1);

fn config_maps() -> Resource {
    support::resource("v1", "ConfigMap", "configmaps", true)
}

fn counter() -> ObjectKey {
    ObjectKey::new(Some("default"), "counter")
}

/// Two servers: one with the Lease, and one that is written to.
async fn servers() -> (ApiServer, ApiServer) {
    let (control, member) = (server("control"), server("member"));
    let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "counter", "namespace": "default"}});
    until("the namespace is there", async || user(&member).create(&config_maps(), &Object(map.clone())).await.ok()).await;
    (control, member)
}

/// One process: it stands for the Lease, and writes to the member all the time, whether it leads or not.
struct Candidate {
    gate: WriteGate,
    is_paused: Arc<AtomicBool>,
    _writer: Task,
    election: Option<tokio::task::JoinHandle<(Elector, Option<Lost>)>>,
    stop: Arc<tokio::sync::Notify>,
}

impl Candidate {
    fn start(name: &str, control: &ApiServer, member: &ApiServer, recorder: &Recorder) -> Self {
        let (gate, is_paused, stop) = (WriteGate::shut(), Arc::new(AtomicBool::new(false)), Arc::new(tokio::sync::Notify::new()));
        let api = ClusterApi::new(recorder.client(control, name), 20 * SECOND).behind(gate.clone());
        let target = ClusterApi::new(recorder.client(member, name), 10 * SECOND).as_member_of(&api);
        let mut elector = Elector::new(&api, "flotilla-system", "flotilla", name.to_owned(), Timing::default());
        let stopped = stop.clone();
        let election = async move {
            elector.acquire().await;
            let lost = tokio::select! {
                lost = elector.keep() => Some(lost),
                () = stopped.notified() => None,
            };
            if lost.is_none() {
                elector.release().await;
            }
            (elector, lost)
        };
        let writes = async move {
            for number in 0u64.. {
                // Refusals are what this is about.
                let _ = target.patch(&config_maps(), &counter(), &json!({"data": {"number": number.to_string()}})).await;
                sleep(Duration::from_millis(100)).await;
            }
        };
        let election = Some(tokio::spawn(pausable(election, is_paused.clone())));
        Self { gate, _writer: Task::spawn(writes), election, is_paused, stop }
    }

    async fn leads(&self) {
        until("it leads", async || (self.gate.role() == Role::Leader).then_some(())).await;
    }

    async fn ended(&mut self) -> Option<Lost> {
        self.election.take().expect("asked once").await.expect("no panic").1
    }
}

/// Does not go on while it is paused.
async fn pausable<T>(work: impl Future<Output = T>, is_paused: Arc<AtomicBool>) -> T {
    let mut work = pin!(work);
    let mut tick = tokio::time::interval(Duration::from_millis(50));
    poll_fn(move |context| {
        while tick.poll_tick(context).is_ready() {}
        if is_paused.load(Ordering::Relaxed) { Poll::Pending } else { work.as_mut().poll(context) }
    })
    .await
}

/// Who wrote, in order, each once for as long as nobody else did.
fn writers(writes: &[Seen]) -> Vec<&str> {
    let mut writers: Vec<&str> = writes.iter().filter(|seen| seen.path.contains("configmaps")).map(|seen| seen.agent.as_str()).collect();
    writers.dedup();
    writers
}

fn last_write(recorder: &Recorder, agent: &str) -> Instant {
    recorder.writes().iter().filter(|seen| seen.agent == agent).map(|seen| seen.at).max().expect("it wrote")
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_is_paused_is_followed_by_another_and_writes_nothing_more() {
    let (control, member) = servers().await;
    let recorder = Recorder::default();
    let mut first = Candidate::start("first", &control, &member, &recorder);
    first.leads().await;
    let second = Candidate::start("second", &control, &member, &recorder);
    sleep(60 * SECOND).await;
    assert_eq!(writers(&recorder.writes()), ["first"]);
    first.is_paused.store(true, Ordering::Relaxed);
    let paused = Instant::now();
    second.leads().await;
    assert!(last_write(&recorder, "first") - paused <= 10 * SECOND, "its term had ended");
    assert!(paused.elapsed() > 10 * SECOND && paused.elapsed() < 20 * SECOND, "{:?}", paused.elapsed());
    sleep(10 * SECOND).await;
    first.is_paused.store(false, Ordering::Relaxed);
    assert!(first.ended().await.is_some(), "it finds out");
    sleep(60 * SECOND).await;
    assert_eq!(writers(&recorder.writes()), ["first", "second"]);
    assert_eq!((first.gate.role(), second.gate.role()), (Role::Deposed, Role::Leader));
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_cannot_reach_its_lease_writes_nothing_after_its_deadline() {
    let (control, member) = servers().await;
    let recorder = Recorder::default();
    let mut leader = Candidate::start("leader", &control, &member, &recorder);
    leader.leads().await;
    sleep(30 * SECOND).await;
    for faults in [Faults { unreachable: true, ..Faults::default() }, Faults { latency: 3600 * SECOND, ..Faults::default() }] {
        control.set_faults(faults);
        let cut = Instant::now();
        let lost = leader.ended().await;
        assert_eq!(lost, Some(Lost::Deadline(10 * SECOND)));
        assert!(cut.elapsed() <= 10 * SECOND, "{:?}", cut.elapsed());
        sleep(60 * SECOND).await;
        assert!(last_write(&recorder, "leader") - cut <= 10 * SECOND);
        assert!(last_write(&recorder, "leader") - cut >= 7 * SECOND, "until then it wrote");
        control.set_faults(Faults::default());
        leader = Candidate::start("leader", &control, &member, &recorder);
        leader.leads().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_is_released_is_taken_at_once() {
    let (control, member) = servers().await;
    let recorder = Recorder::default();
    let mut first = Candidate::start("first", &control, &member, &recorder);
    first.leads().await;
    let second = Candidate::start("second", &control, &member, &recorder);
    sleep(7 * SECOND).await;
    let stopped = Instant::now();
    first.stop.notify_one();
    assert_eq!(first.ended().await, None);
    second.leads().await;
    assert!(stopped.elapsed() < SECOND, "{:?}", stopped.elapsed());
    sleep(30 * SECOND).await;
    assert_eq!(writers(&recorder.writes()), ["first", "second"]);
    let leases = support::resource("coordination.k8s.io/v1", "Lease", "leases", true);
    let lease =
        user(&control).get(&leases, &ObjectKey::new(Some("flotilla-system"), "flotilla")).await.expect("it answers").expect("there");
    assert_eq!((&lease["spec"]["holderIdentity"], &lease["spec"]["leaseTransitions"]), (&json!("second"), &json!(1)));
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_another_takes_by_force_deposes_its_holder() {
    let (control, member) = servers().await;
    let recorder = Recorder::default();
    let mut leader = Candidate::start("leader", &control, &member, &recorder);
    leader.leads().await;
    let leases = support::resource("coordination.k8s.io/v1", "Lease", "leases", true);
    let key = ObjectKey::new(Some("flotilla-system"), "flotilla");
    user(&control).patch(&leases, &key, &json!({"spec": {"holderIdentity": "intruder"}})).await.expect("users may");
    assert_eq!(leader.ended().await, Some(Lost::Taken("intruder".into())));
    let refused = leader.gate.write(async { Ok::<_, ApiError>(()) }).await;
    assert!(matches!(refused, Err(ApiError::NotLeading)));
}

#[tokio::test(start_paused = true)]
async fn a_leader_outlasts_an_api_that_errs_now_and_then() {
    let (control, member) = servers().await;
    let recorder = Recorder::default();
    let first = Candidate::start("first", &control, &member, &recorder);
    first.leads().await;
    control.set_faults(Faults { error_rate: 0.1, ..Faults::default() });
    let _second = Candidate::start("second", &control, &member, &recorder);
    sleep(600 * SECOND).await;
    assert_eq!((first.gate.role(), writers(&recorder.writes())), (Role::Leader, vec!["first"]));
}
