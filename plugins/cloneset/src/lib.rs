//! What Flotilla knows of OpenKruise's CloneSet: `apps.kruise.io`, v1alpha1 and v1beta1.

mod number;
mod status;

use flotilla_sdk::{
    Changes, Demand, Dependencies, Dependency, Error, Fields, Health, PodReferences, Replicas, Result, Revision, Shape, Verdict,
};

struct CloneSet;

flotilla_sdk::plugin! {
    name: "cloneset",
    targets: ["apps.kruise.io/v1alpha1/CloneSet", "apps.kruise.io/v1beta1/CloneSet"],
    plugin: CloneSet,
    hooks: [replicas, revision, reflection, aggregation, health, dependencies],
}

const REPLICAS: &str = "/spec/replicas";

#[derive(Fields)]
struct Wanted {
    spec: WantedSpec,
}

#[derive(Fields)]
struct WantedSpec {
    replicas: i32,
    #[fields(rename = "template")]
    _template: Shape,
}

impl Replicas for CloneSet {
    type Reads = Wanted;
    fn interpret(template: Wanted) -> Result<Demand> {
        let replicas = template.spec.replicas;
        if replicas < 0 {
            return Err(Error::invalid(format!("spec.replicas: expected no less than 0, found {replicas}")));
        }
        Ok(Demand::new(replicas.into()).pods_of("/spec/template"))
    }
}

#[derive(Fields)]
struct Revised {
    #[fields(rename = "spec")]
    _spec: Shape,
}

impl Revision for CloneSet {
    type Reads = Revised;
    const WRITES: &[&str] = &[REPLICAS];
    fn revise(_: Revised, replicas: i64) -> Result<Changes> {
        Ok(Changes::new().set(REPLICAS, replicas))
    }
}

#[derive(Fields)]
struct Rollout {
    #[fields(path = "/metadata/generation")]
    generation: Option<i64>,
    spec: Result<Scale>,
    status: RolloutStatus,
}

#[derive(Fields)]
struct Scale {
    replicas: Option<i64>,
}

#[derive(Fields)]
struct RolloutStatus {
    observed_generation: Option<i64>,
    updated_replicas: Result<i64>,
    available_replicas: Result<i64>,
}

impl Health for CloneSet {
    type Reads = Rollout;
    /// A counter that is not there yet is no zero: nothing can be told without it.
    fn assess(observed: Rollout) -> Result<Verdict> {
        let Rollout { generation, spec, status } = observed;
        if status.observed_generation != generation {
            let (wanted, latest) = (generation.unwrap_or(0), status.observed_generation.unwrap_or(0));
            return Ok(Verdict::Unhealthy(format!("generation {wanted} is not observed yet, the latest is {latest}")));
        }
        let updated = match spec?.replicas {
            Some(wanted) => {
                let updated = status.updated_replicas?;
                if updated < wanted {
                    return Ok(Verdict::Unhealthy(format!("{updated} of {wanted} replicas updated")));
                }
                updated
            }
            None => status.updated_replicas?,
        };
        let available = status.available_replicas?;
        Ok(Verdict::healthy_if(available >= updated, || format!("{available} of {updated} updated replicas available")))
    }
}

#[derive(Fields)]
struct Pods {
    #[fields(path = "/metadata/namespace")]
    namespace: Option<String>,
    #[fields(path = "/spec/template")]
    template: PodReferences,
}

impl Dependencies for CloneSet {
    type Reads = Pods;
    fn find(template: Pods) -> Result<Vec<Dependency>> {
        let namespace = template.namespace.as_deref().unwrap_or("default");
        Ok(template.template.dependencies(Some(namespace)).into_iter().map(Dependency::from).collect())
    }
}
