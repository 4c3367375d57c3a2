//! The sandbox answers what a real kube-apiserver answers: requests of `tests/parity/*.yaml`, sent to either.
//!
//! The answers of the real server are recorded in `tests/parity/expected`. With `FLOTILLA_TEST_BACKEND=kubernetes` the requests go to a
//! real server, which must agree with the recordings, or writes them with `UPDATE_EXPECT=1`. `PARITY=name` narrows to one file.

use flotilla_sandbox::lifecycle;
use flotilla_sandbox::server::{ApiServer, ServerOptions};
use flotilla_tests::kubernetes::Servers;
use flotilla_tests::replay::{self, Step};
use flotilla_tests::{normal, record};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};

const AGENT: &str = "parity/1.0";

/// A file of requests.
struct Group {
    name: String,
    steps: Vec<Step>,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("parity")
}

fn groups() -> Vec<Group> {
    let only = std::env::var("PARITY").unwrap_or_default();
    let mut groups: Vec<Group> = fs::read_dir(folder())
        .expect("the folder of requests")
        .map(|entry| entry.expect("a readable folder").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
        .map(|path| (path.file_stem().expect("a file").to_string_lossy().into_owned(), path))
        .filter(|(name, _)| name.contains(&only) && name != "differences")
        .map(|(name, path)| {
            let steps = replay::parse(&fs::read_to_string(&path).expect("a readable file"));
            Group { steps: steps.unwrap_or_else(|error| panic!("{name}: {error}")), name }
        })
        .collect();
    groups.sort_by(|a, b| a.name.cmp(&b.name));
    groups
}

/// A difference that is known: group, place of the request in its file from 1, the request.
type Known = (String, u64, String);

/// The differences that are known, each with its reason.
fn known() -> Vec<Known> {
    let text = fs::read_to_string(folder().join("differences.yaml")).expect("the list of differences");
    let listed: Vec<Value> = serde_saphyr::from_str(&text).expect("a list of differences");
    let field = |one: &Value, name: &str| one[name].as_str().unwrap_or_else(|| panic!("{one} has no `{name}`")).to_owned();
    listed
        .iter()
        .map(|one| {
            assert!(!field(one, "reason").is_empty(), "{one} has no reason");
            (field(one, "group"), one["number"].as_u64().expect("a number"), field(one, "ask"))
        })
        .collect()
}

/// A client that shows every answer: none is asked for again.
async fn client_of(servers: &Servers) -> kube::Client {
    let kubeconfig = kube::config::Kubeconfig::read_from(servers.kubeconfig()).expect("a kubeconfig");
    let mut config = kube::Config::from_custom_kubeconfig(kubeconfig, &Default::default()).await.expect("a context");
    config.default_retry = false;
    config.headers.push((http::header::USER_AGENT, http::HeaderValue::from_static(AGENT)));
    kube::Client::try_from(config).expect("a complete configuration")
}

async fn post(client: &kube::Client, path: &str, body: &Value) {
    let request = http::Request::post(path).header("content-type", "application/json").body(body.to_string().into_bytes().into());
    let answer = client.send(request.expect("a request")).await.expect("an answer");
    assert!(answer.status().is_success(), "{path}: {}", answer.status());
}

/// A namespace of its own with the account that pods need, then all requests.
async fn replayed(client: &kube::Client, group: &Group) -> Vec<Value> {
    let namespace = format!("parity-{}", group.name);
    post(client, "/api/v1/namespaces", &json!({"metadata": {"name": namespace}})).await;
    let ready =
        replay::parse("- {ask: GET v1:serviceaccounts/default, until: 200}\n- {ask: GET v1:configmaps/kube-root-ca.crt, until: 200}")
            .expect("two requests");
    replay::replay(client, &namespace, &ready).await.expect("a namespace in use");
    replay::replay(client, &namespace, &group.steps).await.unwrap_or_else(|error| panic!("{}: {error}", group.name))
}

/// The definitions of the project, served before anything is asked.
async fn define(client: &kube::Client) {
    let mut steps = String::new();
    for definition in flotilla_api::crd::crds() {
        let (group, spec) = (&definition.spec.group, &definition.spec);
        steps += &format!("- {{ask: GET /apis/{group}/{}/{}, until: 200}}\n", spec.versions[0].name, spec.names.plural);
        post(client, "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", &serde_json::to_value(&definition).expect("a definition"))
            .await;
    }
    let served = replay::parse(&steps).expect("requests");
    replay::replay(client, "default", &served).await.expect("served definitions");
}

/// Answers in which the order of errors does not count, for a real server beside its own recordings.
fn in_any_order(mut answers: Vec<Value>) -> Vec<Value> {
    answers.iter_mut().for_each(normal::without_order_of_errors);
    answers
}

/// Prints what differs, and the score; answers whether everything else agrees.
fn judge(group: &Group, expected: &[Value], seen: &[Value], known: &[Known]) -> bool {
    let (mut agree, mut well) = (0, true);
    for (number, ((step, expected), seen)) in (1..).zip(group.steps.iter().zip(expected).zip(seen)) {
        let found = record::differences(expected, seen);
        let is_known = known.contains(&(group.name.clone(), number, step.ask.clone()));
        agree += usize::from(found.is_empty());
        if !found.is_empty() && !is_known {
            well = false;
            println!("{} #{number} {}\n    {}", group.name, step.ask, found.join("\n    "));
        }
    }
    println!("{}: {agree} of {} answers agree", group.name, expected.len());
    well
}

fn expected_of(group: &Group) -> Vec<Value> {
    let path = folder().join("expected").join(format!("{}.ndjson", group.name));
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    record::read(&group.steps, &text).unwrap_or_else(|error| panic!("{}: {error}; record again, see the head of this file", group.name))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_are_those_of_a_real_api_server() {
    let groups = groups();
    let real = std::env::var("FLOTILLA_TEST_BACKEND").is_ok_and(|backend| backend == "kubernetes");
    let records = real && std::env::var_os("UPDATE_EXPECT").is_some();
    let servers = real.then(|| Servers::start(0).expect("real servers"));
    let client = match &servers {
        Some(servers) => client_of(servers).await,
        None => {
            let api = ApiServer::new(ServerOptions {
                name: "parity".into(),
                root_ca: Some("-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n".into()),
                ..ServerOptions::default()
            });
            lifecycle::start(&api);
            api.client_as(AGENT)
        }
    };
    define(&client).await;
    let known = known();
    let mut failed = Vec::new();
    for group in &groups {
        let seen = replayed(&client, group).await;
        if records {
            let path = folder().join("expected").join(format!("{}.ndjson", group.name));
            fs::write(path, record::written(&group.steps, &seen)).expect("a writable folder");
            continue;
        }
        let agrees = match real {
            true => judge(group, &in_any_order(expected_of(group)), &in_any_order(seen), &[]),
            false => judge(group, &expected_of(group), &seen, &known),
        };
        if !agrees {
            failed.push(group.name.as_str());
        }
    }
    assert!(failed.is_empty(), "answers differ in {failed:?}");
}
