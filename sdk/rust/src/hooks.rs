//! One trait for each hook, named as the contract's interfaces: a plugin's type has those whose questions it answers.
//!
//! `Reads` (a struct with [`Fields`](macro@crate::Fields)) is all that a hook gets to see of the object; a field that is not in it
//! reads as absent. `WRITES` is all that it may change.

use crate::{Changes, Component, Demand, Dependency, Error, Fields, Path, Result, ToJson, Value, Verdict, value};

/// InterpretReplica: how many replicas a template asks for and what each needs.
pub trait Replicas {
    /// What is read of the template.
    type Reads: Fields;
    /// Answers for one template.
    fn interpret(template: Self::Reads) -> Result<Demand>;
}

/// InterpretComponent: the sets of pods of a template that runs more than one kind of pod.
pub trait Components {
    /// What is read of the template.
    type Reads: Fields;
    /// Answers for one template.
    fn interpret(template: Self::Reads) -> Result<Vec<Component>>;
}

/// ReviseReplica: write the number of replicas that one cluster was given.
pub trait Revision {
    /// What is read of the template; `()` for nothing.
    type Reads: Fields;
    /// What may be changed.
    const WRITES: &'static [&'static str];
    /// Changes one template.
    fn revise(template: Self::Reads, replicas: i64) -> Result<Changes>;
}

/// Retain: what a member changed and may keep. The changes apply to the desired object, before it is sent.
pub trait Retention {
    /// What is read of the desired object.
    type Desired: Fields;
    /// What is read of the member's object.
    type Observed: Fields;
    /// What may be changed in the desired object.
    const WRITES: &'static [&'static str];
    /// Changes one desired object.
    fn retain(desired: Self::Desired, observed: Self::Observed) -> Result<Changes>;
}

/// InterpretStatus: the part of a member object's status that is worth carrying back.
pub trait Reflection {
    /// What is read of the member's object.
    type Reads: Fields;
    /// What is carried back.
    type Status: ToJson;
    /// The status to carry back, or none while there is nothing to tell.
    fn reflect(observed: Self::Reads) -> Result<Option<Self::Status>>;
}

/// AggregateStatus: sum up what the clusters reported.
pub trait Aggregation {
    /// What is read of the template.
    type Reads: Fields;
    /// What is read of each cluster's status: what [`Reflection`] gave.
    type Status: Fields;
    /// What may be changed in the template; only its `/status` is looked at.
    const WRITES: &'static [&'static str];
    /// `items` are sorted by cluster name. None (nobody asked the clusters) and an empty list (there is no cluster) are different.
    fn aggregate(template: Self::Reads, items: Option<Vec<Item<Self::Status>>>) -> Result<Changes>;
}

/// InterpretHealth: is the member's object working?
pub trait Health {
    /// What is read of the member's object.
    type Reads: Fields;
    /// Answers for one object; the text of the verdict is shown to users.
    fn assess(observed: Self::Reads) -> Result<Verdict>;
}

/// InterpretDependency: what must be sent along.
pub trait Dependencies {
    /// What is read of the template.
    type Reads: Fields;
    /// Answers for one template.
    fn find(template: Self::Reads) -> Result<Vec<Dependency>>;
}

/// What one cluster reports about an object.
#[derive(Debug, Clone, PartialEq, Fields)]
pub struct Item<S> {
    /// The cluster.
    pub cluster_name: String,
    /// The reflected status; none while the cluster has not reported one.
    pub status: Option<S>,
    /// Whether the object was applied there.
    #[fields(default)]
    pub applied: bool,
    /// Why it was not applied.
    #[fields(default)]
    pub applied_message: String,
    /// `Healthy`, `Unhealthy` or `Unknown`.
    pub health: Option<String>,
}

/// The status items as the host hands them over: one JSON array.
pub(crate) fn items<S: Fields>(text: Option<&str>) -> Result<Option<Vec<Item<S>>>> {
    let list = |value: Value<'_>| value.items().ok_or_else(|| Path::ROOT.expected("a list", value))?.map(item).collect();
    text.map(|text| value::parse(text, list)).transpose()
}

/// One item; a refusal names the cluster.
fn item<S: Fields>(value: Value<'_>) -> Result<Item<S>> {
    Item::read(value, &Path::ROOT).map_err(|error| {
        let cluster = value.get("clusterName", &Path::ROOT).ok().flatten().and_then(Value::as_str).unwrap_or_default();
        Error::invalid(format!("cluster `{cluster}`: {error}"))
    })
}

/// Runs before each hook: a panic says its text, since all that the host sees of it is a trap.
pub(crate) fn begin() {
    #[cfg(target_arch = "wasm32")]
    std::panic::set_hook(Box::new(|panic| {
        let told = std::fmt::Write::write_fmt(&mut LastWords, format_args!("{panic}"));
        told.expect("saying does not fail");
    }));
}

/// Tells the host what is written to it.
#[cfg(target_arch = "wasm32")]
struct LastWords;

#[cfg(target_arch = "wasm32")]
impl std::fmt::Write for LastWords {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        text.chars().for_each(crate::bindings::last_words::say);
        Ok(())
    }
}
