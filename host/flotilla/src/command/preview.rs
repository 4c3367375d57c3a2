//! `flotilla preview`: what would be bound, scheduled, overridden and sent, offline.

use crate::exit::{Code, Failure, bad_input};
use crate::input::{answer_lines, read_objects};
use crate::output::{Output, print_line, print_value, table};
use crate::plugins::PluginOptions;
use flotilla_api::object::Object;
use flotilla_core::preview;
use serde_json::{Value, json};
use std::path::PathBuf;

/// Arguments of `preview`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: flotilla preview -f deploy/demo/shop/ --clusters member1,member2")]
pub struct Preview {
    /// Templates, policies, Clusters and existing bindings: files or folders, `-` for standard input; repeatable
    #[arg(short, long = "filename", value_name = "PATH", required_unless_present = "batch", conflicts_with = "batch")]
    filenames: Vec<PathBuf>,
    /// Clusters to assume where no Cluster object is given: ready, without taints, serving every kind of the input
    #[arg(long, value_name = "NAME,…", value_delimiter = ',')]
    clusters: Vec<String>,
    /// Read one Kubernetes List a line from standard input, write one answer a line
    #[arg(long)]
    batch: bool,
    /// Form of the answer
    #[arg(short, long, value_enum, default_value_t)]
    output: Output,
    #[command(flatten)]
    plugins: PluginOptions,
}

impl Preview {
    /// Previews.
    pub fn run(self) -> Result<Code, Failure> {
        let chain = self.plugins.chain()?;
        if self.batch {
            let all_read = answer_lines(|line| match serde_json::from_str::<Value>(line) {
                Ok(list) => (preview::answer(&self.with_clusters(list), &chain), true),
                Err(error) => (json!({"error": {"class": "BadRequest", "message": format!("the line is not JSON: {error}")}}), false),
            })?;
            return Ok(if all_read { Code::Done } else { Code::BadInput });
        }
        let objects = read_objects(&self.filenames)?;
        if self.clusters.is_empty() && !objects.iter().any(|object| object.kind() == "Cluster") {
            return Err(bad_input("there is no Cluster to preview for")
                .hint("add Cluster objects to the input, or name clusters with `--clusters member1,member2`"));
        }
        let list = json!({"apiVersion": "v1", "kind": "List", "items": objects});
        let answer = preview::answer(&self.with_clusters(list), &chain);
        self.print(&answer)?;
        Ok(if answer.get("error").is_some() { Code::Negative } else { Code::Done })
    }

    /// Adds the assumed clusters.
    fn with_clusters(&self, mut list: Value) -> Value {
        let Some(items) = list.get_mut("items").and_then(Value::as_array_mut) else { return list };
        let mut kinds: Vec<(String, String)> = items
            .iter()
            .map(|item| Object(item.clone()))
            .map(|object| (object.api_version().to_owned(), object.kind().to_owned()))
            .collect();
        kinds.sort();
        kinds.dedup();
        let enablements: Vec<Value> = kinds.iter().map(|(api_version, kind)| json!({"groupVersion": api_version, "resources": [{"name": format!("{}s", kind.to_lowercase()), "kind": kind}]})).collect();
        for name in &self.clusters {
            items.push(json!({
                "apiVersion": "cluster.karmada.io/v1alpha1", "kind": "Cluster", "metadata": {"name": name}, "spec": {"syncMode": "Push"},
                "status": {
                    "apiEnablements": enablements,
                    "conditions": [
                        {"type": "Ready", "status": "True", "reason": "Assumed", "message": "", "lastTransitionTime": "1970-01-01T00:00:00Z"},
                        {"type": "CompleteAPIEnablements", "status": "True", "reason": "Assumed", "message": "", "lastTransitionTime": "1970-01-01T00:00:00Z"},
                    ],
                },
            }));
        }
        list
    }

    fn print(&self, answer: &Value) -> Result<(), Failure> {
        match self.output {
            Output::Table => {
                let text = |value: &Value| value.as_str().unwrap_or("–").to_owned();
                let reasons = answer["reasons"].as_array().into_iter().flatten();
                let rows = reasons.map(|reason| {
                    vec![
                        text(&reason["object"]),
                        text(&reason["stage"]),
                        text(&reason["cluster"]),
                        text(&reason["reason"]),
                        text(&reason["message"]),
                    ]
                });
                print_line(table(&["OBJECT", "STAGE", "CLUSTER", "REASON", "MESSAGE"], rows));
                let count = |field: &str| answer[field].as_array().map_or(0, Vec::len);
                eprintln!("{} bindings and {} Works would be written; `-o yaml` shows them", count("bindings"), count("works"));
            }
            Output::Name => {
                for field in ["bindings", "works"] {
                    for object in answer[field].as_array().into_iter().flatten() {
                        print_line(Object(object.clone()).display());
                    }
                }
            }
            output => print_value(answer, output)?,
        }
        Ok(())
    }
}
