//! Which of several processes leads: the one that holds a Lease and renews it.
//!
//! [`decide`] is pure. Clocks of others are never read: a Lease is free when it was not renewed for its duration as seen here. Nothing but
//! Leases is written here; what a leader may write is the gate's business.

use crate::cluster_api::{ApiError, ClusterApi, ObjectKey, Resource};
use crate::gate::WriteGate;
use crate::live_object::LiveObject;
use crate::watch::Own;
use flotilla_api::object::Object;
use futures::{Stream, StreamExt};
use k8s_openapi::api::coordination::v1::LeaseSpec;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use k8s_openapi::jiff::Timestamp;
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{self, Event};
use serde::Deserialize;
use serde_json::json;
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout_at};

/// How long a Lease lasts, and how often it is renewed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// Others take a Lease that was not renewed for this long.
    pub lease_duration: Duration,
    /// A leader that could not renew for this long writes nothing more.
    pub renew_deadline: Duration,
    /// Time between two attempts.
    pub retry_period: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self { lease_duration: seconds(15), renew_deadline: seconds(10), retry_period: seconds(2) }
    }
}

impl Timing {
    /// Why leaders could overlap, or never be; nothing when all is well.
    pub fn check(&self) -> Result<(), &'static str> {
        if self.retry_period.is_zero() {
            return Err("the retry period must be longer than 0");
        }
        if self.lease_duration <= self.renew_deadline {
            return Err("the lease duration must be longer than the renew deadline");
        }
        if self.renew_deadline <= longest_pause(self.retry_period) {
            return Err("the renew deadline must be longer than 1.2 times the retry period");
        }
        Ok(())
    }
}

/// What a Lease says.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// Who holds it; empty when it was released.
    pub holder: String,
    /// How long it lasts without being renewed.
    pub duration: Duration,
    /// Since when, and when it was renewed, by the holder's clock: only ever compared for equality.
    times: (Option<MicroTime>, Option<MicroTime>),
    transitions: i32,
}

impl Record {
    fn of(lease: &Object) -> Self {
        let spec = lease.get("spec").and_then(|spec| LeaseSpec::deserialize(spec).ok()).unwrap_or_default();
        let seconds = spec.lease_duration_seconds.and_then(|seconds| u64::try_from(seconds).ok()).unwrap_or(0);
        Self {
            holder: spec.holder_identity.unwrap_or_default(),
            duration: Duration::from_secs(seconds),
            times: (spec.acquire_time, spec.renew_time),
            transitions: spec.lease_transitions.unwrap_or(0),
        }
    }
}

/// What is known of the Lease.
#[derive(Debug, Clone, Copy)]
pub enum Known<'a> {
    /// It could not be read yet.
    Nothing,
    /// There is none.
    Absent,
    /// It says this, unchanged since then by our own clock.
    Says(&'a Record, Instant),
}

/// What is to be done about the Lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// It is free: take it.
    Take,
    /// It is ours: renew it.
    Renew,
    /// It is somebody else's until then, unless it is renewed.
    Wait(Instant),
    /// It was ours and is not any more: stop writing.
    StepDown(Lost),
}

/// Why a process does not lead any more.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Lost {
    /// Renewals were not answered in time, or this process was paused.
    #[error("it could not be renewed within {0:?}")]
    Deadline(Duration),
    /// Somebody else has it.
    #[error("`{0}` holds it")]
    Taken(String),
}

/// What `me` does about the Lease; `renewed` is when the last renewal that succeeded was sent, `None` while `me` does not lead.
pub fn decide(me: &str, known: Known<'_>, renewed: Option<Instant>, timing: &Timing, now: Instant) -> Step {
    if let Some(renewed) = renewed {
        return match known {
            Known::Says(record, _) if record.holder != me => Step::StepDown(Lost::Taken(record.holder.clone())),
            _ if now >= renewed + timing.renew_deadline => Step::StepDown(Lost::Deadline(timing.renew_deadline)),
            Known::Absent => Step::Take,
            Known::Nothing | Known::Says(..) => Step::Renew,
        };
    }
    match known {
        Known::Absent => Step::Take,
        Known::Nothing => Step::Wait(now + timing.retry_period),
        // Ours without our knowing: the answer to an attempt was lost.
        Known::Says(record, _) if record.holder.is_empty() || record.holder == me => Step::Take,
        Known::Says(record, since) if now >= since + record.duration => Step::Take,
        Known::Says(record, since) => Step::Wait(since + record.duration),
    }
}

