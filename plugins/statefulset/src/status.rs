//! A StatefulSet's status on its way from the members to the template.

use crate::StatefulSet;
use flotilla_sdk::{Aggregation, Changes, Error, Fields, Item, Presence, Reflection, Result, ToJson};

/// The counters that are carried. `N` is `i32`, as in Kubernetes, for one cluster's and `i64` for their sum; zeros are left out
/// where Kubernetes does.
#[derive(Fields, ToJson, Clone, Default, PartialEq)]
#[fields(default)]
pub struct Counters<N: Default> {
    replicas: N,
    #[fields(omit_zero)]
    ready_replicas: N,
    #[fields(omit_zero)]
    current_replicas: N,
    #[fields(omit_zero)]
    updated_replicas: N,
    available_replicas: N,
}

/// What a member reports.
#[derive(Fields, ToJson)]
pub struct Report {
    /// The member object's generation.
    #[fields(default, omit_zero)]
    generation: i64,
    /// The template's generation that the member was sent.
    #[fields(default, omit_zero)]
    resource_template_generation: i64,
    /// Karmada's agents do not report it, and neither does this plugin: both read each other's reports.
    observed_generation: Option<i64>,
    #[fields(flatten)]
    counters: Counters<i32>,
}

#[derive(Fields)]
pub struct Member {
    #[fields(path = "/metadata/generation", default)]
    generation: i64,
    #[fields(path = "/metadata/annotations/resourcetemplate.karmada.io~1generation")]
    template_generation: Option<String>,
    status: Presence<Counters<i32>>,
}

impl Reflection for StatefulSet {
    type Reads = Member;
    type Status = Report;
    fn reflect(observed: Member) -> Result<Option<Report>> {
        let counters = match observed.status {
            Presence::Absent => return Ok(None),
            Presence::Null => return Err(Error::invalid("status: expected an object, found null")),
            Presence::Value(counters) => counters,
        };
        let annotation = observed.template_generation.unwrap_or_default();
        let resource_template_generation = annotation.parse().map_err(|_| {
            Error::invalid(format!("annotation `resourcetemplate.karmada.io/generation`: expected an integer, found \"{annotation}\""))
        })?;
        let generation = observed.generation;
        Ok(Some(Report { generation, resource_template_generation, observed_generation: None, counters }))
    }
}

#[derive(Fields)]
pub struct Template {
    #[fields(path = "/metadata/generation", default)]
    generation: i64,
    #[fields(default)]
    status: Sum,
}

/// What the template shows.
#[derive(Fields, ToJson, Default, PartialEq)]
pub struct Sum {
    #[fields(default, omit_zero)]
    observed_generation: i64,
    #[fields(flatten)]
    counters: Counters<i64>,
}

impl Aggregation for StatefulSet {
    type Reads = Template;
    type Status = Report;
    const WRITES: &[&str] = &[
        "/status/observedGeneration",
        "/status/replicas",
        "/status/readyReplicas",
        "/status/currentReplicas",
        "/status/updatedReplicas",
        "/status/availableReplicas",
    ];
    /// The template's generation counts as observed when every cluster has observed it.
    fn aggregate(template: Template, items: Option<Vec<Item<Report>>>) -> Result<Changes> {
        let items = items.unwrap_or_default();
        let counters = items.iter().flat_map(|item| &item.status).fold(Counters::default(), |sum, report| sum.plus(&report.counters));
        let current = items.iter().all(|item| is_current(item, template.generation));
        let observed_generation = if current { template.generation } else { template.status.observed_generation };
        let sum = Sum { observed_generation, counters };
        Ok(if sum == template.status { Changes::new() } else { Changes::new().set_fields("/status", &sum) })
    }
}

/// Whether the member has observed the template's latest generation. A report with `observedGeneration` says so itself, by
/// Karmada's rule; without it (the usual case) a healthy member has, since health asks for it.
fn is_current(item: &Item<Report>, template: i64) -> bool {
    let Some(report) = &item.status else { return false };
    let by_itself =
        report.observed_generation.unwrap_or(0) >= report.generation && report.resource_template_generation >= report.generation;
    let by_health = report.observed_generation.is_none()
        && report.resource_template_generation >= template
        && item.health.as_deref() == Some("Healthy");
    by_itself || by_health
}

impl Counters<i64> {
    fn plus(mut self, member: &Counters<i32>) -> Self {
        self.replicas += i64::from(member.replicas);
        self.ready_replicas += i64::from(member.ready_replicas);
        self.current_replicas += i64::from(member.current_replicas);
        self.updated_replicas += i64::from(member.updated_replicas);
        self.available_replicas += i64::from(member.available_replicas);
        self
    }
}
