//! `flotilla interpret`: ask the hooks about one object, offline.

use crate::exit::{Code, Failure, bad_input};
use crate::input::{answer_lines, read_object};
use crate::output::{Output, print_line, print_value, table};
use crate::plugins::PluginOptions;
use flotilla_api::interpretation::{Answer, Asked, ErrorClass, Health, HookError, Interpreter, Layer, Operation, Origin};
use flotilla_api::object::Object;
use flotilla_api::work::AggregatedStatusItem;
use flotilla_interpreter::{Chain, batch};
use serde::Deserialize;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Arguments of `interpret`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  flotilla interpret -f web.yaml\n  flotilla interpret -f web.yaml --operation InterpretHealth --exit-code\n  flotilla interpret --desired-file web.yaml --observed-file member.yaml --operation Retain -o yaml")]
pub struct Interpret {
    /// Object: the template, or the member's object for status and health; `-` for standard input
    #[arg(short, long = "filename", visible_alias = "desired-file", value_name = "FILE", required_unless_present = "batch", conflicts_with = "batch")]
    filename: Option<PathBuf>,
    /// Operation, by Karmada's name (any case) or the hook's; `all` for each that is supported
    #[arg(long, default_value = "all")]
    operation: String,
    /// The member's object, for Retain
    #[arg(long, value_name = "FILE")]
    observed_file: Option<PathBuf>,
    /// List of what clusters report (AggregatedStatusItem), for AggregateStatus
    #[arg(long, value_name = "FILE")]
    status_file: Option<PathBuf>,
    /// Replicas, for ReviseReplica
    #[arg(long, value_name = "N")]
    desired_replica: Option<i64>,
    /// Exit with 1 when the object is not healthy
    #[arg(long)]
    exit_code: bool,
    /// Read questions from standard input and write answers, one JSON object a line
    #[arg(long)]
    batch: bool,
    /// Form of the answer
    #[arg(short, long, value_enum, default_value_t)]
    output: Output,
    #[command(flatten)]
    plugins: PluginOptions,
}

/// One operation's answer, ready to be printed.
struct Line {
    operation: Operation,
    /// One line for people.
    text: String,
    /// The answer in the shape of batch answers.
    value: Value,
    by: Option<Origin>,
    took: Duration,
    code: Code,
}

impl Interpret {
    /// Asks.
    pub fn run(self) -> Result<Code, Failure> {
        let chain = self.plugins.chain()?;
        if self.batch {
            let all_read = answer_lines(|line| {
                let answer = batch::answer(&chain, line);
                let is_readable = answer["error"]["class"] != "BadRequest";
                (answer, is_readable)
            })?;
            return Ok(if all_read { Code::Done } else { Code::BadInput });
        }
        let object = read_object(self.filename.as_deref().expect("clap asks for it without --batch"))?;
        let lines = self.operations(&chain, &object)?.into_iter().map(|operation| self.ask(&chain, operation, &object)).collect::<Result<Vec<_>, _>>()?;
        self.print(&object, &lines)?;
        Ok(lines.iter().map(|line| line.code).max_by_key(|code| *code as u8).unwrap_or(Code::Done))
    }

    fn operations(&self, chain: &Chain, object: &Object) -> Result<Vec<Operation>, Failure> {
        if self.operation != "all" {
            return Ok(vec![self.operation.parse().map_err(bad_input)?]);
        }
        let is_asked = |operation: &Operation| match operation {
            Operation::Retain => self.observed_file.is_some(),
            Operation::ReviseReplica => self.desired_replica.is_some(),
            Operation::AggregateStatus => self.status_file.is_some(),
            _ => true,
        };
        // An error is an answer too: the operation is listed, and says why.
        let is_answered = |operation: &Operation| chain.is_supported(object, *operation).unwrap_or(true);
        Ok(Operation::ALL.into_iter().filter(is_asked).filter(is_answered).collect())
    }

