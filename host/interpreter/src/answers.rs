//! Reads what a guest answered: still independent of the object, so that the same answer serves every object with the same
//! projection.
//!
//! Whatever is not of the shape that the operation asks for is refused here, never repaired.

use crate::changes::{BadChange, Change};
use crate::contract::types;
use crate::pointer::Pointer;
use crate::projection::Fields;
use flotilla_api::interpretation::{ErrorClass, Health};
use flotilla_api::quantity::{Amount, QuantityError};
use flotilla_api::selector;
use flotilla_api::work::{DependentObjectReference, ReplicaRequirements};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use serde_json::Value;
use std::collections::HashSet;

/// Longest name of a pod component (its CRD says so).
const COMPONENT_NAME: usize = 32;

/// An answer that can be kept.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Given {
    Demand {
        replicas: i64,
        needs: Needs,
    },
    Components(Vec<GivenComponent>),
    Changes(Vec<Change>),
    Status(Option<Value>),
    Health(Health),
    Dependencies(Vec<Dependency>),
    /// The guest refuses the object and says why.
    Invalid(String),
}

/// What one replica needs, as far as the guest says it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Needs {
    Nothing,
    PodTemplate(Pointer),
    Explicit(Box<ReplicaRequirements>),
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct GivenComponent {
    pub name: String,
    pub replicas: i32,
    pub needs: Needs,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Dependency {
    Object(DependentObjectReference),
    PodTemplate(Pointer),
}

impl Given {
    /// About how many bytes the answer takes, for memories that are bounded.
    pub fn weight(&self) -> usize {
        match self {
            Self::Demand { needs, .. } => needs.weight(),
            Self::Components(components) => components.iter().map(|component| 64 + component.name.len() + component.needs.weight()).sum(),
            Self::Changes(changes) => changes.iter().map(Change::weight).sum(),
            Self::Status(status) => status.as_ref().map_or(0, weight),
            Self::Health(Health::Healthy) => 0,
            Self::Health(Health::Unhealthy(text) | Health::Unknown(text)) | Self::Invalid(text) => text.len(),
            Self::Dependencies(dependencies) => 192 * dependencies.len(),
        }
    }
}

impl Needs {
    fn weight(&self) -> usize {
        if let Self::Explicit(_) = self { 1024 } else { 0 }
    }
}

/// About how many bytes a value takes.
pub(crate) fn weight(value: &Value) -> usize {
    let below = match value {
        Value::String(text) => text.len(),
        Value::Array(items) => items.iter().map(weight).sum(),
        Value::Object(map) => map.iter().map(|(key, value)| 48 + key.len() + weight(value)).sum(),
        _ => 0,
    };
    below + size_of::<Value>()
}

/// Why an answer is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refused {
    pub class: ErrorClass,
    pub detail: String,
}

type Read = Result<Given, Refused>;

fn bad(detail: impl Into<String>) -> Refused {
    Refused { class: ErrorClass::BadOutput, detail: detail.into() }
}

/// What the guest's own error means; an answer is read by `read`.
pub(crate) fn answered<T>(answer: Result<T, types::HookError>, read: impl FnOnce(T) -> Read) -> Read {
    match answer {
        Ok(answer) => read(answer),
        Err(types::HookError::InvalidObject(why)) => Ok(Given::Invalid(why)),
        Err(types::HookError::Failed(why)) => Err(Refused { class: ErrorClass::PluginFailed, detail: why }),
    }
}

pub(crate) fn demand(answer: types::Demand) -> Read {
    if answer.replicas < 0 {
        return Err(bad(format!("{} replicas", answer.replicas)));
    }
    Ok(Given::Demand { replicas: answer.replicas, needs: needs(answer.requirements)? })
}

pub(crate) fn components(answer: Vec<types::Component>) -> Read {
    let mut names = HashSet::new();
    let mut components = Vec::with_capacity(answer.len());
    for component in answer {
        if component.name.is_empty() || component.name.chars().count() > COMPONENT_NAME {
            return Err(bad(format!("component name `{}` must have 1 to {COMPONENT_NAME} characters", component.name)));
        }
        if !names.insert(component.name.clone()) {
            return Err(bad(format!("two components are named `{}`", component.name)));
        }
        let replicas = i32::try_from(component.replicas).ok().filter(|replicas| *replicas >= 0);
        let replicas = replicas.ok_or_else(|| bad(format!("component `{}` has {} replicas", component.name, component.replicas)))?;
        components.push(GivenComponent { name: component.name, replicas, needs: needs(component.requirements)? });
    }
    Ok(Given::Components(components))
}

