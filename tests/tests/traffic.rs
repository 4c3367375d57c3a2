//! The sandbox answers what a real kube-apiserver answered to the clients of the end-to-end suites, of the demo and of the README.
//!
//! What they asked, and its answers, are in `tests/traffic/recorded.ndjson`; `tests/traffic/record` records anew, on real servers. With
//! `FLOTILLA_TEST_BACKEND=kubernetes` the requests go to a real server once more. `FLOTILLA_TEST_RECORD` names a folder of recordings to
//! be tried in place of those: with `UPDATE_EXPECT=1` and a real server, one of each sort is kept, if that server answers it alike twice.

use flotilla_sandbox::server::{ApiServer, ServerOptions};
use flotilla_tests::fleet::GADGETS;
use flotilla_tests::kubernetes::Servers;
use flotilla_tests::replay as requests;
use flotilla_tests::traffic::replay::{Outcome, Stage};
use flotilla_tests::traffic::{Example, fold, record, slim};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

const RECORDED: &str = "recorded.ndjson";

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("traffic")
}

/// Whether new recordings of a real server are to be kept.
fn is_update() -> bool {
    is_real() && std::env::var_os("UPDATE_EXPECT").is_some()
}

fn is_real() -> bool {
    std::env::var("FLOTILLA_TEST_BACKEND").is_ok_and(|backend| backend == "kubernetes")
}

/// The examples to be tried: those of the checkout, or new recordings; of these, one of each sort where they are to be kept.
fn examples() -> Vec<Example> {
    let Some(folder) = record::folder() else {
        let text = fs::read_to_string(self::folder().join(RECORDED)).expect("the recordings");
        return text.lines().map(|line| fold::unfolded(line).unwrap_or_else(|error| panic!("{error}"))).collect();
    };
    let files = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let texts = files.map(|file| fs::read_to_string(file.expect("a readable folder").path()).expect("a readable file"));
    let all: Vec<Example> = texts.flat_map(|text| Example::read_all(&text).unwrap_or_else(|error| panic!("{error}"))).collect();
    let count = all.len();
    let kept = if is_update() { slim::one_of_each(all) } else { all };
    println!("{count} requests are recorded, {} of them are tried", kept.len());
    kept
}

/// Requests whose answer is known to differ, each with its reason.
fn known() -> BTreeMap<String, String> {
    let text = fs::read_to_string(folder().join("differences.yaml")).expect("the list of differences");
    let listed: Vec<BTreeMap<String, String>> = serde_saphyr::from_str(&text).expect("a list of differences");
    let field = |one: &BTreeMap<String, String>, name: &str| one.get(name).unwrap_or_else(|| panic!("{one:?} has no `{name}`")).clone();
    listed.iter().map(|one| (field(one, "ask"), field(one, "reason"))).collect()
}

/// The definitions of the project and of the suites, served.
async fn define(client: &kube::Client) {
    let others = [include_str!("../../deploy/samples/webshop-crd.yaml"), GADGETS];
    let own = flotilla_api::crd::crds().into_iter().map(|crd| serde_json::to_value(&crd).expect("a definition prints"));
    let others = others.iter().flat_map(|text| serde_saphyr::from_multiple::<Value>(text).expect("definitions"));
    let mut steps = Vec::new();
    for definition in own.chain(others) {
        let spec = &definition["spec"];
        let [group, plural] = [&spec["group"], &spec["names"]["plural"]].map(|text| text.as_str().expect("a definition has it"));
        let version = spec["versions"][0]["name"].as_str().expect("a definition has it");
        let create = serde_json::json!({"ask": "POST /apis/apiextensions.k8s.io/v1/customresourcedefinitions", "body": definition});
        let served = serde_json::json!({"ask": format!("GET /apis/{group}/{version}/{plural}"), "until": 200});
        steps.extend([create, served]);
    }
    let steps = requests::parse(&Value::Array(steps).to_string()).expect("requests");
    requests::replay(client, "default", &steps).await.expect("served definitions");
}

/// Tries all examples; answers those that went well. Prints what differs unless it is known.
async fn tried<C: Fn(&str) -> kube::Client>(
    make_client: C,
    examples: &[Example],
    known: &BTreeMap<String, String>,
) -> (Vec<Example>, usize) {
    define(&make_client("setup")).await;
    let mut stage = Stage::new(make_client);
    let (mut same, mut failed, mut seen) = (Vec::new(), 0, BTreeSet::new());
    for example in examples {
        let why = match stage.try_out(example).await {
            Outcome::Same => {
                same.push(example.clone());
                continue;
            }
            Outcome::Differs(found) => found.join("\n    "),
            Outcome::NotSetUp(why) => format!("cannot be tried: {why}"),
        };
        if known.contains_key(&example.ask) {
            seen.insert(example.ask.as_str());
            continue;
        }
        failed += 1;
        println!("{} ({}, {}) {}\n    {why}", example.ask, example.from, example.agent, example.answer["code"]);
    }
    println!("{} of {} answers agree, {} differ for a known reason", same.len(), examples.len(), seen.len());
    (same, failed)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_clients_asked_is_answered_as_on_a_real_server() {
    let examples = examples();
    assert!(!examples.is_empty(), "nothing is recorded");
    let (same, failed) = if is_real() {
        let servers = Servers::start_without_controllers().expect("a real server");
        tried(|agent: &str| servers.control().client(agent), &examples, &BTreeMap::new()).await
    } else {
        let api = ApiServer::new(ServerOptions { name: "traffic".into(), ..ServerOptions::default() });
        tried(|agent: &str| api.client_as(agent), &examples, &known()).await
    };
    if is_update() {
        let text: String = same.iter().map(|example| format!("{}\n", fold::folded(example))).collect();
        println!("{} examples are kept, {} bytes", same.len(), text.len());
        fs::write(folder().join(RECORDED), text).expect("a writable folder");
    } else {
        assert_eq!(failed, 0, "answers differ");
    }
}
