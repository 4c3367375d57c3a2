//! Cases: what passes, what fails, and that nothing passes without having been asked.

mod support;

use flotilla_interpreter::cases::{CaseOutcome, run_cases};
use support::{chain, plugin};

const OBJECT: &str = "{apiVersion: tests/v1, kind: Thing, metadata: {name: one, namespace: shop}, status: {phase: Up}}";

fn run(file: &str, case: &str) -> CaseOutcome {
    let yaml = case.replace("OBJECT", OBJECT);
    let mut outcomes = run_cases(&yaml, &chain(vec![plugin(file)]));
    assert_eq!(outcomes.len(), 1, "{yaml}");
    outcomes.remove(0)
}

#[track_caller]
fn passes(file: &str, case: &str) {
    let outcome = run(file, case);
    assert_eq!(outcome.failures, Vec::<String>::new());
}

#[track_caller]
fn fails(file: &str, case: &str, because: &str) {
    let outcome = run(file, case);
    assert!(outcome.failures.iter().any(|failure| failure.contains(because)), "{:?}", outcome.failures);
}

#[test]
fn the_expected_answer_passes() {
    passes("healthy", "{name: a, operation: InterpretHealth, observedObj: OBJECT, output: {healthy: true}}");
    passes("healthy", "{name: a, operation: interprethealth, desiredObj: OBJECT, output: {healthy: true}}");
    passes("healthy", "{name: a, operation: InterpretStatus, observedObj: OBJECT, output: {status: {phase: Up}}}");
}

#[test]
fn another_answer_fails() {
    fails(
        "healthy",
        "{name: a, operation: InterpretHealth, observedObj: OBJECT, output: {healthy: false}}",
        "`healthy`: expected false, got true",
    );
    fails(
        "healthy",
        "{name: a, operation: InterpretStatus, observedObj: OBJECT, output: {status: {phase: Down}}}",
        "`status.phase`: expected \"Down\", got \"Up\"",
    );
    fails(
        "healthy",
        "{name: a, operation: InterpretHealth, observedObj: OBJECT, output: {replica: 3}}",
        "`replica`: InterpretHealth does not answer that",
    );
    fails(
        "invalid",
        "{name: a, operation: InterpretHealth, observedObj: OBJECT, output: {healthy: true}}",
        "InvalidObject: plugin `invalid` rejects",
    );
}

#[test]
fn expected_errors_pass_by_class_and_message() {
    passes("invalid", "{name: a, operation: InterpretHealth, observedObj: OBJECT, error: {class: InvalidObject, message: spec is x}}");
    fails(
        "invalid",
        "{name: a, operation: InterpretHealth, observedObj: OBJECT, error: {class: PluginFailed}}",
        "expected PluginFailed, got InvalidObject",
    );
    fails("invalid", "{name: a, operation: InterpretHealth, observedObj: OBJECT, error: {message: other}}", "expected `other` in");
    fails(
        "healthy",
        "{name: a, operation: InterpretHealth, observedObj: OBJECT, error: {class: Trap}}",
        "an error is expected, the answer is",
    );
}

#[test]
fn a_case_that_asserts_nothing_fails() {
    fails("healthy", "{name: a, operation: InterpretHealth, observedObj: OBJECT}", "must have `output` or `error`");
    fails("healthy", "{name: a, operation: InterpretHealth, observedObj: OBJECT, output: {}}", "nothing is expected");
    fails("healthy", "{name: a, operation: InterpretReplica, desiredObj: OBJECT, output: {replica: 1}}", "NoInterpreter");
    assert!(run_cases("", &chain(Vec::new())).is_empty());
}

#[test]
fn what_a_case_means_must_be_clear() {
    fails("healthy", "{name: a, operation: Health, observedObj: OBJECT, output: {healthy: true}}", "unknown operation `Health`");
    fails("healthy", "{name: a, operation: InterpretHealth, output: {healthy: true}}", "either `desiredObj` or `observedObj`");
    fails("healthy", "{name: a, operation: Retain, desiredObj: OBJECT, output: {retained: OBJECT}}", "Retain needs");
    fails("healthy", "{name: a, operation: InterpretHealth, observedObj: OBJECT, ouput: {healthy: true}}", "unknown field `ouput`");
    fails("healthy", "{name: a, operation: [", "");
}

#[test]
fn an_undeclared_read_fails() {
    // `measures` traps when it is handed over more than it declares to read, which is nothing.
    fails(
        "measures",
        "{name: a, operation: InterpretHealth, observedObj: OBJECT, output: {healthy: true}}",
        "reads a field that it does not declare",
    );
}

#[test]
fn settings_and_limits_of_a_case_hold() {
    passes("picky", "{name: a, operation: InterpretHealth, observedObj: OBJECT, settings: {}, output: {healthy: true}}");
    fails(
        "picky",
        "{name: a, operation: InterpretHealth, observedObj: OBJECT, settings: {a: 1}, output: {healthy: true}}",
        "does not accept the settings",
    );
    passes(
        "deadline",
        "{name: a, operation: InterpretHealth, observedObj: OBJECT, limits: {deadline: 5ms}, error: {message: 5ms deadline}}",
    );
    fails(
        "healthy",
        "{name: a, operation: InterpretHealth, observedObj: OBJECT, limits: {deadline: 5s}, output: {healthy: true}}",
        "not looser",
    );
}

#[test]
fn each_document_is_a_case_with_its_line() {
    let text = format!(
        "name: first\noperation: InterpretHealth\nobservedObj: {OBJECT}\noutput: {{healthy: true}}\n---\nname: second\noperation: InterpretStatus\nobservedObj: {OBJECT}\noutput: {{status: {{}}}}\n"
    );
    let outcomes = run_cases(&text, &chain(vec![plugin("healthy")]));
    let shown: Vec<_> = outcomes.iter().map(|outcome| (outcome.name.as_str(), outcome.line, outcome.passed())).collect();
    assert_eq!(shown, [("first", 1, true), ("second", 6, false)]);
    assert_eq!(outcomes[0].by.as_ref().map(|by| by.plugin.as_str()), Some("healthy"));
}

#[test]
fn what_the_output_does_not_mention_is_a_warning() {
    let outcome = run("frugal", "{name: a, operation: InterpretReplica, desiredObj: OBJECT, output: {replica: 2}}");
    assert_eq!((outcome.failures, outcome.warnings), (Vec::new(), vec!["`output` does not mention `requires`".to_owned()]));
    fails(
        "frugal",
        "{name: a, operation: InterpretReplica, desiredObj: OBJECT, output: {replica: 2, requires: {resourceRequest: {cpu: 2}}}}",
        "`requires.resourceRequest.cpu`",
    );
    passes(
        "frugal",
        "{name: a, operation: InterpretReplica, desiredObj: OBJECT, output: {replica: 2, requires: {resourceRequest: {cpu: 1000m}}}}",
    );
}
