//! A loaded plugin: who it is, which hooks it has, and how one hook is asked.
//!
//! Turns an object into the text that a hook declared to read, and the guest's words into a [`Given`]; knows nothing of other
//! plugins.

use crate::answers::{self, Given, Refused};
use crate::contract::types;
use crate::declare::Functions;
use crate::manifest::Scope;
use crate::memo::{Key, Memo, Question};
use crate::metrics::Counters;
use crate::projection::Fields;
use crate::runtime::{Callee, Done, Failure, Limits, Runtime};
use flotilla_api::interpretation::{ErrorClass, HookError, Operation, Origin};
use flotilla_api::object::{GroupVersionKind, Object};
use serde_json::Value;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What a hook said at load that it reads and writes, as JSON pointers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Declaration {
    /// Fields of the template, or of the member's object for `reflection` and `health`.
    pub reads: Vec<String>,
    /// Fields of the member's object for `retention`.
    pub observed: Vec<String>,
    /// Fields that may be changed.
    pub writes: Vec<String>,
}

/// One hook, ready to be called.
pub(crate) struct Hook {
    pub functions: Functions,
    pub declared: Declaration,
    pub reads: Fields,
    pub observed: Fields,
    pub writes: Fields,
}

/// A plugin that answers.
pub struct Plugin {
    pub(crate) callee: Callee,
    pub(crate) hooks: [Option<Hook>; 8],
    pub(crate) targets: Vec<GroupVersionKind>,
    pub(crate) sdk: String,
    pub(crate) priority: i32,
    pub(crate) scope: Scope,
    /// Digest of component and settings: the part of a memo key that is the same for all questions.
    pub(crate) seed: Key,
    pub(crate) counters: Counters,
    pub(crate) compiled_in: Duration,
}

/// What a hook is given beside the first object.
#[derive(Clone, Copy)]
pub(crate) enum Second<'a> {
    Nothing,
    Replicas(i64),
    Observed(&'a Value),
    /// One JSON array; none and `[]` are different.
    Items(Option<&'a str>),
}

/// How much of an object is handed over. [`Handing::Whole`] is for tests that look for reads that were not declared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Handing {
    /// What the hook declared.
    #[default]
    Declared,
    /// The whole object.
    Whole,
}

/// The arguments of one call as the guest sees them.
struct Arguments {
    first: String,
    second: Argument,
}

enum Argument {
    Nothing,
    Replicas(i64),
    Observed(String),
    Items(Option<String>),
}

/// What the answering function of a hook returns.
pub(crate) type Answered<T> = (Result<T, types::HookError>,);

impl Plugin {
    /// Who it is.
    pub fn origin(&self) -> &Arc<Origin> {
        &self.callee.origin
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.callee.origin.plugin
    }

    /// The kinds that it is for, after the manifest narrowed them.
    pub fn targets(&self) -> &[GroupVersionKind] {
        &self.targets
    }

    /// The SDK that it was written with; empty when it does not say.
    pub fn sdk(&self) -> &str {
        &self.sdk
    }

    /// Higher is asked first.
    pub fn priority(&self) -> i32 {
        self.priority
    }

    /// What a call may use.
    pub fn limits(&self) -> Limits {
        self.callee.limits
    }

