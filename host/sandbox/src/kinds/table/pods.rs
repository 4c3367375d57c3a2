//! `kubectl get pods`: what the containers' states add up to.

use super::{AGE, Column, NAME, Printer, age, column, count, name, text_or, wide};
use crate::kinds::reach::{flag, list, present, text};
use serde_json::{Value, json};

pub(super) static PODS: Printer = Printer { columns: COLUMNS, cells };

const COLUMNS: &[Column] = &[
    NAME,
    column("Ready", "string", "How many of the containers are ready."),
    column("Status", "string", "What the states of the containers add up to."),
    column("Restarts", "string", "How often containers were restarted, and when last."),
    AGE,
    wide("IP", "string", "Address of the pod."),
    wide("Node", "string", "Node the pod is assigned to."),
    wide("Nominated Node", "string", "Node on which room is being made for the pod."),
    wide("Readiness Gates", "string", "How many of the pod's own readiness conditions hold."),
];

fn cells(pod: &Value, now: i64) -> Vec<Value> {
    let summary = Summary::of(pod);
    let ip = present(pod, "/status/podIPs/0/ip").or_else(|| present(pod, "/status/podIP")).and_then(Value::as_str);
    vec![
        name(pod),
        json!(format!("{}/{}", summary.ready, summary.total)),
        json!(summary.reason),
        json!(summary.restarts(now)),
        age::of(pod, now),
        text_or(ip.unwrap_or_default(), "<none>"),
        text_or(text(pod, "/spec/nodeName"), "<none>"),
        text_or(text(pod, "/status/nominatedNodeName"), "<none>"),
        readiness_gates(pod),
    ]
}

/// What is said of the row of a pod that is over.
pub fn row_condition(pod: &Value) -> Option<Value> {
    let phase = text(pod, "/status/phase");
    let message = match phase {
        "Succeeded" => "The pod has completed successfully.",
        "Failed" => "The pod failed.",
        _ => return None,
    };
    Some(json!({"type": "Completed", "status": "True", "reason": phase, "message": message}))
}

/// What is shown of a pod's containers.
#[derive(Default)]
struct Summary {
    reason: String,
    ready: usize,
    total: usize,
    restarts: Restarts,
}

/// How often containers ended, and when last (Unix seconds).
#[derive(Default, Clone, Copy)]
struct Restarts {
    count: i64,
    last: Option<i64>,
}

impl Restarts {
    fn add(&mut self, status: &Value) {
        self.count += count(status, "/restartCount");
        self.last = self.last.max(age::seconds(text(status, "/lastState/terminated/finishedAt")));
    }
}

impl Summary {
    fn of(pod: &Value) -> Self {
        let sidecars = list(pod, "/spec/initContainers").iter().filter(|container| is_sidecar(container)).count();
        let mut summary =
            Self { reason: initial_reason(pod).to_owned(), total: list(pod, "/spec/containers").len() + sidecars, ..Self::default() };
        let of_sidecars = summary.add_init_containers(pod);
        if of_sidecars.is_initialized || condition(pod, "Initialized") == Some("True") {
            summary.restarts = of_sidecars.restarts;
            summary.add_containers(pod);
        }
        if present(pod, "/metadata/deletionTimestamp").is_some() {
            if text(pod, "/status/reason") == "NodeLost" {
                summary.reason = "Unknown".to_owned();
            } else if !matches!(text(pod, "/status/phase"), "Failed" | "Succeeded") {
                summary.reason = "Terminating".to_owned();
            }
        }
        summary
    }

    /// Up to the first init container that has not done its part.
    fn add_init_containers(&mut self, pod: &Value) -> InitContainers {
        let containers = list(pod, "/spec/initContainers");
        let mut sidecars = Restarts::default();
        for (index, status) in list(pod, "/status/initContainerStatuses").iter().enumerate() {
            self.restarts.add(status);
            let is_sidecar = containers.iter().any(|container| container["name"] == status["name"] && is_sidecar(container));
            if is_sidecar {
                sidecars.add(status);
            }
            let terminated = present(status, "/state/terminated");
            if terminated.is_some_and(|state| count(state, "/exitCode") == 0) {
                continue;
            }
            if is_sidecar && flag(status, "/started") {
                self.ready += usize::from(flag(status, "/ready"));
                continue;
            }
            self.reason = match (terminated, text(status, "/state/waiting/reason")) {
                (Some(state), _) => format!("Init:{}", end_of(state)),
                (None, "" | "PodInitializing") => format!("Init:{index}/{}", containers.len()),
                (None, reason) => format!("Init:{reason}"),
            };
            return InitContainers { restarts: sidecars, is_initialized: false };
        }
        InitContainers { restarts: sidecars, is_initialized: true }
    }

    /// The first container's trouble wins.
    fn add_containers(&mut self, pod: &Value) {
        let mut is_running = false;
        for status in list(pod, "/status/containerStatuses").iter().rev() {
            self.restarts.add(status);
            let waiting = text(status, "/state/waiting/reason");
            if !waiting.is_empty() {
                self.reason = waiting.to_owned();
            } else if let Some(state) = present(status, "/state/terminated") {
                self.reason = end_of(state);
            } else if flag(status, "/ready") && present(status, "/state/running").is_some() {
                is_running = true;
                self.ready += 1;
            }
        }
        if self.reason == "Completed" && is_running {
            let is_ready = condition(pod, "Ready") == Some("True");
            self.reason = if is_ready { "Running" } else { "NotReady" }.to_owned();
        }
    }