    fn ask(&self, chain: &Chain, operation: Operation, object: &Object) -> Result<Line, Failure> {
        let needs = |flag: &str| bad_input(format!("{operation} needs `{flag}`"));
        let started = Instant::now();
        let asked: Asked<(String, Value)> = match operation {
            Operation::InterpretReplica => said(chain.replicas(object), |demand| {
                let requirements = demand.requirements.as_ref().map(|requirements| json!(requirements));
                let each = requirements.as_ref().and_then(|requirements| requirements.get("resourceRequest")).map(|request| format!(" × {request}")).unwrap_or_default();
                (format!("{}{each}", demand.replicas), json!({"replicas": demand.replicas, "replicaRequirements": requirements}))
            }),
            Operation::InterpretComponent => said(chain.components(object), |components| {
                let texts: Vec<String> = components.iter().map(|component| format!("{} {}", component.replicas, component.name)).collect();
                (texts.join(", "), json!({"components": components}))
            }),
            Operation::InterpretDependency => said(chain.dependencies(object), |dependencies| {
                let name = |dependency: &flotilla_api::work::DependentObjectReference| format!("{} {}", dependency.kind, dependency.name.as_deref().unwrap_or("(by labels)"));
                let texts: Vec<String> = dependencies.iter().map(name).collect();
                (if texts.is_empty() { "none".to_owned() } else { texts.join(", ") }, json!({"dependencies": dependencies}))
            }),
            Operation::InterpretStatus => said(chain.reflect(object), |status| (status.as_ref().map_or("none".to_owned(), Value::to_string), json!({"rawStatus": status}))),
            Operation::InterpretHealth => said(chain.health(object), |health| match health {
                Health::Healthy => ("Healthy".to_owned(), json!({"healthy": true})),
                Health::Unhealthy(why) => (format!("Unhealthy: {why}"), json!({"healthy": false, "message": why})),
                Health::Unknown(why) => (format!("Unknown: {why}"), json!({"message": why})),
            }),
            Operation::ReviseReplica => said(chain.revise(object, self.desired_replica.ok_or_else(|| needs("--desired-replica"))?), changed),
            Operation::Retain => {
                let observed = read_object(self.observed_file.as_deref().ok_or_else(|| needs("--observed-file"))?)?;
                said(chain.retain(object, &observed), changed)
            }
            Operation::AggregateStatus => {
                let items = self.status_file.as_ref().map(read_items).transpose()?;
                said(chain.aggregate(object, items.as_deref()), changed)
            }
        };
        Ok(self.line(operation, object, asked, started.elapsed()))
    }

    fn line(&self, operation: Operation, object: &Object, asked: Asked<(String, Value)>, took: Duration) -> Line {
        match asked {
            Ok(Some(Answer { value: (text, value), by })) => {
                let is_unwell = self.exit_code && operation == Operation::InterpretHealth && value["healthy"] != true;
                let code = if is_unwell { Code::Negative } else { Code::Done };
                Line { operation, text, value, by: Some((*by).clone()), took, code }
            }
            Ok(None) => {
                let message = format!("no plugin answers {operation} for {}", object.gvk());
                error_line(operation, ErrorClass::NoInterpreter, message, None, took)
            }
            Err(HookError { class, plugin, message, .. }) => error_line(operation, class, message, plugin.map(|plugin| (*plugin).clone()), took),
        }
    }

    fn print(&self, object: &Object, lines: &[Line]) -> Result<(), Failure> {
        match self.output {
            Output::Table => {
                let rows = lines.iter().map(|line| vec![line.operation.to_string(), line.text.clone(), line.by.as_ref().map_or("–".to_owned(), origin_text), format!("{} µs", line.took.as_micros())]);
                print_line(table(&["OPERATION", "ANSWER", "FROM", "TIME"], rows));
            }
            Output::Name => lines.iter().for_each(|line| print_line(line.operation)),
            output => {
                let answers: Vec<Value> = lines.iter().map(|line| json!({"operation": line.operation, "answer": line.value, "from": line.by, "micros": line.took.as_micros() as u64})).collect();
                print_value(&json!({"object": object.display(), "answers": answers}), output)?;
            }
        }
        for line in lines.iter().filter(|line| line.code != Code::Done && line.value.get("error").is_some()) {
            eprintln!("error: {}: {}", line.operation, line.text);
        }
        Ok(())
    }
}

fn said<T>(asked: Asked<T>, say: impl Fn(T) -> (String, Value)) -> Asked<(String, Value)> {
    Ok(asked?.map(|answer| Answer { value: say(answer.value), by: answer.by }))
}

fn changed(object: Object) -> (String, Value) {
    ("the object changes as shown by `-o yaml`".to_owned(), json!({"object": object}))
}

fn error_line(operation: Operation, class: ErrorClass, message: String, by: Option<Origin>, took: Duration) -> Line {
    let code = match class {
        ErrorClass::InvalidObject | ErrorClass::NoInterpreter => Code::Negative,
        _ => Code::PluginFailed,
    };
    Line { operation, text: format!("{class}: {message}"), value: json!({"error": {"class": class, "message": message}}), by, took, code }
}

fn origin_text(origin: &Origin) -> String {
    match origin.layer {
        Layer::Loaded => format!("plugin {} {}", origin.plugin, origin.version),
        Layer::BuiltIn => format!("built-in {} {}", origin.plugin, origin.version),
        Layer::Generic => "generic default".to_owned(),
    }
}

fn read_items(path: &PathBuf) -> Result<Vec<AggregatedStatusItem>, Failure> {
    let documents = crate::input::parse_documents(&crate::input::read_text(path)?).map_err(|error| bad_input(format!("`{}` is neither YAML nor JSON: {error}", path.display())))?;
    let items = documents.into_iter().flat_map(|document| match document {
        Value::Array(items) => items,
        Value::Null => Vec::new(),
        item => vec![item],
    });
    items.map(|item| AggregatedStatusItem::deserialize(item).map_err(|error| bad_input(format!("`{}` is no list of AggregatedStatusItem: {error}", path.display())))).collect()
}
