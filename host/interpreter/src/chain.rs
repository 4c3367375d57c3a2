//! The eight questions, put to whoever answers them: from what a guest said to what the pipeline needs.
//!
//! The host's own share is done here: pod templates are worked out, changes applied, dependencies sorted. Nothing is remembered
//! here that depends on more than the guest was shown.

use crate::answers::{Dependency, Given, GivenComponent, Needs, Refused};
use crate::changes::Change;
use crate::kube_functions;
use crate::layers::{Chain, Responder};
use crate::plugin::{Plugin, Second};
use crate::pointer::Pointer;
use flotilla_api::interpretation::{Answer, Asked, Demand, ErrorClass, Health, HookError, Interpreter, Operation};
use flotilla_api::object::Object;
use flotilla_api::work::{AggregatedStatusItem, Component, ComponentReplicaRequirements, DependentObjectReference, ReplicaRequirements};
use serde_json::Value;
use std::sync::Arc;

/// What a hook wants to change, to be applied by whoever owns the object.
pub struct Changes {
    plugin: Arc<Plugin>,
    operation: Operation,
    given: Arc<Given>,
}

impl Changes {
    /// Makes the changes; on an error the object may hold some of them.
    pub fn apply(&self, object: &mut Object) -> Result<(), HookError> {
        let Given::Changes(changes) = &*self.given else { unreachable!("made from changes only") };
        changes
            .iter()
            .try_for_each(|change: &Change| change.apply(&mut object.0))
            .map_err(|wrong| self.plugin.error(self.operation, object, wrong.into()))?;
        if object.0.is_object() {
            return Ok(());
        }
        let detail = "the changes leave no object".to_owned();
        Err(self.plugin.error(self.operation, object, Refused { class: ErrorClass::BadOutput, detail }))
    }

    /// Whether nothing changes.
    pub fn is_empty(&self) -> bool {
        matches!(&*self.given, Given::Changes(changes) if changes.is_empty())
    }
}

/// A guest's answer with the plugin that gave it.
struct Told {
    plugin: Arc<Plugin>,
    given: Arc<Given>,
}

impl Chain {
    /// ReviseReplica, as changes that the owner of the template applies in place.
    pub fn revise_changes(&self, template: &Object, replicas: i64) -> Asked<Changes> {
        self.changes(Operation::ReviseReplica, template, Second::Replicas(replicas))
    }

    /// Retain, as changes that the owner of the desired object applies in place.
    pub fn retain_changes(&self, desired: &Object, observed: &Object) -> Asked<Changes> {
        self.changes(Operation::Retain, desired, Second::Observed(observed))
    }

    /// AggregateStatus, as changes that the owner of the template applies in place.
    pub fn aggregate_changes(&self, template: &Object, items: Option<&[AggregatedStatusItem]>) -> Asked<Changes> {
        if !self.is_supported(template, Operation::AggregateStatus)? {
            return Ok(None);
        }
        let items = items.map(|items| serde_json::to_string(items).expect("status items are plain JSON"));
        self.changes(Operation::AggregateStatus, template, Second::Items(items.as_deref()))
    }

    fn changes(&self, operation: Operation, object: &Object, second: Second<'_>) -> Asked<Changes> {
        let told = self.tell(operation, object, second)?;
        Ok(told.map(|Told { plugin, given }| {
            let by = Arc::clone(plugin.origin());
            Answer { value: Changes { plugin, operation, given }, by }
        }))
    }

    fn changed(&self, object: &Object, changes: Asked<Changes>) -> Asked<Object> {
        changes?
            .map(|Answer { value: changes, by }| {
                let mut changed = object.clone();
                changes.apply(&mut changed)?;
                Ok(Answer { value: changed, by })
            })
            .transpose()
    }

    /// Asks whichever plugin answers; `None` when none does.
    fn tell(&self, operation: Operation, object: &Object, second: Second<'_>) -> Result<Option<Told>, HookError> {
        let Responder::Plugin(plugin) = self.responder(object, operation)? else { return Ok(None) };
        let given = plugin.ask(&self.runtime, &self.memo, self.handing, operation, object, second)?;
        Ok(Some(Told { plugin, given }))
    }

    /// Asks, and adds the host's share to the answer.
    fn ask<T>(&self, operation: Operation, object: &Object, read: impl FnOnce(&Given) -> Result<T, Refused>) -> Asked<T> {
        let Some(Told { plugin, given }) = self.tell(operation, object, Second::Nothing)? else { return Ok(None) };
        let value = read(&given).map_err(|refused| plugin.error(operation, object, refused))?;
        Ok(Some(Answer { value, by: Arc::clone(plugin.origin()) }))
    }
}

impl Interpreter for Chain {
    fn is_supported(&self, object: &Object, operation: Operation) -> Result<bool, HookError> {
        Ok(!matches!(self.responder(object, operation)?, Responder::Nobody))
    }

