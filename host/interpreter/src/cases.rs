//! Runs cases, Karmada's own test documents with a few keys more, through the real chain: what `flotilla plugin test` prints, and what
//! comes with a plugin as proof that it works.
//!
//! Each case is asked twice, with what the hook declared and with whole objects: a plugin that reads a field that it did not declare
//! gives two answers, and fails. A case that asserts nothing fails, too.

use crate::batch::{self, Request, Unanswered};
use crate::expect;
use crate::layers::Chain;
use crate::manifest::WrittenLimits;
use crate::plugin::Handing;
use crate::yaml;
use flotilla_api::interpretation::{Operation, Origin};
use flotilla_api::object::Object;
use flotilla_api::work::AggregatedStatusItem;
use serde::Deserialize;
use serde_json::{Map, Value};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What came of one case.
#[derive(Debug, Clone, PartialEq)]
pub struct CaseOutcome {
    /// Name of the case.
    pub name: String,
    /// Line of the file at which the case begins.
    pub line: u64,
    /// What was asked; absent when the case cannot be read.
    pub operation: Option<Operation>,
    /// Who answered.
    pub by: Option<Arc<Origin>>,
    /// How long the answer took.
    pub took: Duration,
    /// Why it failed, one line each; empty when it passed.
    pub failures: Vec<String>,
    /// What the author should look at.
    pub warnings: Vec<String>,
    /// The answer, in the keys of `output`; absent where there is none.
    pub answer: Option<Value>,
}

impl CaseOutcome {
    /// Whether the answer was the one that the case expects.
    pub fn passed(&self) -> bool {
        self.failures.is_empty()
    }

    fn unread(name: &str, line: u64, why: String) -> Self {
        let (name, failures) = (name.to_owned(), vec![why]);
        Self { name, line, operation: None, by: None, took: Duration::ZERO, failures, warnings: Vec::new(), answer: None }
    }
}

/// One case as it is written.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Case {
    #[serde(default, rename = "name")]
    _name: String,
    #[serde(default, rename = "description")]
    _description: String,
    operation: String,
    desired_obj: Option<Object>,
    observed_obj: Option<Object>,
    status_items: Option<Vec<AggregatedStatusItem>>,
    #[serde(default)]
    input_replicas: i64,
    output: Option<Map<String, Value>>,
    error: Option<ExpectedError>,
    settings: Option<Value>,
    limits: Option<WrittenLimits>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ExpectedError {
    class: Option<String>,
    /// A part of the message.
    message: Option<String>,
}

/// Runs all cases of a file. A file that cannot be read is one failed outcome; a file without cases gives none, which callers should
/// not take for success.
pub fn run_cases(text: &str, chain: &Chain) -> Vec<CaseOutcome> {
    match yaml::documents::<serde_saphyr::Spanned<Value>>(text) {
        Err(why) => vec![CaseOutcome::unread("(file)", 1, why)],
        Ok(documents) => documents.into_iter().filter(|document| !document.value.is_null()).map(|document| run(document, chain)).collect(),
    }
}

fn run(document: serde_saphyr::Spanned<Value>, chain: &Chain) -> CaseOutcome {
    let line = document.referenced.line();
    let name = document.value.get("name").and_then(Value::as_str).unwrap_or("(unnamed)").to_owned();
    let case: Case = match serde_path_to_error::deserialize(document.value) {
        Ok(case) => case,
        Err(why) => return CaseOutcome::unread(&name, line, format!("`{}`: {}", why.path(), why.inner())),
    };
    match case.prepare(chain) {
        Ok((operation, request, chain)) => Question { name, line, operation, request, chain, case }.ask(),
        Err(why) => CaseOutcome::unread(&name, line, why),
    }
}

impl Case {
    /// The question of the case, and the chain with the settings and limits of the case.
    fn prepare(&self, chain: &Chain) -> Result<(Operation, Request, Chain), String> {
        let operation: Operation = self.operation.parse()?;
        let (object, observed_object) = match (operation, &self.desired_obj, &self.observed_obj) {
            (Operation::Retain, Some(desired), Some(observed)) => (desired, Some(observed.clone())),
            (Operation::Retain, ..) => return Err("Retain needs `desiredObj` and `observedObj`".to_owned()),
            (_, Some(object), None) | (_, None, Some(object)) => (object, None),
            _ => return Err(format!("{operation} needs either `desiredObj` or `observedObj`")),
        };
        if self.output.is_none() && self.error.is_none() {
            return Err("a case must have `output` or `error`".to_owned());
        }
        let request = Request {
            operation: self.operation.clone(),
            object: object.clone(),
            observed_object,
            replicas: self.input_replicas,
            aggregated_status: self.status_items.clone(),
        };
        Ok((operation, request, self.adapted(chain, object, operation)?))
    }