/// Longest time between two attempts.
fn longest_pause(retry_period: Duration) -> Duration {
    retry_period.mul_f64(1.2)
}

/// The retry period, or up to a fifth more: candidates that started together do not stay together.
fn pause(retry_period: Duration) -> Duration {
    let chance = uuid::Uuid::new_v4().as_u128() % 1000;
    retry_period.mul_f64(1.0 + 0.2 * chance as f64 / 1000.0)
}

/// A name that no other process has: that of this machine, with something unique.
pub fn identity() -> String {
    let host = hostname::get().ok().and_then(|host| host.into_string().ok()).unwrap_or_else(|| "unknown".to_owned());
    format!("{host}_{}", uuid::Uuid::new_v4())
}

/// Leases as they are served.
pub fn leases() -> Resource {
    Resource {
        group: "coordination.k8s.io".into(),
        version: "v1".into(),
        kind: "Lease".into(),
        plural: "leases".into(),
        namespaced: true,
        has_status: false,
    }
}

/// One candidate.
pub struct Elector {
    api: ClusterApi,
    gate: WriteGate,
    key: ObjectKey,
    identity: String,
    timing: Timing,
    lease: Lease,
    renewed: Option<Instant>,
}

enum Lease {
    Unknown,
    Absent,
    Read { object: Object, record: Record, since: Instant },
}

impl Elector {
    /// A candidate for the Lease of this name. It opens the gate of `control` when it leads; its own writes do not pass there.
    pub fn new(control: &ClusterApi, namespace: &str, name: &str, identity: String, timing: Timing) -> Self {
        Self {
            // Half of the deadline: an answer that does not come leaves time for another attempt.
            api: control.ungated(timing.renew_deadline / 2),
            gate: control.gate().clone(),
            key: ObjectKey::new(Some(namespace), name),
            identity,
            timing,
            lease: Lease::Unknown,
            renewed: None,
        }
    }

    /// Waits until this process leads.
    pub async fn acquire(&mut self) {
        let mut news = std::pin::pin!(self.news());
        let mut told = None;
        loop {
            if let Err(error) = self.read().await {
                tracing::warn!(lease = %self.key, %error, "lease cannot be read");
            }
            let mut wait = pause(self.timing.retry_period);
            match self.decide() {
                Step::Take => match self.write().await {
                    Ok(()) => {
                        tracing::info!(lease = %self.key, identity = self.identity, "this process leads");
                        return;
                    }
                    Err(error) if error.is_conflict() || error.is_already_exists() => {}
                    Err(error) if error.is_not_found() => self.create_namespace().await,
                    Err(error) => tracing::warn!(lease = %self.key, %error, "lease cannot be taken"),
                },
                Step::Wait(free) => wait = wait.min(free.saturating_duration_since(Instant::now())),
                Step::Renew | Step::StepDown(_) => {}
            }
            if let Lease::Read { record, .. } = &self.lease
                && told.as_ref() != Some(&record.holder)
            {
                tracing::info!(lease = %self.key, identity = self.identity, holder = record.holder, "standing by");
                told = Some(record.holder.clone());
            }
            tokio::select! {
                () = sleep(wait) => {}
                _ = news.next() => {}
            }
        }
    }

    /// Renews the Lease until that fails for too long, or somebody else has it. The gate is closed then.
    pub async fn keep(&mut self) -> Lost {
        let mut wait = pause(self.timing.retry_period);
        loop {
            let deadline = self.renewed.unwrap_or_else(Instant::now) + self.timing.renew_deadline;
            sleep(wait.min(deadline.saturating_duration_since(Instant::now()))).await;
            if let Step::StepDown(lost) = self.decide() {
                self.gate.close();
                self.renewed = None;
                return lost;
            }
            wait = pause(self.timing.retry_period);
            match timeout_at(deadline, self.write()).await {
                Ok(Err(error)) if error.is_conflict() || error.is_not_found() || error.is_already_exists() => {
                    // Somebody else wrote it, or an answer to us was lost: what does it say now?
                    if let Ok(Ok(())) = timeout_at(deadline, self.read()).await {
                        wait = Duration::ZERO;
                    }
                }
                Ok(Err(error)) => tracing::warn!(lease = %self.key, %error, "lease not renewed"),
                Ok(Ok(())) | Err(_) => {}
            }
        }
    }

