//! `flotilla interpret`: ask the hooks about objects, offline.

use crate::exit::{Code, Failure, bad_input};
use crate::input::{answer_lines, read_object, read_objects};
use crate::output::{Output, print_line, print_value, table};
use crate::plugins::PluginOptions;
use flotilla_api::interpretation::{Answer, Asked, ErrorClass, Health, HookError, Interpreter, Layer, Operation, Origin};
use flotilla_api::object::Object;
use flotilla_api::work::{AggregatedStatusItem, DependentObjectReference};
use flotilla_interpreter::{Chain, batch};
use serde::Deserialize;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Arguments of `interpret`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  flotilla interpret -f web.yaml\n  flotilla interpret -f web.yaml --operation InterpretHealth --exit-code\n  flotilla interpret --desired-file web.yaml --observed-file member.yaml --operation Retain -o yaml"
)]
pub struct Interpret {
    /// Objects: templates, or members' objects for status and health; `-` for standard input
    #[arg(
        short,
        long = "filename",
        visible_alias = "desired-file",
        value_name = "FILE",
        required_unless_present = "batch",
        conflicts_with = "batch"
    )]
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
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    desired_replica: Option<i64>,
    /// Exit with 1 when an object is not healthy
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

/// What is given beside the object, read once.
struct Given {
    observed: Option<Object>,
    items: Option<Vec<AggregatedStatusItem>>,
    replicas: Option<i64>,
}

/// What an operation has for one object.
enum Line {
    /// An answer: one line for people, and the shape of batch answers.
    Answer { text: String, value: Value, by: Arc<Origin>, took: Duration },
    /// The hook gave none.
    Error(HookError),
    /// It is supported, and lacks what these flags give.
    Needs(&'static str),
}

impl Interpret {
    /// Asks.
    pub fn run(self) -> Result<Code, Failure> {
        let operation = match self.operation.as_str() {
            "all" => None,
            name => Some(name.parse::<Operation>().map_err(bad_input)?),
        };
        if self.batch {
            let chain = self.plugins.chain()?;
            let all_read = answer_lines(|line| {
                let answer = batch::answer(&chain, line);
                let is_readable = answer["error"]["class"] != "BadRequest";
                (answer, is_readable)
            })?;
            return Ok(if all_read { Code::Done } else { Code::BadInput });
        }
        let objects = read_objects(&[self.filename.clone().expect("clap asks for it without --batch")])?;
        let given = self.given()?;
        if let Some(operation) = operation
            && let Some(flags) = given.lacks(operation)
        {
            return Err(bad_input(format!("{operation} needs {flags}")));
        }
        let chain = self.plugins.chain()?;
        let answers: Vec<(&Object, Vec<(Operation, Line)>)> =
            objects.iter().map(|object| (object, given.ask_all(&chain, operation, object))).collect();
        self.print(&answers)?;
        let codes = answers.iter().flat_map(|(_, lines)| lines).map(|(operation, line)| self.code(*operation, line));
        Ok(codes.max_by_key(|code| *code as u8).unwrap_or(Code::Done))
    }

    fn given(&self) -> Result<Given, Failure> {
        Ok(Given {
            observed: self.observed_file.as_deref().map(read_object).transpose()?,
            items: self.status_file.as_deref().map(read_items).transpose()?,
            replicas: self.desired_replica,
        })
    }

    fn code(&self, operation: Operation, line: &Line) -> Code {
        match line {
            Line::Error(HookError { class: ErrorClass::InvalidObject | ErrorClass::NoInterpreter, .. }) => Code::Negative,
            Line::Error(_) => Code::PluginFailed,
            Line::Answer { value, .. } if self.exit_code && operation == Operation::InterpretHealth && value["healthy"] != true => {
                Code::Negative
            }
            Line::Answer { .. } | Line::Needs(_) => Code::Done,
        }
    }

