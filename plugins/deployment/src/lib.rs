//! What Flotilla knows of a Deployment: `apps/v1`.

mod status;

use flotilla_sdk::{
    Changes, Demand, Dependencies, Dependency, Error, Fields, Health, Json, Presence, Replicas, Result, Retention, Revision, Verdict,
};

struct Deployment;

flotilla_sdk::plugin! {
    name: "deployment",
    targets: ["apps/v1/Deployment"],
    plugin: Deployment,
    hooks: [replicas, revision, retention, reflection, aggregation, health, dependencies],
}

const REPLICAS: &str = "/spec/replicas";
const POD_TEMPLATE: &str = "/spec/template";

#[derive(Fields)]
struct Wanted {
    #[fields(path = "/spec/replicas", default)]
    replicas: i32,
}

impl Replicas for Deployment {
    type Reads = Wanted;
    fn interpret(template: Wanted) -> Result<Demand> {
        if template.replicas < 0 {
            return Err(Error::invalid(format!("spec.replicas: expected no less than 0, found {}", template.replicas)));
        }
        Ok(Demand::new(template.replicas.into()).pods_of(POD_TEMPLATE))
    }
}

#[derive(Fields)]
struct Revised {
    #[fields(path = "/spec/replicas")]
    replicas: Presence<Json>,
}

impl Revision for Deployment {
    type Reads = Revised;
    const WRITES: &[&str] = &[REPLICAS];
    /// A template without the field is scaled by someone else, an autoscaler in the member: it stays without.
    fn revise(template: Revised, replicas: i64) -> Result<Changes> {
        match template.replicas {
            Presence::Absent => Ok(Changes::new()),
            Presence::Null => Err(not_an_integer("null")),
            Presence::Value(value) => integer(&value).map(|_| Changes::new().set(REPLICAS, replicas)),
        }
    }
}

#[derive(Fields)]
struct Desired {
    #[fields(path = "/metadata/labels/resourcetemplate.karmada.io~1retain-replicas")]
    retain_replicas: Option<String>,
}

#[derive(Fields)]
struct Observed {
    spec: Result<Scale>,
}

#[derive(Fields)]
struct Scale {
    replicas: Json,
}

impl Retention for Deployment {
    type Desired = Desired;
    type Observed = Observed;
    const WRITES: &[&str] = &[REPLICAS];
    /// The member's number of replicas stays where the template's label says that the member scales.
    fn retain(desired: Desired, observed: Observed) -> Result<Changes> {
        if desired.retain_replicas.as_deref() != Some("true") {
            return Ok(Changes::new());
        }
        let replicas = integer(&observed.spec?.replicas)?;
        Ok(Changes::new().set(REPLICAS, replicas))
    }
}

/// A number of replicas as the API server stores it: not `3.0`, not `"3"`.
fn integer(value: &Json) -> Result<i64> {
    value.as_i64().ok_or_else(|| not_an_integer(value.as_text()))
}

fn not_an_integer(found: &str) -> Error {
    Error::invalid(format!("spec.replicas: expected an integer, found {found}"))
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

impl Health for Deployment {
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

impl Dependencies for Deployment {
    type Reads = ();
    fn find(_: ()) -> Result<Vec<Dependency>> {
        Ok(vec![Dependency::pods_of(POD_TEMPLATE)])
    }
}
