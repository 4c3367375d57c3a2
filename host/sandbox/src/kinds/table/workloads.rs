//! `kubectl get` of what makes pods: Deployments, sets, Jobs, revisions.

use super::{AGE, CONTAINERS, IMAGES, NAME, Printer, SELECTOR, age, column, containers, count, labels, name, selector};
use super::{selector_text, text_or};
use crate::kinds::reach::{flag, int, list, present, text};
use serde_json::{Value, json};

const TEMPLATE: &str = "/spec/template/spec";

pub(super) static DEPLOYMENTS: Printer = Printer {
    columns: &[
        NAME,
        column("Ready", "string", "How many of the wanted pods are ready."),
        column("Up-to-date", "string", "How many pods are made from the current template."),
        column("Available", "string", "How many pods have been ready for long enough."),
        AGE,
        CONTAINERS,
        IMAGES,
        SELECTOR,
    ],
    cells: |object, now| {
        let [names, images] = containers(object, TEMPLATE);
        vec![
            name(object),
            json!(format!("{}/{}", count(object, "/status/readyReplicas"), count(object, "/spec/replicas"))),
            json!(count(object, "/status/updatedReplicas")),
            json!(count(object, "/status/availableReplicas")),
            age::of(object, now),
            names,
            images,
            json!(object.pointer("/spec/selector").map(selector_text).unwrap_or_default()),
        ]
    },
};

pub(super) static REPLICA_SETS: Printer = Printer {
    columns: &[
        NAME,
        column("Desired", "integer", "How many pods are wanted."),
        column("Current", "integer", "How many pods there are."),
        column("Ready", "integer", "How many pods are ready."),
        AGE,
        CONTAINERS,
        IMAGES,
        SELECTOR,
    ],
    cells: |object, now| replicas(object, now, selector(object, "/spec/selector")),
};

pub(super) static REPLICATION_CONTROLLERS: Printer =
    Printer { columns: REPLICA_SETS.columns, cells: |object, now| replicas(object, now, labels(object, "/spec/selector")) };

fn replicas(object: &Value, now: i64, selector: Value) -> Vec<Value> {
    let [names, images] = containers(object, TEMPLATE);
    vec![
        name(object),
        json!(count(object, "/spec/replicas")),
        json!(count(object, "/status/replicas")),
        json!(count(object, "/status/readyReplicas")),
        age::of(object, now),
        names,
        images,
        selector,
    ]
}

pub(super) static STATEFUL_SETS: Printer = Printer {
    columns: &[NAME, column("Ready", "string", "How many of the wanted pods are ready."), AGE, CONTAINERS, IMAGES],
    cells: |object, now| {
        let [names, images] = containers(object, TEMPLATE);
        let ready = format!("{}/{}", count(object, "/status/readyReplicas"), count(object, "/spec/replicas"));
        vec![name(object), json!(ready), age::of(object, now), names, images]
    },
};

pub(super) static DAEMON_SETS: Printer = Printer {
    columns: &[
        NAME,
        column("Desired", "integer", "How many nodes should run the pod."),
        column("Current", "integer", "How many of them run it."),
        column("Ready", "integer", "On how many of them it is ready."),
        column("Up-to-date", "integer", "On how many nodes it is made from the current template."),
        column("Available", "integer", "On how many nodes it has been ready for long enough."),
        column("Node Selector", "string", "Labels of the nodes it runs on."),
        AGE,
        CONTAINERS,
        IMAGES,
        SELECTOR,
    ],
    cells: |object, now| {
        let [names, images] = containers(object, TEMPLATE);
        let mut cells = vec![name(object)];
        let counts = ["desiredNumberScheduled", "currentNumberScheduled", "numberReady", "updatedNumberScheduled", "numberAvailable"];
        cells.extend(counts.map(|field| json!(count(object, &format!("/status/{field}")))));
        let nodes = labels(object, "/spec/template/spec/nodeSelector");
        cells.extend([nodes, age::of(object, now), names, images, selector(object, "/spec/selector")]);
        cells
    },
};

