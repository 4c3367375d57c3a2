//! `x-kubernetes-validations` of CRDs: rules in the Common Expression Language, and what the API server says of values that break them.
//!
//! Reading order: [`compile`] (rules from a schema, and what is wrong with them), this file (rules held against values), [`values`] (JSON
//! as an expression sees it), [`library`] (functions beyond the language's own). Left out: how much a rule may cost.

mod compile;
mod library;
mod values;

pub(crate) use compile::rules;

use crate::fields::golang::{bad_value, quoted};
use crate::status::{FieldError, FieldReason};
use ::cel::objects::{Opaque, OptionalValue};
use ::cel::{Context, ExecutionError, Program, Value as CelValue};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;
use values::Form;

/// The rules of one place, and of what is below it.
#[derive(Debug)]
pub(crate) struct Rules {
    own: Vec<Rule>,
    form: Form,
    /// What the schema calls the type; how a rule that fails to run is quoted.
    type_name: String,
    properties: BTreeMap<String, Rules>,
    additional: Option<Box<Rules>>,
    items: Option<Box<Rules>>,
    /// The keys of a list-type map, by which an item finds the one it was.
    keys: Option<Vec<String>>,
}

/// One rule.
#[derive(Debug)]
struct Rule {
    text: String,
    program: Program,
    message: String,
    message_expression: Option<Program>,
    reason: FieldReason,
    /// Below the place of the rule, with a leading dot; empty for the place itself.
    field_path: String,
    /// Whether it compares with what was there before.
    compares: bool,
    /// Whether it is asked where nothing was before, too.
    is_old_optional: bool,
}

impl Rules {
    /// All rules that an object breaks; `old` is what it was.
    pub(crate) fn errors(&self, object: &Value, old: Option<&Value>) -> Vec<FieldError> {
        let mut errors = Vec::new();
        self.check(object, old, "", &mut errors);
        errors
    }

    /// Whether there is a rule here or below.
    fn any(&self) -> bool {
        !self.own.is_empty() || self.properties.values().chain(self.additional.as_deref()).chain(self.items.as_deref()).any(Self::any)
    }

    fn check(&self, value: &Value, old: Option<&Value>, path: &str, errors: &mut Vec<FieldError>) {
        if value.is_null() {
            return;
        }
        let old = old.filter(|old| !old.is_null());
        if !self.own.is_empty() {
            self.check_own(value, old, path, errors);
        }
        match value {
            Value::Object(fields) => {
                for (name, child) in fields {
                    let old = old.and_then(|old| old.get(name));
                    if let Some(rules) = self.properties.get(name) {
                        let below = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                        rules.check(child, old, &below, errors);
                    } else if let Some(rules) = &self.additional {
                        rules.check(child, old, &format!("{path}[{name}]"), errors);
                    }
                }
            }
            Value::Array(items) => {
                for (index, (rules, item)) in self.items.iter().cycle().zip(items).enumerate() {
                    rules.check(item, self.was(item, old), &format!("{path}[{index}]"), errors);
                }
            }
            _ => {}
        }
    }

    /// The item of an older list that this item was; items of other lists than maps are not told apart.
    fn was<'a>(&self, item: &Value, old: Option<&'a Value>) -> Option<&'a Value> {
        let keys = self.keys.as_ref()?;
        old?.as_array()?.iter().find(|old| keys.iter().all(|key| old.get(key) == item.get(key)))
    }

    fn check_own(&self, value: &Value, old: Option<&Value>, path: &str, errors: &mut Vec<FieldError>) {
        let this = values::seen(&self.form, value);
        let before = old.map(|old| values::seen(&self.form, old));
        for rule in &self.own {
            let mut context = Context::with_env(library::ENVIRONMENT.clone());
            context.add_variable_from_value("self", this.clone());
            match (rule.is_old_optional, &before) {
                (true, before) => {
                    let before: Arc<dyn Opaque> = Arc::new(before.clone().map_or_else(OptionalValue::none, OptionalValue::of));
                    context.add_variable_from_value("oldSelf", before);
                }
                (false, Some(before)) => context.add_variable_from_value("oldSelf", before.clone()),
                (false, None) if rule.compares => continue,
                (false, None) => {}
            }
            errors.extend(rule.error(&context, value, path, &self.type_name));
        }
    }
}

impl Rule {
    fn error(&self, context: &Context, value: &Value, path: &str, type_name: &str) -> Option<FieldError> {
        let path = if path.is_empty() { "<nil>" } else { path };
        match self.program.execute(context) {
            Ok(CelValue::Bool(true)) => None,
            Ok(_) => {
                let shown = if value.is_object() || value.is_array() || self.reason != FieldReason::Invalid {
                    String::new()
                } else {
                    bad_value(value)
                };
                let field = format!("{path}{}", self.field_path);
                Some(FieldError { reason: self.reason, field, value: shown, detail: self.said(context) })
            }
            Err(error) => {
                let asked = if self.message.is_empty() { &self.text } else { &self.message };
                let detail = format!("{} evaluating rule: {asked}", said(&error));
                Some(FieldError { reason: FieldReason::Invalid, field: path.to_owned(), value: quoted(type_name), detail })
            }
        }
    }

    /// What is said to whoever breaks the rule.
    fn said(&self, context: &Context) -> String {
        let computed = self.message_expression.as_ref().and_then(|program| program.execute(context).ok());
        match computed {
            Some(CelValue::String(text)) if !text.trim().is_empty() => text.trim().to_owned(),
            _ if self.message.is_empty() => format!("failed rule: {}", self.text),
            _ => self.message.clone(),
        }
    }
}

/// Why a rule could not be answered.
fn said(error: &ExecutionError) -> String {
    match error {
        ExecutionError::NoSuchKey(key) => format!("no such key: {key}"),
        ExecutionError::DivisionByZero(_) => "division by zero".to_owned(),
        ExecutionError::RemainderByZero(_) => "modulus by zero".to_owned(),
        ExecutionError::IndexOutOfBounds(CelValue::Int(index)) => format!("index out of bounds: {index}"),
        ExecutionError::NoSuchOverload(_) => "no such overload".to_owned(),
        ExecutionError::FunctionError { message, .. } => message.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests;