    /// The chain whose answering plugin has the settings and the limits of the case.
    fn adapted(&self, chain: &Chain, object: &Object, operation: Operation) -> Result<Chain, String> {
        if self.settings.is_none() && self.limits.is_none() {
            return Ok(chain.clone());
        }
        let plugin = chain.plugin_for(object, operation).map_err(|why| why.message)?;
        let plugin =
            plugin.ok_or_else(|| format!("`settings` and `limits` need a plugin that answers {operation} for {}", object.gvk()))?;
        let limits = self.limits.as_ref().map(|limits| limits.tighten(&plugin.limits())).transpose()?;
        let adapted = plugin.with(&chain.runtime, self.settings.as_ref(), limits).map_err(|why| why.message)?;
        Ok(chain.with_instead(&plugin, Arc::new(adapted)))
    }
}

/// A case that can be asked.
struct Question {
    name: String,
    line: u64,
    operation: Operation,
    request: Request,
    chain: Chain,
    case: Case,
}

type Answered = Result<Value, Unanswered>;

impl Question {
    fn ask(self) -> CaseOutcome {
        let begin = Instant::now();
        let answer = self.answer(&self.chain);
        let took = begin.elapsed();
        let whole = self.answer(&self.chain.handing(Handing::Whole));
        let (mut failures, warnings) = self.judge(&answer);
        if answer != whole {
            failures.push(undeclared_read(&answer, &whole));
        }
        let by = self.chain.plugin_for(&self.request.object, self.operation).ok().flatten();
        CaseOutcome {
            name: self.name,
            line: self.line,
            operation: Some(self.operation),
            by: by.map(|plugin| Arc::clone(plugin.origin())),
            took,
            failures,
            warnings,
            answer: answer.ok(),
        }
    }

    /// The answer in the keys of `output`.
    fn answer(&self, chain: &Chain) -> Answered {
        let answer = batch::ask(chain, self.operation, &self.request)?;
        let Value::Object(answer) = answer else { unreachable!("batch answers are maps") };
        Ok(answer.into_iter().map(|(key, value)| (output_key(self.operation, &key).to_owned(), value)).collect())
    }

    fn judge(&self, answer: &Answered) -> (Vec<String>, Vec<String>) {
        match (&self.case.error, answer) {
            (Some(expected), Err(error)) => (expected.judge(error), Vec::new()),
            (Some(_), Ok(answer)) => (vec![format!("an error is expected, the answer is {answer}")], Vec::new()),
            (None, Err(error)) => (vec![format!("{}: {}", error.class, error.message)], Vec::new()),
            (None, Ok(answer)) => self.judge_output(answer),
        }
    }

    fn judge_output(&self, answer: &Value) -> (Vec<String>, Vec<String>) {
        let output = self.case.output.as_ref().expect("a case has output or an error");
        let mut failures = Vec::new();
        for (key, expected) in output {
            match answer.get(key) {
                Some(got) => failures.extend(expect::differences(key, expected, got)),
                None if key == "requires" && expected.is_null() => {}
                None if key == "requires" && self.operation == Operation::InterpretReplica => {
                    failures.push(format!("`requires`: expected {expected}, got none"));
                }
                None => failures.push(format!("`{key}`: {} does not answer that", self.operation)),
            }
        }
        let answered = answer.as_object().into_iter().flatten();
        // Words are for people; Karmada's cases know none.
        let unmentioned = answered.filter(|(key, value)| !output.contains_key(*key) && !value.is_null() && *key != "message");
        let warnings: Vec<String> = unmentioned.map(|(key, _)| format!("`output` does not mention `{key}`")).collect();
        if output.is_empty() {
            failures.push("`output` is empty: nothing is expected".to_owned());
        }
        (failures, warnings)
    }
}

impl ExpectedError {
    fn judge(&self, error: &Unanswered) -> Vec<String> {
        let mut failures = Vec::new();
        if let Some(class) = self.class.as_ref().filter(|class| **class != error.class) {
            failures.push(format!("`error.class`: expected {class}, got {}: {}", error.class, error.message));
        }
        if let Some(part) = self.message.as_ref().filter(|part| !error.message.contains(*part)) {
            failures.push(format!("`error.message`: expected `{part}` in `{}`", error.message));
        }
        failures
    }
}

/// The key of `output` for a key of a batch answer.
fn output_key(operation: Operation, key: &str) -> &str {
    match (operation, key) {
        (_, "replicas") => "replica",
        (_, "replicaRequirements") => "requires",
        (_, "rawStatus") => "status",
        (Operation::ReviseReplica, "object") => "revised",
        (Operation::Retain, "object") => "retained",
        (Operation::AggregateStatus, "object") => "aggregatedStatus",
        (_, same) => same,
    }
}

fn undeclared_read(declared: &Answered, whole: &Answered) -> String {
    let show = |answer: &Answered| match answer {
        Ok(answer) => answer.to_string(),
        Err(error) => format!("{}: {}", error.class, error.message),
    };
    let (declared, whole) = (show(declared), show(whole));
    format!(
        "the hook reads a field that it does not declare: with the declared fields it answers {declared}, with the whole object {whole}"
    )
}