pub(super) static JOBS: Printer = Printer {
    columns: &[
        NAME,
        column("Status", "string", "How far the Job has come."),
        column("Completions", "string", "How many pods succeeded, of how many that must."),
        column("Duration", "string", "How long the Job took, or takes so far."),
        AGE,
        CONTAINERS,
        IMAGES,
        SELECTOR,
    ],
    cells: |object, now| {
        let [names, images] = containers(object, TEMPLATE);
        vec![
            name(object),
            json!(job_status(object)),
            json!(completions(object)),
            json!(job_duration(object, now)),
            age::of(object, now),
            names,
            images,
            selector(object, "/spec/selector"),
        ]
    },
};

fn job_status(job: &Value) -> &'static str {
    let holds = |kind: &str| {
        list(job, "/status/conditions").iter().any(|condition| text(condition, "/type") == kind && text(condition, "/status") == "True")
    };
    if holds("Complete") {
        "Complete"
    } else if holds("Failed") {
        "Failed"
    } else if present(job, "/metadata/deletionTimestamp").is_some() {
        "Terminating"
    } else if holds("Suspended") {
        "Suspended"
    } else if holds("FailureTarget") {
        "FailureTarget"
    } else if holds("SuccessCriteriaMet") {
        "SuccessCriteriaMet"
    } else {
        "Running"
    }
}

fn completions(job: &Value) -> String {
    let succeeded = count(job, "/status/succeeded");
    match (int(job, "/spec/completions"), count(job, "/spec/parallelism")) {
        (Some(completions), _) => format!("{succeeded}/{completions}"),
        (None, parallelism) if parallelism > 1 => format!("{succeeded}/1 of {parallelism}"),
        (None, _) => format!("{succeeded}/1"),
    }
}

fn job_duration(job: &Value, now: i64) -> String {
    let started = age::seconds(text(job, "/status/startTime"));
    let ended = age::seconds(text(job, "/status/completionTime")).unwrap_or(now);
    started.map(|started| age::human(ended - started)).unwrap_or_default()
}

pub(super) static CRON_JOBS: Printer = Printer {
    columns: &[
        NAME,
        column("Schedule", "string", "When Jobs are started, in Cron's syntax."),
        column("Timezone", "string", "Time zone of the schedule."),
        column("Suspend", "boolean", "Whether no more Jobs are started."),
        column("Active", "integer", "How many of its Jobs are running."),
        column("Last Schedule", "string", "How long ago a Job was started."),
        AGE,
        CONTAINERS,
        IMAGES,
        SELECTOR,
    ],
    cells: |object, now| {
        let [names, images] = containers(object, "/spec/jobTemplate/spec/template/spec");
        let last = text(object, "/status/lastScheduleTime");
        let is_suspended = flag(object, "/spec/suspend");
        vec![
            name(object),
            json!(text(object, "/spec/schedule")),
            text_or(text(object, "/spec/timeZone"), "<none>"),
            json!(if is_suspended { "True" } else { "False" }),
            json!(list(object, "/status/active").len()),
            json!(if last.is_empty() { "<none>".to_owned() } else { age::since(last, now) }),
            age::of(object, now),
            names,
            images,
            selector(object, "/spec/jobTemplate/spec/selector"),
        ]
    },
};

pub(super) static POD_TEMPLATES: Printer = Printer {
    columns: &[
        NAME,
        column("Containers", "string", "Names of the template's containers."),
        column("Images", "string", "Images of the template's containers."),
        column("Pod Labels", "string", "Labels of the pods."),
    ],
    cells: |object, _| {
        let [names, images] = containers(object, "/template/spec");
        vec![name(object), names, images, labels(object, "/template/metadata/labels")]
    },
};

