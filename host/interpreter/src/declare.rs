//! Asks each hook once what it reads and writes, and refuses a declaration that cannot be meant.

use crate::contract::{self, types};
use crate::load_error::{LoadError, LoadReason};
use crate::memo::Key;
use crate::metrics::Counters;
use crate::plugin::{Answered, Declaration, Hook, Plugin};
use crate::pointer::Pointer;
use crate::projection::Fields;
use crate::runtime::{Callee, Failure, Limits, LogLine, Runtime};
use flotilla_api::interpretation::{ErrorClass, Operation};
use serde_json::Value;
use sha2::{Digest, Sha256};
use wasmtime::component::ComponentExportIndex;

/// Most fields that a hook may declare.
const DECLARED_FIELDS: usize = 4096;

/// The two functions of a hook.
#[derive(Clone, Copy)]
pub(crate) struct Functions {
    pub operation: Operation,
    pub declare: ComponentExportIndex,
    pub answer: ComponentExportIndex,
}

impl Plugin {
    /// The same plugin with other settings or limits; its hooks declare anew.
    pub(crate) fn with(&self, runtime: &Runtime, settings: Option<&Value>, limits: Option<Limits>) -> Result<Self, LoadError> {
        let settings = settings.map_or_else(|| self.callee.settings.to_string(), Value::to_string);
        let limits = limits.unwrap_or(self.callee.limits);
        let callee = Callee { settings: settings.as_str().into(), limits, ..self.callee.clone() };
        let functions: Vec<Functions> = self.hooks.iter().flatten().map(|hook| hook.functions).collect();
        Ok(Self {
            hooks: hooks(runtime, &callee, &functions)?,
            seed: seed(&self.callee.origin.digest, &settings),
            callee,
            targets: self.targets.clone(),
            sdk: self.sdk.clone(),
            priority: self.priority,
            scope: self.scope.clone(),
            counters: Counters::default(),
            compiled_in: self.compiled_in,
        })
    }
}

/// The part of a memo key that all questions to a plugin share.
pub(crate) fn seed(digest: &str, settings: &str) -> Key {
    Sha256::new().chain_update(digest).chain_update([0]).chain_update(settings).finalize().into()
}

/// The hooks of a component, each with what it declared.
pub(crate) fn hooks(runtime: &Runtime, callee: &Callee, functions: &[Functions]) -> Result<[Option<Hook>; 8], LoadError> {
    let mut hooks = [const { None }; 8];
    for functions in functions {
        let declared = ask(runtime, callee, functions)?;
        check_type(runtime, callee, functions)?;
        hooks[functions.operation as usize] = Some(hook(*functions, declared)?);
    }
    Ok(hooks)
}

/// Refuses a function that is not of the contract's type, before it is first called.
fn check_type(runtime: &Runtime, callee: &Callee, functions: &Functions) -> Result<(), LoadError> {
    type Text<'a> = (&'a str,);
    type Change = Answered<Vec<types::Change>>;
    let (operation, answer) = (functions.operation, &functions.answer);
    match operation {
        Operation::InterpretReplica => runtime.check::<Text<'_>, Answered<types::Demand>>(callee, operation, answer),
        Operation::InterpretComponent => runtime.check::<Text<'_>, Answered<Vec<types::Component>>>(callee, operation, answer),
        Operation::ReviseReplica => runtime.check::<(&str, i64), Change>(callee, operation, answer),
        Operation::Retain => runtime.check::<(&str, &str), Change>(callee, operation, answer),
        Operation::InterpretStatus => runtime.check::<Text<'_>, Answered<Option<String>>>(callee, operation, answer),
        Operation::AggregateStatus => runtime.check::<(&str, Option<&str>), Change>(callee, operation, answer),
        Operation::InterpretHealth => runtime.check::<Text<'_>, Answered<types::Verdict>>(callee, operation, answer),
        Operation::InterpretDependency => runtime.check::<Text<'_>, Answered<Vec<types::Dependency>>>(callee, operation, answer),
    }
    .map_err(|why| {
        let (hook, function) = (operation.hook(), contract::function(operation));
        LoadError::new(LoadReason::DeclareFailed, format!("`{function}` of hook `{hook}` is not of the contract's type: {why}; rebuild it"))
    })
}

/// Asks one hook. A component that fails with its settings but not without them has bad settings.
fn ask(runtime: &Runtime, callee: &Callee, functions: &Functions) -> Result<Declaration, LoadError> {
    let call = |callee: &Callee| runtime.call::<(), (types::Declaration,)>(callee, functions.operation, &functions.declare, ());
    match call(callee) {
        Ok(done) => {
            let types::Declaration { reads, observed, writes } = done.answer.0;
            Ok(Declaration { reads, observed, writes })
        }
        Err(failure) => {
            let without = Callee { settings: "{}".into(), ..callee.clone() };
            let bad_settings = *callee.settings != *"{}" && call(&without).is_ok();
            Err(failed(functions.operation, &failure, bad_settings))
        }
    }
}

fn failed(operation: Operation, failure: &Failure, bad_settings: bool) -> LoadError {
    let (hook, said) = (operation.hook(), last_words(&failure.log));
    let detail = match failure.class {
        ErrorClass::BadOutput => format!("gave a bad answer: {}", failure.detail),
        _ => failure.detail.clone(),
    };
    match bad_settings {
        true => LoadError::new(
            LoadReason::BadSettings,
            format!("hook `{hook}` does not accept the settings, it {detail}{said}; correct `settings`"),
        ),
        false => LoadError::new(LoadReason::DeclareFailed, format!("`declare` of hook `{hook}` {detail}{said}; mend the plugin")),
    }
}

/// What a plugin logged at `error` level last.
fn last_words(log: &[LogLine]) -> String {
    let said = log.iter().rev().find(|line| line.level == "error");
    said.map_or_else(String::new, |line| format!(", saying `{}`", line.text))
}

/// Compiles a declaration and refuses one that cannot be meant.
fn hook(functions: Functions, declared: Declaration) -> Result<Hook, LoadError> {
    let (operation, name) = (functions.operation, functions.operation.hook());
    let wrong = |why: String| LoadError::new(LoadReason::DeclareFailed, format!("`declare` of hook `{name}`: {why}; mend the plugin"));
    let compile = |fields: &[String]| -> Result<(Fields, Vec<Pointer>), LoadError> {
        if fields.len() > DECLARED_FIELDS {
            return Err(wrong(format!("{} fields are too many, {DECLARED_FIELDS} are allowed", fields.len())));
        }
        let pointers =
            fields.iter().map(|field| Pointer::parse(field)).collect::<Result<Vec<_>, _>>().map_err(|why| wrong(why.to_string()))?;
        Ok((Fields::compile(&pointers), pointers))
    };
    let ((reads, _), (observed, _), (writes, written)) =
        (compile(&declared.reads)?, compile(&declared.observed)?, compile(&declared.writes)?);
    if operation != Operation::Retain && !observed.is_empty() {
        return Err(wrong("`observed` is for `retention` only".to_owned()));
    }
    match operation {
        Operation::ReviseReplica | Operation::Retain => {}
        Operation::AggregateStatus => {
            if let Some(field) = written.iter().find(|field| field.segments().next() != Some("status")) {
                return Err(wrong(format!("`writes` has `{field}`, an aggregation may change `/status` only")));
            }
        }
        _ if !writes.is_empty() => return Err(wrong("`writes` is for hooks that change an object".to_owned())),
        _ => {}
    }
    Ok(Hook { functions, declared, reads, observed, writes })
}
