//! `flotilla plugin inspect`: what a plugin is and what it may do, also when this host would not load it.

use super::{fits, kib, open};
use crate::exit::{Code, Failure, bad_input};
use crate::output::{Output, print_line, print_value};
use crate::plugins::{Progress, refused, runtime};
use flotilla_api::interpretation::{Layer, Operation};
use flotilla_interpreter::manifest::Manifest;
use flotilla_interpreter::package::Package;
use flotilla_interpreter::{CONTRACT, LoadError, Plugin};
use serde::Serialize;
use std::path::PathBuf;

/// What every plugin imports and what grants nothing.
const TYPES: &str = "flotilla:interpreter/types@";
/// Longest line of fields, in characters.
const WIDTH: usize = 90;

/// Arguments of `plugin inspect`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: flotilla plugin inspect my-plugin.wasm")]
pub struct Inspect {
    /// A component, plain or packed with zstd, or a ConfigMap in YAML or JSON
    file: PathBuf,
    /// Print the component's world in WIT instead
    #[arg(long)]
    wit: bool,
    /// Form of the answer
    #[arg(short, long, value_enum, default_value_t)]
    output: Output,
}

/// All that can be said of a plugin.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Sheet {
    name: String,
    version: String,
    sdk: String,
    digest: String,
    /// Bytes.
    size: usize,
    /// Bytes.
    compressed_size: usize,
    targets: Vec<String>,
    hooks: Vec<Hook>,
    imports: Vec<String>,
    /// Imports that the host satisfies with stand-ins that do nothing.
    ignored: Vec<String>,
    /// The contract of this host.
    contract: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    refused: Option<Refusal>,
}

#[derive(Serialize)]
struct Hook {
    hook: &'static str,
    operation: Operation,
    reads: Vec<String>,
    observed: Vec<String>,
    writes: Vec<String>,
}

/// Why this host does not load it.
#[derive(Serialize)]
struct Refusal {
    reason: String,
    message: String,
}

impl Inspect {
    /// Looks.
    pub fn run(self) -> Result<Code, Failure> {
        let name = format!("`{}`", self.file.display());
        let (package, manifest) = open(&self.file)?.map_err(|error| refused(&name, &error))?;
        if self.wit {
            print_line(wit(package.component()).map_err(|why| bad_input(format!("{name} has no readable world: {why}")))?.trim_end());
            return Ok(Code::Done);
        }
        let sheet = Sheet::of(&package, &manifest).map_err(|error| refused(&name, &error))?;
        match self.output {
            Output::Table => sheet.print(),
            Output::Name => print_line(&sheet.name),
            output => print_value(&sheet, output)?,
        }
        Ok(if sheet.refused.is_none() { Code::Done } else { Code::Negative })
    }
}

fn wit(component: &[u8]) -> Result<String, String> {
    let decoded = wit_component::decode(component).map_err(|why| format!("{why:#}"))?;
    let mut printer = wit_component::WitPrinter::default();
    printer.print(decoded.resolve(), decoded.package(), &[]).map_err(|why| format!("{why:#}"))?;
    Ok(printer.output.to_string())
}

impl Sheet {
    fn of(package: &Package, manifest: &Manifest) -> Result<Self, LoadError> {
        let (identity, imports) = (package.identity()?, package.imports()?);
        let imports = imports.into_iter().filter(|import| !import.starts_with(TYPES));
        let (ignored, imports) = imports.partition(|import| import.starts_with("wasi:"));
        let mut sheet = Self {
            name: identity.as_ref().map(|identity| identity.name.clone()).or_else(|| manifest.name.clone()).unwrap_or_default(),
            version: identity.as_ref().map(|identity| identity.version.clone()).or_else(|| manifest.version.clone()).unwrap_or_default(),
            sdk: identity.as_ref().map(|identity| identity.sdk.clone()).unwrap_or_default(),
            digest: package.digest().to_owned(),
            size: package.size(),
            compressed_size: package.pack()?.len(),
            targets: identity.map(|identity| identity.targets).unwrap_or_default(),
            hooks: Vec::new(),
            imports,
            ignored,
            contract: CONTRACT,
            refused: None,
        };
        match load(package, manifest) {
            Ok(plugin) => {
                sheet.targets = plugin.targets().iter().map(ToString::to_string).collect();
                sheet.hooks = plugin.operations().map(|operation| hook(&plugin, operation)).collect();
            }
            Err(why) => sheet.refused = Some(why),
        }
        Ok(sheet)
    }

