//! The sandbox's admission: the same reviews that the webhook gives to a real API server, without HTTP.

use flotilla_api::labels;
use flotilla_api::object::Object;
use flotilla_controllers::plugins::PLUGIN_NAMESPACE;
use flotilla_core::admission::{self, Context, PolicyKind, Problem};
use flotilla_interpreter::Chain;
use flotilla_interpreter::store::{LoadOutcome, PluginStore};
use flotilla_sandbox::admission::{Admission, AdmissionRequest, Admitted};
use flotilla_sandbox::request::Verb;
use flotilla_sandbox::status::{ApiError, FieldError, FieldReason};
use std::sync::Arc;

/// Reviews policies and plugin ConfigMaps.
pub struct SandboxAdmission {
    /// What a plugin is tried on.
    chain: Arc<Chain>,
}

impl SandboxAdmission {
    /// Tries plugins on this chain.
    pub fn new(chain: Arc<Chain>) -> Self {
        Self { chain }
    }

    fn review_plugin(&self, config_map: &Object) -> Result<Admitted, ApiError> {
        // Compiling takes up to seconds: other requests go on meanwhile.
        let outcome = tokio::task::block_in_place(|| PluginStore::new((*self.chain).clone()).apply_config_map(config_map));
        match outcome {
            LoadOutcome::Loaded { .. } => Ok(Admitted::default()),
            LoadOutcome::Refused(error) => {
                let wrong = FieldError {
                    reason: FieldReason::Invalid,
                    field: "data".into(),
                    value: String::new(),
                    detail: format!("{}: {}", error.reason, error.message),
                };
                Err(ApiError::invalid("", "ConfigMap", config_map.name(), &[wrong]))
            }
        }
    }
}

impl Admission for SandboxAdmission {
    fn review(&self, request: &AdmissionRequest<'_>) -> Result<Admitted, ApiError> {
        let Some(new) = request
            .object
            .filter(|_| request.subresource.is_empty() && matches!(request.operation, Verb::Create | Verb::Update | Verb::Patch))
        else {
            return Ok(Admitted::default());
        };
        let new = Object(new.clone());
        let old = request.old_object.map(|old| Object(old.clone()));
        if request.group == "policy.karmada.io" {
            return review_policy(request, old.as_ref(), &new);
        }
        let is_plugin = request.group.is_empty()
            && request.kind == "ConfigMap"
            && request.namespace == PLUGIN_NAMESPACE
            && new.label(labels::PLUGIN_ENABLED) == Some("true");
        let is_changed = old.as_ref().is_none_or(|old| ["data", "binaryData"].iter().any(|field| old.get(field) != new.get(field)));
        if is_plugin && is_changed { self.review_plugin(&new) } else { Ok(Admitted::default()) }
    }
}

fn review_policy(request: &AdmissionRequest<'_>, old: Option<&Object>, new: &Object) -> Result<Admitted, ApiError> {
    let Some(kind) = PolicyKind::of(request.kind) else { return Ok(Admitted::default()) };
    // What is being deleted only loses its finalizers.
    if new.is_deleting() {
        return Ok(Admitted::default());
    }
    let context = Context { namespace: request.namespace, new_id: &|| uuid::Uuid::new_v4().to_string() };
    match admission::review(kind, old, new, &context) {
        Ok(object) => Ok(Admitted { object: Some(object.0), warnings: Vec::new() }),
        Err(denied) => {
            let errors: Vec<FieldError> = denied.0.iter().map(field_error).collect();
            Err(ApiError::invalid(request.group, request.kind, request.name, &errors))
        }
    }
}

fn field_error(error: &admission::FieldError) -> FieldError {
    let (reason, value) = match &error.problem {
        Problem::Invalid(value) => (FieldReason::Invalid, value.to_string()),
        Problem::Required => (FieldReason::Required, String::new()),
        Problem::Forbidden => (FieldReason::Forbidden, String::new()),
        Problem::Duplicate(value) => (FieldReason::Duplicate, value.to_string()),
        Problem::Unsupported(value) => (FieldReason::NotSupported, value.to_string()),
        Problem::Unreadable => (FieldReason::TypeInvalid, String::new()),
    };
    FieldError { reason, field: error.field.clone(), value, detail: error.detail.clone() }
}
