//! A plugin as its author writes it, asked as the host asks it, without a host: what it declares and what it answers.

use flotilla_sdk::bindings::types::{Change, HookError};
use flotilla_sdk::bindings::{Exported, aggregation, health, reflection, retention, revision};
use flotilla_sdk::{
    Aggregation, Changes, Demand, Fields, Health, Item, Json, Reflection, Replicas, Requirements, Result, Retention, Revision, ToJson,
    Verdict,
};

struct Shop;

flotilla_sdk::plugin! {
    name: "shop",
    targets: ["shop.example.com/v1/Shop"],
    plugin: Shop,
    hooks: [replicas, revision, retention, reflection, aggregation, health],
}

#[derive(Fields)]
struct Template {
    #[fields(path = "/spec/replicas")]
    replicas: i64,
}

impl Replicas for Shop {
    type Reads = Template;
    fn interpret(template: Template) -> Result<Demand> {
        Ok(Demand::new(template.replicas).pods_of("/spec/template"))
    }
}

impl Revision for Shop {
    type Reads = ();
    const WRITES: &[&str] = &["/spec/replicas"];
    fn revise(_: (), replicas: i64) -> Result<Changes> {
        Ok(Changes::new().set("/spec/replicas", replicas).remove("/spec/paused"))
    }
}

#[derive(Fields)]
struct Suspended {
    #[fields(path = "/spec/suspend")]
    suspend: Option<Json>,
}

impl Retention for Shop {
    type Desired = ();
    type Observed = Suspended;
    const WRITES: &[&str] = &["/spec/suspend"];
    fn retain(_: (), observed: Suspended) -> Result<Changes> {
        Ok(observed.suspend.map(|suspend| Changes::new().set("/spec/suspend", suspend)).unwrap_or_default())
    }
}

#[derive(Fields, ToJson, Default)]
#[fields(default, omit_zero)]
struct Status {
    ready: i64,
    open: bool,
    #[fields(flatten)]
    notes: Notes,
}

#[derive(Fields, ToJson, Default)]
struct Notes {
    latest: Option<String>,
    #[fields(default)]
    all: Vec<String>,
}

#[derive(Fields)]
struct Observed {
    status: Option<Status>,
}

impl Reflection for Shop {
    type Reads = Observed;
    type Status = Status;
    fn reflect(observed: Observed) -> Result<Option<Status>> {
        Ok(observed.status)
    }
}

impl Aggregation for Shop {
    type Reads = ();
    type Status = Status;
    const WRITES: &[&str] = &["/status/ready", "/status/open", "/status/latest", "/status/all"];
    fn aggregate(_: (), items: Option<Vec<Item<Status>>>) -> Result<Changes> {
        let mut sum = Status::default();
        for item in items.into_iter().flatten() {
            let status = item.status.unwrap_or_default();
            sum.ready += status.ready;
            sum.notes.all.push(item.cluster_name);
        }
        Ok(Changes::new().set_fields("/status", &sum))
    }
}

impl Health for Shop {
    type Reads = Observed;
    fn assess(observed: Observed) -> Result<Verdict> {
        let ready = observed.status.unwrap_or_default().ready;
        Ok(Verdict::healthy_if(ready > 0, || format!("{ready} ready")))
    }
}

type Host = Exported<Shop>;

fn set(field: &str, value: &str) -> Change {
    Change::Set((field.to_owned(), value.to_owned()))
}

fn remove(field: &str) -> Change {
    Change::Remove(field.to_owned())
}

#[test]
fn a_hook_declares_what_its_struct_reads() {
    use retention::exports::flotilla::interpreter::retention::Guest;
    let declaration = <Host as Guest>::declare();
    assert!(declaration.reads.is_empty());
    assert_eq!(declaration.observed, ["/spec/suspend"]);
    assert_eq!(declaration.writes, ["/spec/suspend"]);
}

#[test]
fn the_pods_of_a_demand_stay_with_the_host() {
    use flotilla_sdk::bindings::replicas::exports::flotilla::interpreter::replicas::Guest;
    let demand = <Host as Guest>::interpret(r#"{"spec":{"replicas":3}}"#.to_owned()).unwrap();
    assert_eq!((demand.replicas, demand.requirements), (3, Requirements::PodTemplate("/spec/template".to_owned())));
    let refused = <Host as Guest>::interpret(r#"{"spec":{}}"#.to_owned());
    assert_eq!(refused, Err(HookError::InvalidObject("spec.replicas is missing".to_owned())));
}

#[test]
fn changes_are_sets_and_removals_in_order() {
    use revision::exports::flotilla::interpreter::revision::Guest;
    assert_eq!(<Host as Guest>::revise("{}".to_owned(), 5), Ok(vec![set("/spec/replicas", "5"), remove("/spec/paused")]));
    use retention::exports::flotilla::interpreter::retention::Guest as Retain;
    let retained = <Host as Retain>::retain("{}".to_owned(), r#"{"spec":{"suspend":{"until":1.50}}}"#.to_owned());
    assert_eq!(retained, Ok(vec![set("/spec/suspend", r#"{"until":1.50}"#)]));
}

#[test]
fn a_status_leaves_out_what_is_absent_or_zero_as_told() {
    use reflection::exports::flotilla::interpreter::reflection::Guest;
    let reflect = |status: &str| <Host as Guest>::reflect(format!(r#"{{"status":{status}}}"#)).unwrap();
    assert_eq!(reflect("null"), None);
    assert_eq!(reflect(r#"{"ready":0}"#).as_deref(), Some(r#"{"all":[]}"#));
    let full = reflect(r#"{"ready":2,"open":true,"latest":"\"a\"\n","all":["é"]}"#);
    assert_eq!(full.as_deref(), Some(r#"{"ready":2,"open":true,"latest":"\"a\"\n","all":["é"]}"#));
}

#[test]
fn a_struct_sets_its_fields_one_by_one_and_removes_what_it_leaves_out() {
    use aggregation::exports::flotilla::interpreter::aggregation::Guest;
    let items = r#"[{"clusterName":"a","status":{"ready":2}},{"clusterName":"b"}]"#;
    let changes = <Host as Guest>::aggregate("{}".to_owned(), Some(items.to_owned())).unwrap();
    let expected = [set("/status/ready", "2"), remove("/status/open"), remove("/status/latest"), set("/status/all", r#"["a","b"]"#)];
    assert_eq!(changes, expected);
}

#[test]
fn a_verdict_has_words_for_the_user() {
    use health::exports::flotilla::interpreter::health::Guest;
    assert!(matches!(<Host as Guest>::assess("{}".to_owned()), Ok(Verdict::Unhealthy(why)) if why == "0 ready"));
}