    fn replicas(&self, template: &Object) -> Asked<Demand> {
        self.ask(Operation::InterpretReplica, template, |given| match given {
            Given::Demand { replicas, needs } => Ok(Demand { replicas: *replicas, requirements: requirements(needs, template)? }),
            _ => unreachable!("`replicas` gives a demand"),
        })
    }

    fn components(&self, template: &Object) -> Asked<Vec<Component>> {
        self.ask(Operation::InterpretComponent, template, |given| match given {
            Given::Components(given) => given.iter().map(|given| component(given, template)).collect(),
            _ => unreachable!("`components` gives components"),
        })
    }

    fn revise(&self, template: &Object, replicas: i64) -> Asked<Object> {
        self.changed(template, self.revise_changes(template, replicas))
    }

    fn retain(&self, desired: &Object, observed: &Object) -> Asked<Object> {
        self.changed(desired, self.retain_changes(desired, observed))
    }

    fn reflect(&self, observed: &Object) -> Asked<Option<Value>> {
        if let Responder::Generic = self.responder(observed, Operation::InterpretStatus)? {
            return self.whole_status(observed);
        }
        self.ask(Operation::InterpretStatus, observed, |given| match given {
            Given::Status(status) => Ok(status.clone()),
            _ => unreachable!("`reflection` gives a status"),
        })
    }

    fn aggregate(&self, template: &Object, items: Option<&[AggregatedStatusItem]>) -> Asked<Object> {
        self.changed(template, self.aggregate_changes(template, items))
    }

    fn health(&self, observed: &Object) -> Asked<Health> {
        self.ask(Operation::InterpretHealth, observed, |given| match given {
            Given::Health(health) => Ok(health.clone()),
            _ => unreachable!("`health` gives a verdict"),
        })
    }

    fn dependencies(&self, template: &Object) -> Asked<Vec<DependentObjectReference>> {
        self.ask(Operation::InterpretDependency, template, |given| match given {
            Given::Dependencies(given) => dependencies(given, template),
            _ => unreachable!("`dependencies` gives dependencies"),
        })
    }
}

impl Chain {
    /// The generic default of InterpretStatus: the whole status, when it is an object.
    fn whole_status(&self, observed: &Object) -> Asked<Option<Value>> {
        let status = match observed.get("status") {
            None => None,
            Some(status @ Value::Object(_)) => Some(status.clone()),
            Some(other) => {
                let message = format!("{}: status is {}, not an object", observed.display(), crate::changes::type_of(other));
                let plugin = Some(Arc::clone(self.generic()));
                return Err(HookError { class: ErrorClass::InvalidObject, plugin, operation: Operation::InterpretStatus, message });
            }
        };
        Ok(Some(Answer { value: status, by: Arc::clone(self.generic()) }))
    }
}

/// What one replica needs. The pod template is read from the object itself: the guest was not shown it.
fn requirements(needs: &Needs, template: &Object) -> Result<Option<ReplicaRequirements>, Refused> {
    match needs {
        Needs::Nothing => Ok(None),
        Needs::Explicit(requirements) => Ok(Some((**requirements).clone())),
        Needs::PodTemplate(field) => match field.find(template) {
            None => Ok(None),
            Some(pods) => kube_functions::pod_requirements(pods).map_err(|wrong| invalid(field, &wrong)),
        },
    }
}

fn component(given: &GivenComponent, template: &Object) -> Result<Component, Refused> {
    let needs = requirements(&given.needs, template)?.map(|needs| ComponentReplicaRequirements {
        node_claim: needs.node_claim,
        resource_request: needs.resource_request,
        priority_class_name: needs.priority_class_name,
    });
    Ok(Component { name: given.name.clone(), replicas: given.replicas, replica_requirements: needs })
}

/// All dependencies, sorted by apiVersion, kind, namespace and name, each once.
fn dependencies(given: &[Dependency], template: &Object) -> Result<Vec<DependentObjectReference>, Refused> {
    let mut found = Vec::new();
    for dependency in given {
        match dependency {
            Dependency::Object(reference) => found.push(reference.clone()),
            Dependency::PodTemplate(field) => {
                if let Some(pods) = field.find(template) {
                    found.extend(kube_functions::pod_dependencies(pods, template.namespace()).map_err(|wrong| invalid(field, &wrong))?);
                }
            }
        }
    }
    found.sort_by(|a, b| order(a).cmp(&order(b)));
    found.dedup();
    Ok(found)
}

fn order(reference: &DependentObjectReference) -> (&str, &str, Option<&str>, Option<&str>) {
    (&reference.api_version, &reference.kind, reference.namespace.as_deref(), reference.name.as_deref())
}

fn invalid(field: &Pointer, wrong: &kube_functions::BadTemplate) -> Refused {
    let at = if field.is_whole() { String::new() } else { format!("{}: ", field.dotted()) };
    Refused { class: ErrorClass::InvalidObject, detail: format!("{at}{wrong}") }
}
