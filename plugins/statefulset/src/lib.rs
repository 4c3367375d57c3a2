//! What Flotilla knows of a StatefulSet: `apps/v1`.

mod status;

use flotilla_sdk::{
    Changes, Demand, Dependencies, Dependency, Error, Fields, Health, Json, PodReferences, Presence, Reference, Replicas, Result, Revision,
    Verdict,
};

struct StatefulSet;

flotilla_sdk::plugin! {
    name: "statefulset",
    targets: ["apps/v1/StatefulSet"],
    plugin: StatefulSet,
    hooks: [replicas, revision, reflection, aggregation, health, dependencies],
}

const REPLICAS: &str = "/spec/replicas";

#[derive(Fields)]
struct Wanted {
    #[fields(path = "/spec/replicas", default)]
    replicas: i32,
}

impl Replicas for StatefulSet {
    type Reads = Wanted;
    fn interpret(template: Wanted) -> Result<Demand> {
        if template.replicas < 0 {
            return Err(Error::invalid(format!("spec.replicas: expected no less than 0, found {}", template.replicas)));
        }
        Ok(Demand::new(template.replicas.into()).pods_of("/spec/template"))
    }
}

#[derive(Fields)]
struct Revised {
    #[fields(path = "/spec/replicas")]
    replicas: Presence<Json>,
}

impl Revision for StatefulSet {
    type Reads = Revised;
    const WRITES: &[&str] = &[REPLICAS];
    /// A template without the field is scaled by someone else, an autoscaler in the member: it stays without.
    fn revise(template: Revised, replicas: i64) -> Result<Changes> {
        let found = match &template.replicas {
            Presence::Absent => return Ok(Changes::new()),
            Presence::Null => "null",
            Presence::Value(value) if value.as_i64().is_some() => return Ok(Changes::new().set(REPLICAS, replicas)),
            Presence::Value(value) => value.as_text(),
        };
        Err(Error::invalid(format!("spec.replicas: expected an integer, found {found}")))
    }
}

#[derive(Fields)]
struct Rollout {
    #[fields(path = "/metadata/generation", default)]
    generation: i64,
    #[fields(path = "/spec/replicas")]
    wanted: Option<i64>,
    #[fields(path = "/status/observedGeneration", default)]
    observed_generation: i64,
    #[fields(path = "/status/updatedReplicas", default)]
    updated: i64,
    #[fields(path = "/status/availableReplicas", default)]
    available: i64,
}

impl Health for StatefulSet {
    type Reads = Rollout;
    fn assess(observed: Rollout) -> Result<Verdict> {
        let Rollout { generation, observed_generation, wanted, updated, available } = observed;
        let wanted = wanted.unwrap_or(updated);
        Ok(if observed_generation != generation {
            Verdict::Unhealthy(format!("generation {generation} is not observed yet, the latest is {observed_generation}"))
        } else if updated < wanted {
            Verdict::Unhealthy(format!("{updated} of {wanted} replicas updated"))
        } else {
            Verdict::healthy_if(available >= updated, || format!("{available} of {updated} updated replicas available"))
        })
    }
}

#[derive(Fields)]
struct Pods {
    #[fields(path = "/metadata/namespace")]
    namespace: Option<String>,
    #[fields(path = "/spec/template")]
    template: Option<PodReferences>,
    #[fields(path = "/spec/volumeClaimTemplates", default)]
    claims: Vec<Claim>,
}

#[derive(Fields)]
struct Claim {
    #[fields(path = "/metadata/name")]
    name: Option<String>,
}

impl Dependencies for StatefulSet {
    type Reads = Pods;
    /// What the pods refer to, but for the claims that the member's own controller makes.
    fn find(template: Pods) -> Result<Vec<Dependency>> {
        let Some(pods) = &template.template else { return Ok(Vec::new()) };
        let own = |reference: &Reference| {
            reference.kind == "PersistentVolumeClaim" && template.claims.iter().any(|claim| claim.name == reference.name)
        };
        let all = pods.dependencies(template.namespace.as_deref());
        Ok(all.into_iter().filter(|reference| !own(reference)).map(Dependency::from).collect())
    }
}