    /// Lets the answers to what was sent come in, then gives the Lease back: the next process need not wait.
    pub async fn release(&mut self) {
        self.gate.drain().await;
        let Some(renewed) = self.renewed.take() else { return };
        let Lease::Read { object, record, .. } = &self.lease else { return };
        let spec = json!({
            "holderIdentity": "", "leaseDurationSeconds": 1, "leaseTransitions": record.transitions,
            "acquireTime": MicroTime(Timestamp::now()), "renewTime": MicroTime(Timestamp::now()),
        });
        let lease = with_spec(object.clone(), spec);
        match timeout_at(renewed + self.timing.lease_duration, self.api.replace(&leases(), &lease)).await {
            Ok(Ok(_)) => tracing::info!(lease = %self.key, "lease released"),
            Ok(Err(error)) => tracing::warn!(lease = %self.key, %error, "lease not released"),
            Err(_) => tracing::warn!(lease = %self.key, "lease not released in time"),
        }
    }

    /// On a fresh control plane there is no namespace for the Lease.
    async fn create_namespace(&self) {
        let name = self.key.namespace().unwrap_or_default();
        let namespace = Object(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}));
        match self.api.create(&Own::Namespace.resource(), &namespace).await {
            Ok(_) => tracing::info!(namespace = name, "namespace created"),
            Err(error) => tracing::warn!(namespace = name, %error, "namespace cannot be created"),
        }
    }

    fn decide(&self) -> Step {
        let known = match &self.lease {
            Lease::Unknown => Known::Nothing,
            Lease::Absent => Known::Absent,
            Lease::Read { record, since, .. } => Known::Says(record, *since),
        };
        decide(&self.identity, known, self.renewed, &self.timing, Instant::now())
    }

    /// What others do to the Lease, as a sign to look again.
    fn news(&self) -> impl Stream<Item = ()> + use<> {
        let namespace = self.key.namespace().unwrap_or_default();
        let api = kube::Api::<LiveObject>::namespaced_with(self.api.client(), namespace, &leases().to_kube());
        let only = watcher::Config::default().fields(&format!("metadata.name={}", self.key.name));
        let events = watcher::watcher(api, only).default_backoff();
        events.filter_map(|event| {
            let is_news = matches!(event, Ok(Event::InitApply(_) | Event::Apply(_) | Event::Delete(_)));
            std::future::ready(is_news.then_some(()))
        })
    }

    async fn read(&mut self) -> Result<(), ApiError> {
        let lease = self.api.get(&leases(), &self.key).await?;
        match lease {
            Some(lease) => self.note(lease),
            None => self.lease = Lease::Absent,
        }
        Ok(())
    }

    /// Remembers what the Lease says, and since when.
    fn note(&mut self, object: Object) {
        let record = Record::of(&object);
        let since = match &self.lease {
            Lease::Read { record: old, since, .. } if *old == record => *since,
            _ => Instant::now(),
        };
        self.lease = Lease::Read { object, record, since };
    }

    /// Takes or renews the Lease. The term counts from before the request: whatever time the answer takes is ours to lose.
    async fn write(&mut self) -> Result<(), ApiError> {
        let (sent, now) = (Instant::now(), MicroTime(Timestamp::now()));
        let seconds = self.timing.lease_duration.as_secs_f64().ceil().max(1.0) as i32;
        let spec = |acquired: MicroTime, transitions: i32| {
            json!({
                "holderIdentity": self.identity, "leaseDurationSeconds": seconds, "leaseTransitions": transitions,
                "acquireTime": acquired, "renewTime": now,
            })
        };
        let written = match &self.lease {
            Lease::Read { object, record, .. } => {
                let spec = match &record.times.0 {
                    Some(acquired) if record.holder == self.identity => spec(acquired.clone(), record.transitions),
                    _ => spec(now.clone(), record.transitions.saturating_add(1)),
                };
                self.api.replace(&leases(), &with_spec(object.clone(), spec)).await?
            }
            Lease::Absent | Lease::Unknown => {
                let metadata = json!({"name": &*self.key.name, "namespace": self.key.namespace()});
                let lease = json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata});
                self.api.create(&leases(), &with_spec(Object(lease), spec(now.clone(), 0))).await?
            }
        };
        self.note(written);
        self.renewed = Some(sent);
        self.gate.open_until(sent + self.timing.renew_deadline);
        Ok(())
    }
}

