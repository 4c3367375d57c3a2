//! An object as a watch delivers it: the JSON as it is, with the metadata that kube's watcher needs.

use flotilla_api::object::Object;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::core::{ApiResource, DynamicResourceScope};
use serde::{Deserialize, Deserializer};
use std::borrow::Cow;

/// Any object from a watch or a list.
#[derive(Debug, Clone)]
pub struct LiveObject {
    /// The object.
    pub object: Object,
    metadata: ObjectMeta,
}

impl<'de> Deserialize<'de> for LiveObject {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let object = Object::deserialize(deserializer)?;
        let metadata = ObjectMeta {
            name: Some(object.name().to_owned()),
            namespace: object.namespace().map(str::to_owned),
            resource_version: Some(object.resource_version().to_owned()).filter(|version| !version.is_empty()),
            ..Default::default()
        };
        Ok(Self { object, metadata })
    }
}

impl kube::Resource for LiveObject {
    type DynamicType = ApiResource;
    type Scope = DynamicResourceScope;

    fn kind(resource: &ApiResource) -> Cow<'_, str> {
        resource.kind.as_str().into()
    }

    fn group(resource: &ApiResource) -> Cow<'_, str> {
        resource.group.as_str().into()
    }

    fn version(resource: &ApiResource) -> Cow<'_, str> {
        resource.version.as_str().into()
    }

    fn api_version(resource: &ApiResource) -> Cow<'_, str> {
        resource.api_version.as_str().into()
    }

    fn plural(resource: &ApiResource) -> Cow<'_, str> {
        resource.plural.as_str().into()
    }

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}