    fn print(&self) {
        let or_dash = |text: &str| if text.is_empty() { "–".to_owned() } else { text.to_owned() };
        print_line(format!("name      {} {}", or_dash(&self.name), self.version));
        print_line(format!("sdk       {}", or_dash(&self.sdk)));
        print_line(format!("digest    {}", self.digest));
        print_line(format!("size      {} ({} compressed, {})", kib(self.size), kib(self.compressed_size), fits(self.compressed_size)));
        print_list("targets", &self.targets);
        let hooks: Vec<String> = self.hooks.iter().flat_map(Hook::lines).collect();
        print_list("hooks", &hooks);
        print_list("imports", &self.imports);
        if !self.ignored.is_empty() {
            let ignored: Vec<String> = self.ignored.iter().map(|import| format!("{import} (empty stand-in)")).collect();
            print_list("ignored", &ignored);
        }
        match &self.refused {
            None => print_line(format!("this host loads it (contract {CONTRACT}; so does any later 1.x)")),
            Some(why) => print_line(format!("this host refuses it: {}: {}", why.reason, why.message)),
        }
    }
}

impl Hook {
    /// The hook and its fields: as many lines as they need.
    fn lines(&self) -> Vec<String> {
        let lists = [("reads", &self.reads), ("observed", &self.observed), ("writes", &self.writes)];
        let mut lines: Vec<String> = lists.into_iter().flat_map(|(word, fields)| fields_lines(word, fields)).collect();
        if lines.is_empty() {
            lines.push("reads nothing".to_owned());
        }
        lines.iter().enumerate().map(|(index, line)| format!("{:<13} {line}", if index == 0 { self.hook } else { "" })).collect()
    }
}

fn fields_lines(word: &str, fields: &[String]) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for field in fields {
        let field = shown(field);
        match lines.last_mut() {
            Some(line) if line.chars().count() + field.chars().count() < WIDTH => *line = format!("{line} {field}"),
            Some(_) => lines.push(format!("{:<9}{field}", "")),
            None => lines.push(format!("{word:<9}{field}")),
        }
    }
    lines
}

/// A pointer for people; one that ends in `/` reads nothing below: the field is there or not, that is all.
fn shown(field: &str) -> String {
    match field.strip_suffix('/') {
        _ if field.is_empty() => "(everything)".to_owned(),
        Some(field) => format!("{field} (type only)"),
        None => field.to_owned(),
    }
}

fn print_list(word: &str, lines: &[String]) {
    if lines.is_empty() {
        print_line(format!("{word:<9} –"));
    }
    for (index, line) in lines.iter().enumerate() {
        print_line(format!("{:<9} {line}", if index == 0 { word } else { "" }));
    }
}

fn load(package: &Package, manifest: &Manifest) -> Result<Plugin, Refusal> {
    let _progress = Progress::start("loading it once");
    let runtime = runtime().map_err(|failure| Refusal { reason: "NoRuntime".to_owned(), message: failure.message })?;
    package.load(&runtime, Layer::Loaded, manifest).map_err(|error| Refusal { reason: error.reason.to_string(), message: error.message })
}

fn hook(plugin: &Plugin, operation: Operation) -> Hook {
    let declared = plugin.declaration(operation).cloned().unwrap_or_default();
    Hook { hook: operation.hook(), operation, reads: declared.reads, observed: declared.observed, writes: declared.writes }
}
