//! `flotilla interpret`.

use crate::{DEPLOYMENT, command, flotilla, flotilla_on};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};

fn interpret(args: &[&str], yaml: &str) -> crate::Ran {
    flotilla_on(&[&["interpret", "-f", "-"], args].concat(), yaml.as_bytes())
}

#[test]
fn every_supported_operation_is_answered_or_says_what_it_needs() {
    let out = interpret(&[], DEPLOYMENT).done().out;
    assert!(out.starts_with("OPERATION "), "{out}");
    assert!(out.contains("3 × {cpu: 50m}"), "{out}");
    assert!(out.contains("built-in deployment"), "{out}");
    assert!(out.contains("needs --desired-file and --observed-file"), "{out}");
    assert!(!out.contains("InterpretComponent"), "not supported: {out}");
}

#[test]
fn several_objects_are_answered_one_after_the_other() {
    let two = format!("{DEPLOYMENT}---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: settings, namespace: shop}}\n");
    let out = interpret(&[], &two).done().out;
    let (deployment, config_map) = (out.find("Deployment shop/web").expect(&out), out.find("ConfigMap shop/settings").expect(&out));
    assert!(deployment < config_map);
    assert!(out[config_map..].contains("generic default"), "{out}");
    let json = interpret(&["-o", "json"], &two).done().json();
    assert_eq!(json[1]["object"], "ConfigMap shop/settings");
}

#[test]
fn answers_have_the_form_that_is_asked_for() {
    let args = ["--operation", "ReviseReplica", "--desired-replica", "5"];
    assert!(interpret(&args, DEPLOYMENT).done().out.contains("changes /spec/replicas"));
    let json = interpret(&[&args[..], &["-o", "json"]].concat(), DEPLOYMENT).done().json();
    assert_eq!(json["answers"][0]["answer"]["object"]["spec"]["replicas"], 5);
    assert_eq!(json["answers"][0]["from"]["layer"], "builtIn");
    assert!(interpret(&[&args[..], &["-o", "yaml"]].concat(), DEPLOYMENT).done().out.contains("replicas: 5"));
    assert_eq!(interpret(&[&args[..], &["-o", "name"]].concat(), DEPLOYMENT).done().out, "ReviseReplica\n");
}

#[test]
fn an_object_that_a_plugin_refuses_is_a_negative_result_with_a_hint() {
    let ran = interpret(&["--operation", "interpretreplica"], &DEPLOYMENT.replace("replicas: 3", "replicas: three"));
    ran.fails(1, "error: plugin `deployment` rejects Deployment shop/web: spec.replicas");
    assert!(ran.err.contains("reason InvalidObject · built-in deployment"), "{}", ran.err);
    assert!(ran.err.contains("· hook replicas\nhint: "), "{}", ran.err);
    let config_map = "{apiVersion: v1, kind: ConfigMap, metadata: {name: a}}";
    interpret(&["--operation", "replicas"], config_map).fails(1, "error: no plugin answers InterpretReplica for v1 ConfigMap");
}

#[test]
fn bad_health_is_a_negative_result_where_that_is_asked_for() {
    let args = ["--operation", "InterpretHealth"];
    assert!(interpret(&args, DEPLOYMENT).done().out.contains("Unhealthy: "));
    assert_eq!(interpret(&[&args[..], &["--exit-code"]].concat(), DEPLOYMENT).code, 1);
}

#[test]
fn input_that_lacks_something_is_bad_input() {
    for (operation, flags) in [
        ("Retain", "`--desired-file` and `--observed-file`"),
        ("ReviseReplica", "`--desired-replica`"),
        ("AggregateStatus", "`--status-file`"),
    ] {
        interpret(&["--operation", operation], DEPLOYMENT).fails(2, &format!("error: {operation} needs {flags}"));
    }
    interpret(&["--operation", "Prune"], DEPLOYMENT).fails(2, "error: unknown operation `Prune`, known are InterpretReplica");
    interpret(&[], "").fails(2, "error: `-` holds no object\nhint: ");
    interpret(&[], "kind: Deployment").fails(2, "error: `-`, document 1: `apiVersion` and `kind` are missing");
    interpret(&[], "a: [").fails(2, "error: `-` is neither YAML nor JSON: ");
    flotilla(&["interpret", "-f", "no/such.yaml"]).fails(2, "error: cannot read `no/such.yaml`: ");
    interpret(&["-p", "Cargo.toml"], DEPLOYMENT).fails(2, "error: `Cargo.toml` cannot be loaded: BadPayload: ");
}

#[test]
fn a_plugin_of_the_user_is_asked_first() {
    let out = interpret(&["-p", "plugins/built/deployment.wasm", "--operation", "replicas"], DEPLOYMENT).done().out;
    assert!(out.contains(" plugin deployment "), "{out}");
    let out = interpret(&["--plugins", "plugins/built", "--operation", "replicas"], DEPLOYMENT).done().out;
    assert!(out.contains(" plugin deployment "), "{out}");
}

fn question(replicas: Value) -> Value {
    let object = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": {"replicas": replicas}});
    json!({"request": {"operation": "InterpretReplica", "object": object}})
}

#[test]
fn lines_are_answered_in_order_and_unreadable_ones_are_told() {
    let lines =
        [question(json!(1)).to_string(), "{".into(), question(json!("x")).to_string(), String::new(), question(json!(4)).to_string()];
    let ran = flotilla_on(&["interpret", "--batch"], lines.join("\n").as_bytes());
    assert_eq!(ran.code, 2, "{ran:#?}");
    let answers: Vec<Value> = ran.out.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let words: Vec<&Value> = answers.iter().map(|answer| answer.get("replicas").unwrap_or(&answer["error"]["class"])).collect();
    assert_eq!(words, [&json!(1), &json!("BadRequest"), &json!("InvalidObject"), &json!(4)]);
    let refused = flotilla_on(&["interpret", "--batch"], question(json!("x")).to_string().as_bytes());
    assert_eq!(refused.code, 0, "a refused object is an answer: {refused:#?}");
}

#[test]
fn who_sends_a_line_gets_its_answer_before_the_next() {
    let mut child = command(&["interpret", "--batch"]).spawn().expect("the program starts");
    let (mut stdin, mut answers) = (child.stdin.take().expect("a pipe"), BufReader::new(child.stdout.take().expect("a pipe")).lines());
    for replicas in [2, 7] {
        writeln!(stdin, "{}", question(json!(replicas))).expect("written");
        let answer: Value = serde_json::from_str(&answers.next().expect("an answer").expect("a line")).expect("JSON");
        assert_eq!(answer["replicas"], replicas);
    }
    drop(stdin);
    assert!(child.wait().expect("the program ends").success());
}