fn needs(answer: types::Requirements) -> Result<Needs, Refused> {
    Ok(match answer {
        types::Requirements::None => Needs::Nothing,
        types::Requirements::PodTemplate(field) => Needs::PodTemplate(pointer(&field)?),
        types::Requirements::Explicit(text) => {
            let wrong = |why: String| bad(format!("the requirements are no ReplicaRequirements: {why}"));
            let mut requirements: Value = serde_json::from_str(&text).map_err(|why| wrong(why.to_string()))?;
            spell_quantities(&mut requirements).map_err(|why| wrong(why.to_string()))?;
            Needs::Explicit(serde_json::from_value(requirements).map_err(|why| wrong(why.to_string()))?)
        }
    })
}

/// Quantities may be numbers, as Kubernetes reads them; they are kept as it writes them.
fn spell_quantities(requirements: &mut Value) -> Result<(), QuantityError> {
    let request = requirements.get_mut("resourceRequest").and_then(Value::as_object_mut);
    for quantity in request.into_iter().flat_map(serde_json::Map::values_mut) {
        *quantity = Value::String(Amount::from_json(quantity)?.to_string());
    }
    Ok(())
}

fn pointer(field: &str) -> Result<Pointer, Refused> {
    let pointer = Pointer::parse(field).map_err(|why| bad(why.to_string()))?;
    if pointer.segments().any(|segment| segment == "*") {
        return Err(bad(format!("`{field}` must name one field, without `*`")));
    }
    Ok(pointer)
}

pub(crate) fn changes(answer: Vec<types::Change>, writes: &Fields) -> Read {
    let read = |change: &types::Change| match change {
        types::Change::Set((field, value)) => Change::read(field, Some(value), writes),
        types::Change::Remove(field) => Change::read(field, None, writes),
    };
    answer.iter().map(read).collect::<Result<_, _>>().map(Given::Changes).map_err(Refused::from)
}

impl From<BadChange> for Refused {
    fn from(wrong: BadChange) -> Self {
        let class = match wrong {
            BadChange::Undeclared(_) => ErrorClass::UndeclaredWrite,
            BadChange::NotAnObject { .. } => ErrorClass::InvalidObject,
            _ => ErrorClass::BadOutput,
        };
        Self { class, detail: wrong.to_string() }
    }
}

pub(crate) fn status(answer: Option<String>) -> Read {
    let status = answer.map(|text| serde_json::from_str::<Value>(&text)).transpose();
    match status.map_err(|why| bad(format!("the status is not JSON: {why}")))? {
        None | Some(Value::Null) => Ok(Given::Status(None)),
        Some(status @ Value::Object(_)) => Ok(Given::Status(Some(status))),
        Some(other) => Err(bad(format!("the status is {}, not an object", crate::changes::type_of(&other)))),
    }
}

pub(crate) fn health(answer: types::Verdict) -> Read {
    Ok(Given::Health(match answer {
        types::Verdict::Healthy => Health::Healthy,
        types::Verdict::Unhealthy(why) => Health::Unhealthy(why),
        types::Verdict::Unknown(why) => Health::Unknown(why),
    }))
}

pub(crate) fn dependencies(answer: Vec<types::Dependency>) -> Read {
    let read = |dependency| {
        Ok(match dependency {
            types::Dependency::PodTemplate(field) => Dependency::PodTemplate(pointer(&field)?),
            types::Dependency::Object(reference) => Dependency::Object(object_reference(reference)?),
        })
    };
    answer.into_iter().map(read).collect::<Result<_, _>>().map(Given::Dependencies)
}

fn label_selector_of(text: &str) -> Result<LabelSelector, String> {
    let selector: LabelSelector = serde_json::from_str(text).map_err(|why| why.to_string())?;
    selector::check(&selector).map_err(|why| why.to_string())?;
    Ok(selector)
}

/// A reference must say what it names; Karmada refuses the whole answer for one that does not.
fn object_reference(reference: types::Reference) -> Result<DependentObjectReference, Refused> {
    let types::Reference { api_version, kind, namespace, name, label_selector } = reference;
    let shown = format!("the reference to {api_version} {kind}");
    if api_version.is_empty() || kind.is_empty() {
        return Err(bad(format!("{shown} lacks its apiVersion or kind")));
    }
    let name = name.filter(|name| !name.is_empty());
    if name.is_none() && label_selector.is_none() {
        return Err(bad(format!("{shown} has neither a name nor a label selector")));
    }
    let refused = |why: String| bad(format!("the label selector of {shown}: {why}"));
    let label_selector = label_selector.as_deref().map(label_selector_of).transpose().map_err(refused)?;
    Ok(DependentObjectReference { api_version, kind, namespace: namespace.filter(|namespace| !namespace.is_empty()), name, label_selector })
}