    /// The operations that it answers.
    pub fn operations(&self) -> impl Iterator<Item = Operation> + '_ {
        Operation::ALL.into_iter().filter(|operation| self.answers(*operation))
    }

    /// Whether it answers an operation.
    pub fn answers(&self, operation: Operation) -> bool {
        self.hooks[operation as usize].is_some()
    }

    /// What a hook reads and writes.
    pub fn declaration(&self, operation: Operation) -> Option<&Declaration> {
        self.hooks[operation as usize].as_ref().map(|hook| &hook.declared)
    }

    /// What was counted since it was loaded.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// How long it took to compile, or to get the compiled form from the cache.
    pub fn compiled_in(&self) -> Duration {
        self.compiled_in
    }

    /// Asks a hook that the plugin has.
    pub(crate) fn ask(
        &self,
        runtime: &Runtime,
        memo: &Memo,
        handing: Handing,
        operation: Operation,
        object: &Object,
        second: Second<'_>,
    ) -> Result<Arc<Given>, HookError> {
        let hook = self.hooks[operation as usize].as_ref().expect("the chain asks plugins that have the hook");
        let arguments = Arguments::hand_over(hook, handing, object, second);
        let key = arguments.key(&self.seed, operation);
        let given = match memo.get(&key) {
            Some(given) => {
                self.counters.remembered(operation);
                given
            }
            None => {
                let (given, keep) =
                    self.call(runtime, operation, hook, &arguments).map_err(|refused| self.error(operation, object, refused))?;
                let given = Arc::new(given);
                if keep {
                    memo.put(key, Arc::clone(&given));
                }
                given
            }
        };
        match &*given {
            Given::Invalid(why) => Err(self.error(operation, object, Refused { class: ErrorClass::InvalidObject, detail: why.clone() })),
            _ => Ok(given),
        }
    }

    /// The error of this plugin for the user.
    pub(crate) fn error(&self, operation: Operation, object: &Object, refused: Refused) -> HookError {
        let (plugin, hook, Refused { class, detail }) = (self.name(), operation.hook(), refused);
        let message = match class {
            ErrorClass::InvalidObject => format!("plugin `{plugin}` rejects {}: {detail}", object.display()),
            ErrorClass::PluginFailed => format!("plugin `{plugin}` failed in `{hook}`: {detail}"),
            ErrorClass::BadOutput | ErrorClass::UndeclaredWrite => format!("plugin `{plugin}` gave a bad answer in `{hook}`: {detail}"),
            _ => format!("plugin `{plugin}` {detail} in `{hook}`"),
        };
        HookError { class, plugin: Some(Arc::clone(self.origin())), operation, message }
    }

    /// Calls the guest, counts the call, and says whether the answer may be kept.
    fn call(&self, runtime: &Runtime, operation: Operation, hook: &Hook, arguments: &Arguments) -> Result<(Given, bool), Refused> {
        let begin = Instant::now();
        let answer = self.enter(runtime, operation, hook, arguments);
        let took = begin.elapsed();
        let (result, memory) = match &answer {
            Ok(Done { answer: Ok(Given::Invalid(_)), memory, .. }) => (Some(ErrorClass::InvalidObject), *memory),
            Ok(Done { answer: Ok(_), memory, .. }) => (None, *memory),
            Ok(Done { answer: Err(refused), memory, .. }) => (Some(refused.class), *memory),
            Err(failure) => (Some(failure.class), 0),
        };
        self.counters.called(operation, result, took, memory);
        let done = answer?;
        Ok((done.answer?, !done.asked_now))
    }

    fn enter(
        &self,
        runtime: &Runtime,
        operation: Operation,
        hook: &Hook,
        arguments: &Arguments,
    ) -> Result<Done<Result<Given, Refused>>, Failure> {
        let (callee, function) = (&self.callee, &hook.functions.answer);
        let first = arguments.first.as_str();
        match (operation, &arguments.second) {
            (Operation::InterpretReplica, _) => {
                let done = runtime.call::<_, Answered<types::Demand>>(callee, operation, function, (first,))?;
                Ok(done.map(|(answer,)| answers::answered(answer, answers::demand)))
            }
            (Operation::InterpretComponent, _) => {
                let done = runtime.call::<_, Answered<Vec<types::Component>>>(callee, operation, function, (first,))?;
                Ok(done.map(|(answer,)| answers::answered(answer, answers::components)))
            }
            (Operation::InterpretStatus, _) => {
                let done = runtime.call::<_, Answered<Option<String>>>(callee, operation, function, (first,))?;
                Ok(done.map(|(answer,)| answers::answered(answer, answers::status)))
            }
            (Operation::InterpretHealth, _) => {
                let done = runtime.call::<_, Answered<types::Verdict>>(callee, operation, function, (first,))?;
                Ok(done.map(|(answer,)| answers::answered(answer, answers::health)))
            }
            (Operation::InterpretDependency, _) => {
                let done = runtime.call::<_, Answered<Vec<types::Dependency>>>(callee, operation, function, (first,))?;
                Ok(done.map(|(answer,)| answers::answered(answer, answers::dependencies)))
            }
            (Operation::ReviseReplica | Operation::Retain | Operation::AggregateStatus, second) => {
                let done = match second {
                    Argument::Nothing => unreachable!("operations that change an object have a second argument"),
                    Argument::Replicas(count) => self.change(runtime, operation, hook, (first, *count))?,
                    Argument::Observed(observed) => self.change(runtime, operation, hook, (first, observed.as_str()))?,
                    Argument::Items(items) => self.change(runtime, operation, hook, (first, items.as_deref()))?,
                };
                Ok(done.map(|(answer,)| answers::answered(answer, |changes| answers::changes(changes, &hook.writes))))
            }
        }
    }

    fn change<P>(
        &self,
        runtime: &Runtime,
        operation: Operation,
        hook: &Hook,
        parameters: P,
    ) -> Result<Done<Answered<Vec<types::Change>>>, Failure>
    where
        P: wasmtime::component::ComponentNamedList + wasmtime::component::Lower,
    {
        runtime.call(&self.callee, operation, &hook.functions.answer, parameters)
    }
}

impl Arguments {
    fn hand_over(hook: &Hook, handing: Handing, object: &Value, second: Second<'_>) -> Self {
        let cut = |fields: &Fields, value: &Value| match handing {
            Handing::Declared => fields.project(value),
            Handing::Whole => value.to_string(),
        };
        let first = cut(&hook.reads, object);
        let second = match second {
            Second::Nothing => Argument::Nothing,
            Second::Replicas(count) => Argument::Replicas(count),
            Second::Observed(observed) => Argument::Observed(cut(&hook.observed, observed)),
            Second::Items(items) => Argument::Items(items.map(str::to_owned)),
        };
        Self { first, second }
    }

    fn key(&self, seed: &Key, operation: Operation) -> Key {
        let question = Question::new(seed, operation as u8).part(&self.first);
        match &self.second {
            Argument::Nothing => question,
            Argument::Replicas(count) => question.number(*count),
            Argument::Observed(observed) => question.part(observed),
            Argument::Items(items) => question.optional_part(items.as_deref()),
        }
        .key()
    }
}

impl<R> Done<R> {
    fn map<T>(self, read: impl FnOnce(R) -> T) -> Done<T> {
        Done { answer: read(self.answer), asked_now: self.asked_now, memory: self.memory, log: self.log }
    }
}

impl From<Failure> for Refused {
    fn from(failure: Failure) -> Self {
        Self { class: failure.class, detail: failure.detail }
    }
}
