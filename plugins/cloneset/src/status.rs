//! A CloneSet's status on its way from the members to the template.

use crate::CloneSet;
use crate::number::Number;
use flotilla_sdk::{Aggregation, Changes, Fields, Item, Json, Reflection, Result, ToJson};

/// What is summed up. A member's values are reflected as they are (`Option<Json>`) and read as numbers when they are summed.
#[derive(Fields, ToJson, Default)]
#[fields(default)]
pub struct Counters<N: Default> {
    replicas: N,
    ready_replicas: N,
    updated_replicas: N,
    available_replicas: N,
    updated_ready_replicas: N,
    expected_updated_replicas: N,
}

/// That of which the last cluster's counts, where it is not empty.
#[derive(Fields, ToJson, Default)]
#[fields(default)]
pub struct Texts<T: Default> {
    update_revision: T,
    current_revision: T,
    label_selector: T,
}

/// What a member reports.
#[derive(Fields, ToJson)]
pub struct Report<N: Default, T: Default> {
    /// The member object's generation.
    generation: Option<i64>,
    /// The template's generation that the member was sent.
    resource_template_generation: Option<i64>,
    observed_generation: Option<i64>,
    #[fields(flatten)]
    counters: Counters<N>,
    #[fields(flatten)]
    texts: Texts<T>,
}

#[derive(Fields)]
pub struct Member {
    #[fields(path = "/metadata/generation")]
    generation: Option<i64>,
    #[fields(path = "/metadata/annotations/resourcetemplate.karmada.io~1generation")]
    template_generation: Option<String>,
    status: Option<Observed>,
}

#[derive(Fields)]
pub struct Observed {
    observed_generation: Option<i64>,
    #[fields(flatten)]
    counters: Counters<Option<Json>>,
    #[fields(flatten)]
    texts: Texts<Option<Json>>,
}

impl Reflection for CloneSet {
    type Reads = Member;
    type Status = Report<Option<Json>, Option<Json>>;
    fn reflect(observed: Member) -> Result<Option<Self::Status>> {
        let Some(Observed { observed_generation, counters, texts }) = observed.status else { return Ok(None) };
        let resource_template_generation = observed.template_generation.as_deref().and_then(generation);
        Ok(Some(Report { generation: observed.generation, resource_template_generation, observed_generation, counters, texts }))
    }
}

/// A generation in an annotation, as Lua reads numbers: ` 5 `, `0x10` and `2.0` are some. Anything else counts as no annotation.
fn generation(text: &str) -> Option<i64> {
    let text = text.trim();
    if let Some(digits) = text.strip_prefix("0x") {
        return i64::from_str_radix(digits, 16).ok();
    }
    match text.split_once('.') {
        Some((integer, zeros)) if zeros.bytes().all(|digit| digit == b'0') => integer.parse().ok(),
        _ => text.parse().ok(),
    }
}

#[derive(Fields)]
pub struct Template {
    #[fields(path = "/metadata/generation", default)]
    generation: i64,
    #[fields(path = "/status/observedGeneration", default)]
    observed_generation: i64,
}

impl Aggregation for CloneSet {
    type Reads = Template;
    type Status = Report<Number, String>;
    const WRITES: &[&str] = &[
        "/status/observedGeneration",
        "/status/replicas",
        "/status/readyReplicas",
        "/status/updatedReplicas",
        "/status/availableReplicas",
        "/status/updatedReadyReplicas",
        "/status/expectedUpdatedReplicas",
        "/status/updateRevision",
        "/status/currentRevision",
        "/status/labelSelector",
    ];
    /// The template's generation counts as observed when every cluster has observed it. While nobody asked the clusters, the texts
    /// stay as they are.
    fn aggregate(template: Template, items: Option<Vec<Item<Self::Status>>>) -> Result<Changes> {
        let asked = items.is_some();
        let items = items.unwrap_or_default();
        let current = items.iter().all(|item| item.status.as_ref().is_some_and(|report| report.is_current(template.generation)));
        let observed_generation = if current { template.generation } else { template.observed_generation };
        let (mut counters, mut texts) = (Counters::default(), Texts::default());
        for report in items.into_iter().filter_map(|item| item.status) {
            counters = counters.plus(report.counters);
            texts = texts.then(report.texts);
        }
        let changes = Changes::new().set("/status/observedGeneration", observed_generation).set_fields("/status", &counters);
        Ok(if asked { changes.set_fields("/status", &texts) } else { changes })
    }
}

impl<N: Default, T: Default> Report<N, T> {
    /// Whether the member has observed this generation of the template.
    fn is_current(&self, template: i64) -> bool {
        self.resource_template_generation.unwrap_or(0) == template && self.generation.unwrap_or(0) == self.observed_generation.unwrap_or(0)
    }
}

impl Counters<Number> {
    fn plus(self, member: Self) -> Self {
        Self {
            replicas: self.replicas.plus(member.replicas),
            ready_replicas: self.ready_replicas.plus(member.ready_replicas),
            updated_replicas: self.updated_replicas.plus(member.updated_replicas),
            available_replicas: self.available_replicas.plus(member.available_replicas),
            updated_ready_replicas: self.updated_ready_replicas.plus(member.updated_ready_replicas),
            expected_updated_replicas: self.expected_updated_replicas.plus(member.expected_updated_replicas),
        }
    }
}

impl Texts<String> {
    fn then(self, member: Self) -> Self {
        let latest = |earlier: String, later: String| if later.is_empty() { earlier } else { later };
        Self {
            update_revision: latest(self.update_revision, member.update_revision),
            current_revision: latest(self.current_revision, member.current_revision),
            label_selector: latest(self.label_selector, member.label_selector),
        }
    }
}