    fn restarts(&self, now: i64) -> String {
        match self.restarts {
            Restarts { count, last: Some(last) } if count != 0 => format!("{count} ({} ago)", age::human(now - last)),
            Restarts { count, .. } => count.to_string(),
        }
    }
}

struct InitContainers {
    restarts: Restarts,
    is_initialized: bool,
}

fn is_sidecar(container: &Value) -> bool {
    text(container, "/restartPolicy") == "Always"
}

fn initial_reason(pod: &Value) -> &str {
    let is_gated = list(pod, "/status/conditions")
        .iter()
        .any(|condition| text(condition, "/type") == "PodScheduled" && text(condition, "/reason") == "SchedulingGated");
    match text(pod, "/status/reason") {
        _ if is_gated => "SchedulingGated",
        "" => text(pod, "/status/phase"),
        reason => reason,
    }
}

/// Why a container ended.
fn end_of(terminated: &Value) -> String {
    match (text(terminated, "/reason"), count(terminated, "/signal")) {
        ("", 0) => format!("ExitCode:{}", count(terminated, "/exitCode")),
        ("", signal) => format!("Signal:{signal}"),
        (reason, _) => reason.to_owned(),
    }
}

fn condition<'a>(pod: &'a Value, kind: &str) -> Option<&'a str> {
    let condition = list(pod, "/status/conditions").iter().find(|condition| text(condition, "/type") == kind)?;
    Some(text(condition, "/status"))
}

fn readiness_gates(pod: &Value) -> Value {
    let gates = list(pod, "/spec/readinessGates");
    if gates.is_empty() {
        return json!("<none>");
    }
    let held = gates.iter().filter(|gate| condition(pod, text(gate, "/conditionType")) == Some("True")).count();
    json!(format!("{held}/{}", gates.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(status: &str, ready_and_status: [&str; 3]) {
        let mut pod: Value = serde_saphyr::from_str(status).expect("yaml");
        pod["metadata"]["name"] = json!("p");
        let cells = cells(&pod, age::seconds("2026-01-01T01:00:00Z").expect("a time"));
        assert_eq!([&cells[1], &cells[2], &cells[3]].map(|cell| cell.as_str().expect("text")), ready_and_status);
    }

    #[test]
    fn a_running_pod() {
        check(
            "{metadata: {}, spec: {containers: [{name: a}, {name: b}]}, status: {phase: Running, containerStatuses: [
              {name: a, ready: true, state: {running: {}}, restartCount: 2, lastState: {terminated: {finishedAt: '2026-01-01T00:55:00Z'}}},
              {name: b, ready: false, state: {running: {}}, restartCount: 0}]}}",
            ["1/2", "Running", "2 (5m ago)"],
        );
    }

    #[test]
    fn waiting_and_ended_containers_give_their_reason() {
        let with = |state: &str| {
            format!("{{metadata: {{}}, spec: {{containers: [{{}}]}}, status: {{phase: Running, containerStatuses: [{{state: {state}}}]}}}}")
        };
        check(&with("{waiting: {reason: ContainerCreating}}"), ["0/1", "ContainerCreating", "0"]);
        check(&with("{terminated: {reason: Completed, exitCode: 0}}"), ["0/1", "Completed", "0"]);
        check(&with("{terminated: {exitCode: 3}}"), ["0/1", "ExitCode:3", "0"]);
        check(&with("{terminated: {exitCode: 137, signal: 9}}"), ["0/1", "Signal:9", "0"]);
    }

    #[test]
    fn init_containers_come_first() {
        let with = |states: &str| {
            format!(
                "{{metadata: {{}}, spec: {{initContainers: [{{name: i}}, {{name: j}}], containers: [{{}}]}}, status: {{phase: Pending,
                initContainerStatuses: {states}, containerStatuses: [{{state: {{waiting: {{reason: PodInitializing}}}}}}]}}}}"
            )
        };
        check(&with("[{state: {terminated: {exitCode: 0}}}, {state: {running: {}}}]"), ["0/1", "Init:1/2", "0"]);
        check(&with("[{state: {waiting: {reason: CrashLoopBackOff}}, restartCount: 4}]"), ["0/1", "Init:CrashLoopBackOff", "4"]);
        check(&with("[{state: {terminated: {exitCode: 1, reason: Error}}}]"), ["0/1", "Init:Error", "0"]);
    }

    #[test]
    fn sidecars_count_as_containers() {
        check(
            "{metadata: {}, spec: {initContainers: [{name: s, restartPolicy: Always}], containers: [{name: a}]}, status: {phase: Running,
              initContainerStatuses: [{name: s, started: true, ready: true, restartCount: 1, state: {running: {}}}],
              containerStatuses: [{name: a, ready: true, state: {running: {}}}]}}",
            ["2/2", "Running", "1"],
        );
    }

    #[test]
    fn a_pod_that_goes_is_terminating_unless_it_has_ended() {
        let with = |phase: &str| {
            format!("{{metadata: {{deletionTimestamp: '2026-01-01T00:00:00Z'}}, spec: {{containers: [{{}}]}}, status: {{phase: {phase}}}}}")
        };
        check(&with("Running"), ["0/1", "Terminating", "0"]);
        check(&with("Succeeded"), ["0/1", "Succeeded", "0"]);
    }

    #[test]
    fn wide_cells_say_none_where_there_is_nothing() {
        let pod =
            json!({"spec": {"readinessGates": [{"conditionType": "x"}]}, "status": {"conditions": [{"type": "x", "status": "True"}]}});
        assert_eq!(cells(&pod, 0)[5..], [json!("<none>"), json!("<none>"), json!("<none>"), json!("1/1")]);
    }
}