    fn print(&self, answers: &[(&Object, Vec<(Operation, Line)>)]) -> Result<(), Failure> {
        match self.output {
            Output::Table => {
                for (index, (object, lines)) in answers.iter().enumerate() {
                    if answers.len() > 1 {
                        print_line(format!("{}{}", if index == 0 { "" } else { "\n" }, object.display()));
                    }
                    print_line(table(&["OPERATION", "ANSWER", "FROM", "TIME"], lines.iter().map(|(operation, line)| line.row(*operation))));
                }
            }
            Output::Name => answers.iter().flat_map(|(_, lines)| lines).for_each(|(operation, _)| print_line(operation)),
            output => {
                let shown = answers.iter().map(|(object, lines)| {
                    let lines: Vec<Value> = lines.iter().map(|(operation, line)| line.json(*operation)).collect();
                    json!({"object": object.display(), "answers": lines})
                });
                let shown: Vec<Value> = shown.collect();
                match shown.as_slice() {
                    [one] => print_value(one, output)?,
                    several => print_value(&several, output)?,
                }
            }
        }
        answers.iter().flat_map(|(_, lines)| lines).for_each(|(_, line)| line.tell_error());
        Ok(())
    }
}

impl Given {
    /// The flags that an operation needs and that were not given.
    fn lacks(&self, operation: Operation) -> Option<&'static str> {
        match operation {
            Operation::Retain if self.observed.is_none() => Some("`--desired-file` and `--observed-file`"),
            Operation::ReviseReplica if self.replicas.is_none() => Some("`--desired-replica`"),
            Operation::AggregateStatus if self.items.is_none() => Some("`--status-file`"),
            _ => None,
        }
    }

    /// Asks one operation, or all that are supported. An error is an answer too: the operation is listed, and says why.
    fn ask_all(&self, chain: &Chain, operation: Option<Operation>, object: &Object) -> Vec<(Operation, Line)> {
        let is_wanted = |asked: &Operation| match operation {
            Some(operation) => *asked == operation,
            None => chain.is_supported(object, *asked).unwrap_or(true),
        };
        Operation::ALL.into_iter().filter(is_wanted).map(|operation| (operation, self.ask(chain, operation, object))).collect()
    }

    fn ask(&self, chain: &Chain, operation: Operation, object: &Object) -> Line {
        if let Some(flags) = self.lacks(operation) {
            return Line::Needs(flags);
        }
        let started = Instant::now();
        let asked = match operation {
            Operation::InterpretReplica => said(chain.replicas(object), |demand| {
                let requirements = demand.requirements.map_or(Value::Null, |requirements| json!(requirements));
                let each = requirements.get("resourceRequest").map(|request| format!(" × {}", flow(request))).unwrap_or_default();
                (format!("{}{each}", demand.replicas), json!({"replicas": demand.replicas, "replicaRequirements": requirements}))
            }),
            Operation::InterpretComponent => said(chain.components(object), |components| {
                let texts = components.iter().map(|component| format!("{} {}", component.replicas, component.name));
                (listed(texts), json!({"components": components}))
            }),
            Operation::InterpretDependency => said(chain.dependencies(object), |dependencies| {
                (listed(dependencies.iter().map(dependency_text)), json!({"dependencies": dependencies}))
            }),
            Operation::InterpretStatus => {
                said(chain.reflect(object), |status| (status.as_ref().map_or("none".to_owned(), flow), json!({"rawStatus": status})))
            }
            Operation::InterpretHealth => said(chain.health(object), health_text),
            Operation::ReviseReplica => said(chain.revise(object, self.replicas.unwrap_or_default()), |now| changed(object, now)),
            Operation::Retain => {
                let observed = self.observed.as_ref().expect("checked above");
                said(chain.retain(object, observed), |now| changed(object, now))
            }
            Operation::AggregateStatus => said(chain.aggregate(object, self.items.as_deref()), |now| changed(object, now)),
        };
        Line::of(operation, object, asked, started.elapsed())
    }
}

impl Line {
    fn of(operation: Operation, object: &Object, asked: Asked<(String, Value)>, took: Duration) -> Self {
        match asked {
            Ok(Some(Answer { value: (text, value), by })) => Self::Answer { text, value, by, took },
            Ok(None) => {
                let message = format!("no plugin answers {operation} for {}", object.gvk());
                Self::Error(HookError { class: ErrorClass::NoInterpreter, plugin: None, operation, message })
            }
            Err(error) => Self::Error(error),
        }
    }

