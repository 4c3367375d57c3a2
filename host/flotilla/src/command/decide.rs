//! `flotilla decide`: one decision of the pipeline, with its reasons.

use crate::exit::{Code, Failure, bad_input};
use crate::input::{answer_lines, parse_documents, read_text};
use crate::output::{Output, print_line, print_value};
use serde_json::{Value, json};
use std::path::PathBuf;

/// Which arrow of the pipeline is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Decision {
    /// Which policy gets an object: `{"object", "policies", …}`
    Match,
    /// Which clusters a binding goes to: `{"binding", "clusters", …}`
    Schedule,
    /// What an object looks like in one cluster: `{"object", "cluster", "overridePolicies"}`
    Override,
}

/// Arguments of `decide`.
#[derive(Debug, clap::Args)]
pub struct Decide {
    /// The decision
    #[arg(value_enum)]
    decision: Decision,
    /// Question as YAML or JSON, `-` for standard input; repeatable
    #[arg(short, long = "filename", value_name = "FILE", required_unless_present = "batch", conflicts_with = "batch")]
    filenames: Vec<PathBuf>,
    /// Read questions from standard input and write answers, one JSON object a line
    #[arg(long)]
    batch: bool,
    /// Form of the answer
    #[arg(short, long, value_enum, default_value = "yaml")]
    output: Output,
}

impl Decide {
    /// Answers.
    pub fn run(self) -> Result<Code, Failure> {
        if self.batch {
            let all_read = answer_lines(|line| match serde_json::from_str::<Value>(line) {
                Ok(question) => (self.decision.answer(&question), true),
                Err(error) => (json!({"error": {"class": "BadRequest", "message": format!("the line is not JSON: {error}")}}), false),
            })?;
            return Ok(if all_read { Code::Done } else { Code::BadInput });
        }
        let mut code = Code::Done;
        for path in &self.filenames {
            let documents = parse_documents(&read_text(path)?)
                .map_err(|error| bad_input(format!("`{}` is neither YAML nor JSON: {error}", path.display())))?;
            for question in documents.iter().filter(|document| !document.is_null()) {
                let answer = self.decision.answer(question);
                if answer.get("error").is_some() {
                    code = Code::Negative;
                }
                match self.output {
                    Output::Json => print_value(&answer, Output::Json)?,
                    _ => print_value(&answer, Output::Yaml)?,
                }
                if self.output == Output::Yaml && documents.len() > 1 {
                    print_line("---");
                }
            }
        }
        Ok(code)
    }
}

impl Decision {
    fn answer(self, question: &Value) -> Value {
        match self {
            Self::Match => flotilla_core::matching::batch::answer(question),
            Self::Schedule => flotilla_core::scheduling::batch::answer(question),
            Self::Override => flotilla_core::overrides::batch::answer(question),
        }
    }
}
