//! What a WebShop means: its tills are its replicas, and a shop is open when enough of them are.

use flotilla_sdk::{
    Aggregation, Changes, Demand, Dependencies, Dependency, Fields, Health, Item, Reflection, Replicas, Result, Revision, ToJson, Verdict,
    settings,
};

struct WebShop;

flotilla_sdk::plugin! {
    name: "webshop",
    targets: ["shop.example.com/v1/WebShop"],
    plugin: WebShop,
    hooks: [replicas, revision, reflection, aggregation, health, dependencies],
}

/// What an operator may set in the plugin's ConfigMap.
#[derive(Fields)]
struct Settings {
    /// So many tills may be broken in a healthy shop.
    #[fields(default)]
    tolerated_broken_tills: i64,
}

#[derive(Fields)]
struct Template {
    #[fields(path = "/spec/tills")]
    tills: i64,
}

impl Replicas for WebShop {
    type Reads = Template;
    fn interpret(template: Template) -> Result<Demand> {
        Ok(Demand::new(template.tills).pods_of("/spec/template"))
    }
}

impl Revision for WebShop {
    type Reads = ();
    const WRITES: &[&str] = &["/spec/tills"];
    fn revise(_: (), replicas: i64) -> Result<Changes> {
        Ok(Changes::new().set("/spec/tills", replicas))
    }
}

impl Dependencies for WebShop {
    type Reads = ();
    fn find(_: ()) -> Result<Vec<Dependency>> {
        Ok(vec![Dependency::pods_of("/spec/template")])
    }
}

/// A shop's status: what a member has, what is carried back, and what the template shows.
#[derive(Fields, ToJson, Default)]
struct Status {
    #[fields(default)]
    open_tills: i64,
    #[fields(default)]
    broken_tills: i64,
    phase: Option<String>,
}

#[derive(Fields)]
struct Observed {
    status: Option<Status>,
}

impl Reflection for WebShop {
    type Reads = Observed;
    type Status = Status;
    fn reflect(observed: Observed) -> Result<Option<Status>> {
        Ok(observed.status)
    }
}

#[derive(Fields)]
struct Generation {
    #[fields(path = "/metadata/generation")]
    generation: Option<i64>,
}

impl Aggregation for WebShop {
    type Reads = Generation;
    type Status = Status;
    const WRITES: &[&str] = &["/status/observedGeneration", "/status/openTills", "/status/brokenTills", "/status/phase"];
    /// One impaired shop impairs the chain; it is open when all shops are.
    fn aggregate(template: Generation, items: Option<Vec<Item<Status>>>) -> Result<Changes> {
        let shops: Vec<Status> = items.into_iter().flatten().map(|item| item.status.unwrap_or_default()).collect();
        let phase_is = |shop: &Status, phase: &str| shop.phase.as_deref() == Some(phase);
        let phase = if shops.iter().any(|shop| phase_is(shop, "Impaired")) {
            "Impaired"
        } else if !shops.is_empty() && shops.iter().all(|shop| phase_is(shop, "Open")) {
            "Open"
        } else {
            "Opening"
        };
        let sum = Status {
            open_tills: shops.iter().map(|shop| shop.open_tills).sum(),
            broken_tills: shops.iter().map(|shop| shop.broken_tills).sum(),
            phase: Some(phase.to_owned()),
        };
        Ok(Changes::new().set("/status/observedGeneration", template.generation.unwrap_or(0)).set_fields("/status", &sum))
    }
}

#[derive(Fields)]
struct Shop {
    #[fields(path = "/spec/tills")]
    tills: i64,
    #[fields(default)]
    status: Status,
}

impl Health for WebShop {
    type Reads = Shop;
    fn assess(shop: Shop) -> Result<Verdict> {
        let Status { open_tills, broken_tills, .. } = shop.status;
        if broken_tills > settings::<Settings>()?.tolerated_broken_tills {
            return Ok(Verdict::Unhealthy(format!("{broken_tills} of {} tills broken", shop.tills)));
        }
        Ok(Verdict::healthy_if(open_tills + broken_tills >= shop.tills, || format!("{open_tills} of {} tills open", shop.tills)))
    }
}
