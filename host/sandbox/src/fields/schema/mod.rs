//! One type's schema, from a CRD or of a built-in type: pruning, defaults, validation, and how lists and maps merge.
//!
//! Reading order: [`node`] (what a schema is), [`built_in`] and [`custom`] (where it comes from), then what is done with it, one file
//! each. Knows no object's meaning.

mod built_in;
mod check;
mod custom;
mod decode;
mod duplicates;
mod facts;
mod format;
mod invariants;
pub(crate) mod node;
mod prune;
pub(crate) mod published;
mod quantity;
mod structural;
pub(crate) mod types;

pub use duplicates::duplicate_fields;
pub(crate) use quantity::canonical;

use crate::fields::cel::{self, Rules};
use crate::fields::golang;
use crate::status::{ApiError, FieldError, FieldReason};
use check::Check;
use node::{Arena, NodeId, View};
use serde_json::Value;
use std::sync::Arc;

/// The schema of one version of a type. Cheap to clone.
#[derive(Debug, Clone)]
pub struct TypeSchema {
    arena: Arc<Arena>,
    root: NodeId,
    /// The value rules of a CRD; `None` for built-in types.
    check: Option<Arc<Check>>,
    /// The rules of a CRD in the Common Expression Language, where it has some.
    rules: Option<Arc<Rules>>,
}

impl TypeSchema {
    /// From `spec.versions[].schema.openAPIV3Schema` of a CRD; refused with the API server's words when it is not structural. The paths of
    /// the errors start at the schema (`properties[spec].type`).
    pub fn from_crd(open_api_v3: &Value) -> Result<Self, Vec<FieldError>> {
        let errors = structural::errors(open_api_v3);
        if !errors.is_empty() {
            return Err(errors);
        }
        let rules = cel::rules(open_api_v3)?.map(Arc::new);
        let (arena, root) = custom::nodes(open_api_v3);
        Ok(Self { arena: Arc::new(arena), root, check: Some(Arc::new(Check::of(open_api_v3))), rules })
    }

    /// Of a built-in type; `None` for one that is not served.
    pub fn built_in(api_version: &str, kind: &str) -> Option<Arc<Self>> {
        let built_ins = &*built_in::BUILT_INS;
        let root = built_ins.root(api_version, kind)?;
        Some(Arc::new(Self { arena: built_ins.arena.clone(), root, check: None, rules: None }))
    }

    /// Whether it is the schema of a custom resource.
    pub fn is_custom(&self) -> bool {
        self.check.is_some()
    }

    /// What decoding does: removes unknown fields (where the schema does not keep them) and nulls, and reports the paths of the
    /// unknown ones (`spec.replica`), for `fieldValidation=Strict|Warn`. Built-in types also come out as their server writes them:
    /// without empty optional fields, with those that are never absent (`status: {}`), quantities in canonical form.
    pub fn prune(&self, object: &mut Value) -> Vec<String> {
        if self.is_custom() { prune::custom(self.view(), object) } else { decode::normalize(self.view(), object) }
    }

    /// The paths of unknown fields, without changing the object.
    pub fn unknown_fields(&self, object: &Value) -> Vec<String> {
        self.prune(&mut object.clone())
    }

    /// Fills in the defaults of the schema (CRDs; built-in kinds have theirs in [`crate::kinds`]).
    pub fn default(&self, object: &mut Value) {
        if self.is_custom() {
            prune::default(self.view(), object);
        }
    }

    /// Value errors of a custom resource, in the real server's words and order; `old` is what it was.
    pub fn validate(&self, object: &Value, old: Option<&Value>) -> Vec<FieldError> {
        let Some(check) = &self.check else {
            return Vec::new();
        };
        let mut errors = check.errors(object);
        errors.extend(invariants::embedded_errors(self.view(), object));
        errors.extend(invariants::duplicate_items(self.view(), object));
        if let Some(rules) = &self.rules {
            errors.extend(if errors.iter().any(blocks_rules) { vec![unchecked()] } else { rules.errors(object, old) });
        }
        errors
    }

    /// The first value that does not decode into its field, in the words of the real server's 400 answer: of built-in types all fields, of
    /// custom resources their metadata.
    pub fn decode_error(&self, object: &Value) -> Option<String> {
        if self.is_custom() {
            let metadata = self.view().child("metadata")?;
            return object.get("metadata").and_then(|value| decode::error(metadata, value));
        }
        decode::error(self.view(), object)
    }

    /// The same in the words that strategic merge patches are answered with.
    pub fn restore_error(&self, object: &Value) -> Option<String> {
        decode::restore_error(self.view(), object)
    }

    pub(crate) fn view(&self) -> View<'_> {
        self.arena.view(self.root)
    }
}

/// Whether a value is too wrong to ask rules about it.
fn blocks_rules(error: &FieldError) -> bool {
    use FieldReason::{NotSupported, Required, TooLong, TooMany, TypeInvalid};
    [NotSupported, Required, TooLong, TooMany, TypeInvalid].contains(&error.reason)
}

fn unchecked() -> FieldError {
    const WORDS: &str =
        "some validation rules were not checked because the object was invalid; correct the existing errors to complete validation";
    FieldError { reason: FieldReason::Invalid, field: "<nil>".to_owned(), value: "null".to_owned(), detail: WORDS.to_owned() }
}

/// 400 for a body that does not decode: `Deployment in version "v1" cannot be handled as a Deployment: …`.
pub fn cannot_be_handled(api_version: &str, kind: &str, problem: &str) -> ApiError {
    let version = api_version.rsplit('/').next().unwrap_or(api_version);
    let message = format!("{kind} in version {} cannot be handled as a {kind}: {problem}", golang::quoted(version));
    ApiError { code: 400, reason: "BadRequest", message, details: None }
}

/// What strict decoding says of unknown fields: `unknown field "spec.replica"`; each is a warning with `fieldValidation=Warn`.
pub fn strict_problems(unknown: &[String]) -> Vec<String> {
    unknown.iter().map(|path| format!("unknown field {}", golang::quoted(path))).collect()
}

/// The error with `fieldValidation=Strict`, from [`strict_problems`].
pub fn strict_error(problems: &[String]) -> String {
    format!("strict decoding error: {}", problems.join(", "))
}

#[cfg(test)]
mod tests;
