//! The sandbox's admission: the same reviews that the webhook gives to a real API server, without HTTP.

use flotilla_api::object::Object;
use flotilla_core::admission::{self, Problem};
use flotilla_interpreter::Chain;
use flotilla_sandbox::admission::{Admission, AdmissionRequest, Admitted};
use flotilla_sandbox::request::Verb;
use flotilla_sandbox::status::{ApiError, FieldError, FieldReason};
use flotilla_webhook::{Admission as Reviewer, Denied, PLUGIN_NAMESPACE, PolicyAdmission};
use std::sync::Arc;

/// Groups whose objects are completed and checked.
const REVIEWED: [&str; 2] = ["policy.karmada.io", "cluster.karmada.io"];

/// Reviews policies, Clusters, plugin ConfigMaps and deletions.
pub struct SandboxAdmission(PolicyAdmission);

impl SandboxAdmission {
    /// Tries plugins on this chain.
    pub fn new(chain: Arc<Chain>) -> Self {
        Self(PolicyAdmission::new(chain))
    }
}

impl Admission for SandboxAdmission {
    fn review(&self, request: &AdmissionRequest<'_>) -> Result<Admitted, ApiError> {
        if !request.subresource.is_empty() {
            return Ok(Admitted::default());
        }
        let object = |value: Option<&serde_json::Value>| value.map(|value| Object(value.clone()));
        let may_hold_plugin = request.group.is_empty() && request.kind == "ConfigMap" && request.namespace == PLUGIN_NAMESPACE;
        let reviewed = match (request.operation, object(request.object), object(request.old_object)) {
            (Verb::Delete, _, Some(old)) => self.0.check_deletion(&old).map(|()| None),
            (Verb::Create | Verb::Update | Verb::Patch, Some(new), old) if may_hold_plugin => {
                // Compiling takes up to seconds: other requests go on meanwhile.
                tokio::task::block_in_place(|| self.0.check(old.as_ref(), &new)).map(|()| None)
            }
            (Verb::Create | Verb::Update | Verb::Patch, Some(new), old) if REVIEWED.contains(&request.group) => {
                self.0.review(old.as_ref(), &new).map(|admitted| Some(admitted.object.0))
            }
            _ => Ok(None),
        };
        let admitted = |object| Admitted { object, warnings: Vec::new() };
        reviewed.map(admitted).map_err(|denied| refusal(request, &denied))
    }
}

fn refusal(request: &AdmissionRequest<'_>, denied: &Denied) -> ApiError {
    let errors: Vec<FieldError> = denied.reasons.0.iter().map(field_error).collect();
    ApiError::invalid(request.group, request.kind, request.name, &errors)
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