fn with_spec(mut lease: Object, spec: serde_json::Value) -> Object {
    if let Some(lease) = lease.as_object_mut() {
        lease.insert("spec".into(), spec);
    }
    lease
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn held_by(holder: &str) -> Record {
        Record { holder: holder.into(), duration: 15 * SECOND, times: (None, None), transitions: 0 }
    }

    /// What `me` does `now` seconds after the start.
    #[track_caller]
    fn check(lease: Option<(&str, u32)>, renewed: Option<u32>, now: u32, expected: impl Fn(Instant) -> Step) {
        let start = Instant::now();
        let at = |seconds: u32| start + seconds * SECOND;
        let record = lease.map(|(holder, since)| (held_by(holder), at(since)));
        let known = record.as_ref().map_or(Known::Absent, |(record, since)| Known::Says(record, *since));
        assert_eq!(decide("me", known, renewed.map(at), &Timing::default(), at(now)), expected(start));
    }

    #[test]
    fn a_free_lease_is_taken() {
        check(None, None, 0, |_| Step::Take);
        check(Some(("", 0)), None, 0, |_| Step::Take);
        check(Some(("me", 0)), None, 0, |_| Step::Take);
    }

    #[test]
    fn a_lease_of_another_is_waited_for_from_when_it_was_seen_to_change() {
        check(Some(("other", 3)), None, 3, |start| Step::Wait(start + 18 * SECOND));
        check(Some(("other", 3)), None, 17, |start| Step::Wait(start + 18 * SECOND));
        check(Some(("other", 3)), None, 18, |_| Step::Take);
    }

    #[test]
    fn a_leader_renews_until_its_deadline() {
        check(Some(("me", 0)), Some(0), 2, |_| Step::Renew);
        check(Some(("me", 0)), Some(0), 9, |_| Step::Renew);
        check(Some(("me", 0)), Some(0), 10, |_| Step::StepDown(Lost::Deadline(10 * SECOND)));
        check(Some(("me", 0)), Some(7), 10, |_| Step::Renew);
    }

    #[test]
    fn a_leader_whose_lease_is_gone_takes_it_again_in_time_only() {
        check(None, Some(0), 2, |_| Step::Take);
        check(None, Some(0), 12, |_| Step::StepDown(Lost::Deadline(10 * SECOND)));
    }

    #[test]
    fn a_leader_whose_lease_another_has_steps_down_at_once() {
        check(Some(("other", 1)), Some(0), 1, |_| Step::StepDown(Lost::Taken("other".into())));
        check(Some(("", 1)), Some(0), 1, |_| Step::StepDown(Lost::Taken(String::new())));
    }

    #[test]
    fn a_lease_that_cannot_be_read_is_neither_taken_nor_given_up() {
        let (now, timing) = (Instant::now(), Timing::default());
        assert_eq!(decide("me", Known::Nothing, None, &timing, now), Step::Wait(now + 2 * SECOND));
        assert_eq!(decide("me", Known::Nothing, Some(now), &timing, now + SECOND), Step::Renew);
    }

    #[test]
    fn times_that_would_let_leaders_overlap_are_refused() {
        let timing =
            |lease, renew, retry| Timing { lease_duration: lease * SECOND, renew_deadline: renew * SECOND, retry_period: retry * SECOND };
        assert_eq!(Timing::default().check(), Ok(()));
        assert_eq!(timing(10, 10, 2).check(), Err("the lease duration must be longer than the renew deadline"));
        assert_eq!(timing(15, 2, 2).check(), Err("the renew deadline must be longer than 1.2 times the retry period"));
        assert_eq!(timing(15, 10, 0).check(), Err("the retry period must be longer than 0"));
    }

    #[test]
    fn pauses_differ_within_a_fifth() {
        assert!((0..100).map(|_| pause(SECOND)).all(|pause| pause >= SECOND && pause <= longest_pause(SECOND)));
    }
}
