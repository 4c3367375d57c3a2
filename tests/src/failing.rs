//! Built-in plugins of which single hooks can be made to fail, for single objects.

use flotilla_api::interpretation::{Answer, Asked, Demand, ErrorClass, Health, HookError, Interpreter, Layer, Operation, Origin};
use flotilla_api::object::Object;
use flotilla_api::work::{AggregatedStatusItem, Component, DependentObjectReference};
use flotilla_interpreter::Chain;
use serde_json::Value;
use std::sync::{Arc, Mutex};

/// Asks the chain, unless told to fail.
pub struct Failing {
    chain: Chain,
    failures: Mutex<Vec<(String, Operation, ErrorClass)>>,
}

impl Failing {
    /// Fails at nothing.
    pub fn new(chain: Chain) -> Self {
        Self { chain, failures: Mutex::default() }
    }

    /// From now on this hook fails for objects of this name.
    pub fn fail(&self, name: &str, operation: Operation, class: ErrorClass) {
        self.failures.lock().expect("no test panics while it holds this").push((name.to_owned(), operation, class));
    }

    /// Nothing fails any more.
    pub fn mend(&self) {
        self.failures.lock().expect("no test panics while it holds this").clear();
    }

    fn check(&self, object: &Object, operation: Operation) -> Result<(), HookError> {
        let failures = self.failures.lock().expect("no test panics while it holds this");
        let failure = failures.iter().find(|(name, fails, _)| name == object.name() && *fails == operation);
        failure.map_or(Ok(()), |(_, operation, class)| {
            let origin = Origin { layer: Layer::BuiltIn, plugin: "broken".into(), version: "1.0.0".into(), digest: String::new() };
            let message = format!("plugin `broken` failed in `{}`: {class}", operation.hook());
            Err(HookError { class: *class, plugin: Some(Arc::new(origin)), operation: *operation, message })
        })
    }
}

impl Interpreter for Failing {
    fn is_supported(&self, object: &Object, operation: Operation) -> Result<bool, HookError> {
        self.chain.is_supported(object, operation)
    }
    fn replicas(&self, template: &Object) -> Asked<Demand> {
        self.check(template, Operation::InterpretReplica)?;
        self.chain.replicas(template)
    }
    fn components(&self, template: &Object) -> Asked<Vec<Component>> {
        self.check(template, Operation::InterpretComponent)?;
        self.chain.components(template)
    }
    fn revise(&self, template: &Object, replicas: i64) -> Asked<Object> {
        self.check(template, Operation::ReviseReplica)?;
        self.chain.revise(template, replicas)
    }
    fn retain(&self, desired: &Object, observed: &Object) -> Asked<Object> {
        self.check(desired, Operation::Retain)?;
        self.chain.retain(desired, observed)
    }
    fn reflect(&self, observed: &Object) -> Result<Option<Answer<Option<Value>>>, HookError> {
        self.check(observed, Operation::InterpretStatus)?;
        self.chain.reflect(observed)
    }
    fn aggregate(&self, template: &Object, items: Option<&[AggregatedStatusItem]>) -> Asked<Object> {
        self.check(template, Operation::AggregateStatus)?;
        self.chain.aggregate(template, items)
    }
    fn health(&self, observed: &Object) -> Asked<Health> {
        self.check(observed, Operation::InterpretHealth)?;
        self.chain.health(observed)
    }
    fn dependencies(&self, template: &Object) -> Asked<Vec<DependentObjectReference>> {
        self.check(template, Operation::InterpretDependency)?;
        self.chain.dependencies(template)
    }
}