    fn row(&self, operation: Operation) -> Vec<String> {
        let (text, by, took) = match self {
            Self::Answer { text, by, took, .. } => (text.clone(), origin_text(by), format!("{} µs", took.as_micros())),
            Self::Error(error) => (error.class.to_string(), error.plugin.as_deref().map(origin_text).unwrap_or_default(), String::new()),
            Self::Needs(flags) => (format!("needs {}", flags.replace('`', "")), String::new(), String::new()),
        };
        vec![operation.to_string(), text, by, took]
    }

    fn json(&self, operation: Operation) -> Value {
        match self {
            Self::Answer { value, by, took, .. } => {
                json!({"operation": operation, "answer": value, "from": **by, "micros": took.as_micros() as u64})
            }
            Self::Error(error) => {
                json!({"operation": operation, "error": {"class": error.class, "message": error.message}, "from": error.plugin.as_deref()})
            }
            Self::Needs(flags) => json!({"operation": operation, "needs": flags}),
        }
    }

    /// Errors are talk, whatever the form of the answers.
    fn tell_error(&self) {
        let Self::Error(error) = self else { return };
        eprintln!("error: {}", error.message);
        let by = error.plugin.as_deref().map(|by| format!(" · {} ({})", origin_text(by), by.digest)).unwrap_or_default();
        eprintln!("  reason {}{by} · hook {}", error.class, error.operation.hook());
        if error.class == ErrorClass::InvalidObject {
            eprintln!("hint: API servers fill in defaults; try the object as it is stored: `kubectl get … -o yaml`");
        }
    }
}

fn said<T>(asked: Asked<T>, say: impl Fn(T) -> (String, Value)) -> Asked<(String, Value)> {
    Ok(asked?.map(|answer| Answer { value: say(answer.value), by: answer.by }))
}

fn health_text(health: Health) -> (String, Value) {
    match health {
        Health::Healthy => ("Healthy".to_owned(), json!({"healthy": true})),
        Health::Unhealthy(why) => (format!("Unhealthy: {why}"), json!({"healthy": false, "message": why})),
        Health::Unknown(why) => (format!("Unknown: {why}"), json!({"message": why})),
    }
}

fn dependency_text(dependency: &DependentObjectReference) -> String {
    let namespace = dependency.namespace.as_deref().map(|namespace| format!("{namespace}/")).unwrap_or_default();
    format!("{} {namespace}{}", dependency.kind, dependency.name.as_deref().unwrap_or("(by labels)"))
}

fn changed(before: &Object, now: Object) -> (String, Value) {
    let paths: Vec<String> = json_patch::diff(before, &now).0.iter().map(|change| change.path().to_string()).collect();
    let text = if paths.is_empty() { "changes nothing".to_owned() } else { format!("changes {}", paths.join(", ")) };
    (text, json!({"object": now}))
}

fn listed(texts: impl Iterator<Item = String>) -> String {
    let texts: Vec<String> = texts.collect();
    if texts.is_empty() { "none".to_owned() } else { texts.join(", ") }
}

/// A value as YAML writes it in one line: `{cpu: 100m, memory: 128Mi}`.
fn flow(value: &Value) -> String {
    match value {
        Value::Object(map) => {
            format!("{{{}}}", map.iter().map(|(key, value)| format!("{key}: {}", flow(value))).collect::<Vec<_>>().join(", "))
        }
        Value::Array(items) => format!("[{}]", items.iter().map(flow).collect::<Vec<_>>().join(", ")),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn origin_text(origin: &Origin) -> String {
    match origin.layer {
        Layer::Loaded => format!("plugin {} {}", origin.plugin, origin.version),
        Layer::BuiltIn => format!("built-in {} {}", origin.plugin, origin.version),
        Layer::Generic => "generic default".to_owned(),
    }
}

fn read_items(path: &Path) -> Result<Vec<AggregatedStatusItem>, Failure> {
    let documents = crate::input::parse_documents(&crate::input::read_text(path)?)
        .map_err(|error| bad_input(format!("`{}` is neither YAML nor JSON: {error}", path.display())))?;
    let items = documents.into_iter().flat_map(|document| match document {
        Value::Array(items) => items,
        Value::Null => Vec::new(),
        item => vec![item],
    });
    let read = |item| {
        AggregatedStatusItem::deserialize(item)
            .map_err(|error| bad_input(format!("`{}` is no list of AggregatedStatusItem: {error}", path.display())))
    };
    items.map(read).collect()
}
