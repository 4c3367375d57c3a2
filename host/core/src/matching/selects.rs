//! Whether one resource selector means one object: of propagation policies and of override policies alike.

use flotilla_api::object::{GroupVersionKind, Object};
use flotilla_api::policy::ResourceSelector;
use flotilla_api::selector::{self, InvalidSelector};

/// How closely a selector describes an object; greater is closer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Specificity {
    /// By its kind alone.
    Kind,
    /// By labels, if only by an empty label selector.
    Labels,
    /// By its name.
    Name,
}

impl Specificity {
    /// How messages say it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Kind => "by kind",
            Self::Labels => "by labels",
            Self::Name => "by name",
        }
    }
}

/// Why a selector does not mean an object. Order of variants is the order of checks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Mismatch {
    /// It means another kind.
    #[error("selects {0}")]
    Kind(GroupVersionKind),
    /// It means another namespace.
    #[error("selects namespace `{0}`")]
    Namespace(String),
    /// It means another name.
    #[error("selects name `{0}`")]
    Name(String),
    /// It means other labels.
    #[error("labels do not match")]
    Labels,
    /// Its label selector is not valid.
    #[error("label selector is not valid: {0}")]
    InvalidLabelSelector(InvalidSelector),
}

/// How closely the selector describes the object. `serves`: see [`crate::matching::Context::serves`].
pub fn selects(selector: &ResourceSelector, object: &Object, serves: &dyn Fn(&GroupVersionKind) -> bool) -> Result<Specificity, Mismatch> {
    if !is_of_kind(selector, object, serves) {
        return Err(Mismatch::Kind(GroupVersionKind::new(&selector.api_version, &selector.kind)));
    }
    if let Some(namespace) = given(&selector.namespace).filter(|namespace| object.namespace() != Some(namespace)) {
        return Err(Mismatch::Namespace(namespace.to_owned()));
    }
    if let Some(name) = given(&selector.name) {
        return if name == object.name() { Ok(Specificity::Name) } else { Err(Mismatch::Name(name.to_owned())) };
    }
    let Some(labels) = &selector.label_selector else { return Ok(Specificity::Kind) };
    let is_match = selector::matches(labels, |key| object.label(key)).map_err(Mismatch::InvalidLabelSelector)?;
    if is_match { Ok(Specificity::Labels) } else { Err(Mismatch::Labels) }
}

/// What a field says; an empty text says nothing.
pub(super) fn given(field: &Option<String>) -> Option<&str> {
    field.as_deref().filter(|text| !text.is_empty())
}

/// The group of an `apiVersion`.
pub(super) fn group(api_version: &str) -> &str {
    api_version.rsplit_once('/').map_or("", |(group, _)| group)
}

fn is_of_kind(selector: &ResourceSelector, object: &Object, serves: &dyn Fn(&GroupVersionKind) -> bool) -> bool {
    if selector.kind != object.kind() {
        return false;
    }
    let is_other_version = || group(&selector.api_version) == group(object.api_version());
    selector.api_version == object.api_version()
        || is_other_version() && serves(&GroupVersionKind::new(&selector.api_version, &selector.kind))
}

#[cfg(test)]
mod tests {
    use super::*;
    use flotilla_api::policy;

    #[track_caller]
    fn check(selector: &str, expect: Result<Specificity, &str>) {
        let object: Object =
            serde_saphyr::from_str("{apiVersion: apps/v1, kind: Deployment, metadata: {name: web, namespace: shop, labels: {app: web}}}")
                .unwrap();
        let selector: serde_json::Value = serde_saphyr::from_str(selector).unwrap();
        let serves = |gvk: &GroupVersionKind| gvk.version == "v1beta1";
        let answer = selects(&policy::read(&selector).unwrap(), &object, &serves).map_err(|why| why.to_string());
        assert_eq!(answer, expect.map_err(str::to_owned));
    }

    #[test]
    fn by_kind_labels_or_name() {
        check("{apiVersion: apps/v1, kind: Deployment}", Ok(Specificity::Kind));
        check("{apiVersion: apps/v1, kind: Deployment, namespace: shop, labelSelector: {}}", Ok(Specificity::Labels));
        check("{apiVersion: apps/v1, kind: Deployment, name: web}", Ok(Specificity::Name));
        check("{apiVersion: apps/v1, kind: Deployment, name: '', namespace: }", Ok(Specificity::Kind));
        check("{apiVersion: apps/v1, kind: Deployment, namespace: bank}", Err("selects namespace `bank`"));
        check("{apiVersion: apps/v1, kind: Deployment, name: api}", Err("selects name `api`"));
        check("{apiVersion: apps/v1, kind: StatefulSet}", Err("selects apps/v1 StatefulSet"));
    }

    #[test]
    fn a_name_makes_labels_irrelevant() {
        check("{apiVersion: apps/v1, kind: Deployment, name: web, labelSelector: {matchLabels: {app: db}}}", Ok(Specificity::Name));
        check("{apiVersion: apps/v1, kind: Deployment, labelSelector: {matchLabels: {app: db}}}", Err("labels do not match"));
    }

    #[test]
    fn any_version_that_is_served_means_the_object() {
        check("{apiVersion: apps/v1beta1, kind: Deployment}", Ok(Specificity::Kind));
        check("{apiVersion: apps/v1beta2, kind: Deployment}", Err("selects apps/v1beta2 Deployment"));
        check("{apiVersion: v1beta1, kind: Deployment}", Err("selects v1beta1 Deployment"));
    }
}
