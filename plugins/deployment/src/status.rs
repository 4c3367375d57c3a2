//! A Deployment's status on its way from the members to the template.

use crate::Deployment;
use flotilla_sdk::{Aggregation, Changes, Error, Fields, Item, Presence, Reflection, Result, ToJson};

/// The counters that are carried. `N` is `i32`, as in Kubernetes, for one cluster's and `i64` for their sum; zeros are left out.
#[derive(Fields, ToJson, Clone, Default, PartialEq)]
#[fields(default, omit_zero)]
pub struct Status<N: Default> {
    observed_generation: i64,
    replicas: N,
    updated_replicas: N,
    ready_replicas: N,
    available_replicas: N,
    unavailable_replicas: N,
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
    #[fields(flatten)]
    status: Status<i32>,
}

#[derive(Fields)]
pub struct Member {
    #[fields(path = "/metadata/generation", default)]
    generation: i64,
    #[fields(path = "/metadata/annotations/resourcetemplate.karmada.io~1generation")]
    template_generation: Option<String>,
    status: Presence<Status<i32>>,
}

impl Reflection for Deployment {
    type Reads = Member;
    type Status = Report;
    fn reflect(observed: Member) -> Result<Option<Report>> {
        let status = match observed.status {
            Presence::Absent => return Ok(None),
            Presence::Null => return Err(Error::invalid("status: expected an object, found null")),
            Presence::Value(status) => status,
        };
        let annotation = observed.template_generation.unwrap_or_default();
        let resource_template_generation = annotation.parse().map_err(|_| {
            Error::invalid(format!("annotation `resourcetemplate.karmada.io/generation`: expected an integer, found \"{annotation}\""))
        })?;
        Ok(Some(Report { generation: observed.generation, resource_template_generation, status }))
    }
}

#[derive(Fields)]
pub struct Template {
    #[fields(path = "/metadata/generation", default)]
    generation: i64,
    #[fields(default)]
    status: Status<i64>,
}

impl Aggregation for Deployment {
    type Reads = Template;
    type Status = Report;
    const WRITES: &[&str] = &[
        "/status/observedGeneration",
        "/status/replicas",
        "/status/updatedReplicas",
        "/status/readyReplicas",
        "/status/availableReplicas",
        "/status/unavailableReplicas",
    ];
    /// The template's generation counts as observed when every cluster has observed it.
    fn aggregate(template: Template, items: Option<Vec<Item<Report>>>) -> Result<Changes> {
        let items = items.unwrap_or_default();
        let reports = || items.iter().filter_map(|item| item.status.as_ref());
        let mut sum = reports().fold(Status::default(), |sum, report| sum.plus(&report.status));
        let current = reports().filter(|report| report.is_current(template.generation)).count();
        sum.observed_generation = if current == items.len() { template.generation } else { template.status.observed_generation };
        Ok(if sum == template.status { Changes::new() } else { Changes::new().set_fields("/status", &sum) })
    }
}

impl Report {
    /// Whether the member has observed the template's latest generation.
    fn is_current(&self, template: i64) -> bool {
        self.status.observed_generation >= self.generation && self.resource_template_generation >= template
    }
}

impl Status<i64> {
    fn plus(mut self, member: &Status<i32>) -> Self {
        self.replicas += i64::from(member.replicas);
        self.updated_replicas += i64::from(member.updated_replicas);
        self.ready_replicas += i64::from(member.ready_replicas);
        self.available_replicas += i64::from(member.available_replicas);
        self.unavailable_replicas += i64::from(member.unavailable_replicas);
        self
    }
}
