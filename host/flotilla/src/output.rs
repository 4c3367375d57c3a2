//! How answers are printed: `-o table|json|yaml|name`, colour only where a person looks, and the log.

use crate::exit::{Failure, bad_input};
use comfy_table::{ContentArrangement, Table, presets};
use serde::Serialize;
use std::io::{IsTerminal, Write};
use tracing_subscriber::EnvFilter;

/// Form of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum, Default)]
pub enum Output {
    /// Text for people
    #[default]
    Table,
    /// One JSON document
    Json,
    /// One YAML document
    Yaml,
    /// Names only, one a line
    Name,
}

/// Form of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum, Default)]
pub enum LogFormat {
    /// Lines for people
    #[default]
    Text,
    /// One JSON object a line
    Json,
}

/// When to colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum, Default)]
pub enum Color {
    /// On a terminal, unless NO_COLOR is set
    #[default]
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

impl Color {
    /// Whether to colour what goes to standard error.
    pub fn is_on(self) -> bool {
        match self {
            Self::Auto => std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()),
            Self::Always => true,
            Self::Never => false,
        }
    }
}

/// Flags of every command.
#[derive(Debug, clap::Args)]
pub struct LogOptions {
    /// Form of the log on standard error
    #[arg(long, global = true, value_enum, default_value_t, hide_possible_values = false)]
    log_format: LogFormat,
    /// What is logged: `warn`, `info`, `debug`, or per module as in `flotilla_controllers=debug,warn`
    #[arg(long, global = true, env = "FLOTILLA_LOG", default_value = "info,kube=warn,hyper=warn,tower=warn")]
    log: String,
    /// When to use colour
    #[arg(long, global = true, value_enum, default_value_t)]
    color: Color,
}

impl LogOptions {
    /// Starts the log of the process.
    pub fn start(&self) {
        let filter = EnvFilter::try_new(&self.log).unwrap_or_else(|_| EnvFilter::new("info"));
        let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(self.color.is_on());
        match self.log_format {
            LogFormat::Text => builder.with_target(false).init(),
            LogFormat::Json => builder.json().flatten_event(true).init(),
        }
    }
}

/// Prints a line to standard output; a reader that has gone away is no error.
pub fn print_line(text: impl std::fmt::Display) {
    // Errors of standard output are a closed pipe: the reader has seen what it wanted.
    let _ = writeln!(std::io::stdout(), "{text}");
}

/// Prints a value as JSON or YAML.
pub fn print_value(value: &impl Serialize, output: Output) -> Result<(), Failure> {
    let text = match output {
        Output::Yaml => serde_saphyr::to_string(value).map_err(|error| bad_input(format!("cannot print as YAML: {error}")))?,
        _ => serde_json::to_string_pretty(value).map_err(|error| bad_input(format!("cannot print as JSON: {error}")))?,
    };
    print_line(text.trim_end());
    Ok(())
}

/// Text for people: columns without frames, as kubectl prints them.
pub fn table(header: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled).set_header(header.to_vec());
    for row in rows {
        table.add_row(row);
    }
    table.column_iter_mut().for_each(|column| {
        column.set_padding((0, 2));
    });
    table.to_string().lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
}