pub(super) static CONTROLLER_REVISIONS: Printer = Printer {
    columns: &[
        NAME,
        column("Controller", "string", "Object the revision is of."),
        column("Revision", "string", "Number of the revision."),
        AGE,
    ],
    cells: |object, now| vec![name(object), json!(controller(object)), json!(count(object, "/revision")), age::of(object, now)],
};

/// `statefulset.apps/db`.
fn controller(object: &Value) -> String {
    let Some(owner) = list(object, "/metadata/ownerReferences").iter().find(|owner| flag(owner, "/controller")) else {
        return "<none>".to_owned();
    };
    let kind = text(owner, "/kind").to_lowercase();
    match text(owner, "/apiVersion").split_once('/') {
        Some((group, _)) => format!("{kind}.{group}/{}", text(owner, "/name")),
        None => format!("{kind}/{}", text(owner, "/name")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(printer: &Printer, yaml: &str, now: &str) -> Vec<String> {
        let object: Value = serde_saphyr::from_str(yaml).expect("yaml");
        let cells = (printer.cells)(&object, age::seconds(now).expect("a time"));
        assert_eq!(cells.len(), printer.columns.len());
        cells.iter().map(|cell| cell.as_str().map_or_else(|| cell.to_string(), str::to_owned)).collect()
    }

    const NOW: &str = "2026-01-01T01:00:00Z";

    #[test]
    fn a_job_tells_how_far_it_is() {
        let job = "
metadata: {name: j, creationTimestamp: '2026-01-01T00:59:00Z'}
spec: {completions: 3, parallelism: 1, template: {spec: {containers: [{name: a, image: x}, {name: b, image: w}]}}}
status: {startTime: '2026-01-01T00:59:01Z', succeeded: 1}";
        assert_eq!(row(&JOBS, job, NOW), ["j", "Running", "1/3", "59s", "60s", "a,b", "x,w", "<none>"]);
        let done = format!("{job}\n").replace(
            "succeeded: 1",
            "succeeded: 3, completionTime: '2026-01-01T00:59:08Z',
  conditions: [{type: SuccessCriteriaMet, status: 'True'}, {type: Complete, status: 'True'}]",
        );
        assert_eq!(row(&JOBS, &done, NOW)[1..4], ["Complete", "3/3", "7s"]);
        assert_eq!(row(&JOBS, &job.replace("completions: 3, parallelism: 1", "parallelism: 4"), NOW)[2], "1/1 of 4");
    }

    #[test]
    fn a_cron_job_tells_when_it_ran() {
        let cron = "
metadata: {name: c}
spec: {schedule: '@daily', suspend: false, jobTemplate: {spec: {template: {spec: {containers: [{name: a, image: x}]}}}}}
status: {active: [{}], lastScheduleTime: '2026-01-01T00:00:00Z'}";
        assert_eq!(row(&CRON_JOBS, cron, NOW), ["c", "@daily", "<none>", "False", "1", "60m", "<unknown>", "a", "x", "<none>"]);
    }

    #[test]
    fn a_daemon_set_counts_nodes() {
        let set = "
metadata: {name: d}
spec: {selector: {matchLabels: {a: b}}, template: {spec: {nodeSelector: {os: linux}}}}
status: {desiredNumberScheduled: 3, currentNumberScheduled: 2, numberReady: 1}";
        assert_eq!(row(&DAEMON_SETS, set, NOW), ["d", "3", "2", "1", "0", "0", "os=linux", "<unknown>", "", "", "a=b"]);
    }

    #[test]
    fn a_revision_names_its_controller() {
        let revision = "
metadata: {name: r, ownerReferences: [{apiVersion: apps/v1, kind: StatefulSet, name: db, controller: true}]}
revision: 2";
        assert_eq!(row(&CONTROLLER_REVISIONS, revision, NOW)[1..3], ["statefulset.apps/db", "2"]);
    }
}
