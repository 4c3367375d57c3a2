//! What watches and answers are read into: of an object, what the reader needs.
//!
//! `managedFields` are never read: nobody here asks for them, and they can be most of an object.

use flotilla_api::object::Object;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::core::{ApiResource, DynamicResourceScope};
use serde::de::{DeserializeSeed, Error as _, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::fmt;

/// Something that is read from an object that an API server sent.
pub trait Read: Sized + Send + 'static {
    /// Reads it.
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error>;

    /// Namespace, name and resourceVersion of the object.
    fn identity(&self) -> (Option<&str>, &str, &str);
}

/// What a watch, a list or an answer delivers, with the metadata that kube's watcher needs.
#[derive(Debug, Clone)]
pub struct Live<T> {
    /// What was read.
    pub object: T,
    metadata: ObjectMeta,
}

/// Any object, whole.
pub type LiveObject = Live<Object>;

impl Read for Object {
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Without(&["metadata", "managedFields"]).deserialize(deserializer).map(Self)
    }

    fn identity(&self) -> (Option<&str>, &str, &str) {
        (self.namespace(), self.name(), self.resource_version())
    }
}

/// Reads a value but for the field at this path.
struct Without(&'static [&'static str]);

impl<'de> DeserializeSeed<'de> for Without {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Without {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Value, A::Error> {
        let (first, rest) = self.0.split_first().ok_or_else(|| A::Error::custom("no path"))?;
        let mut map = Map::new();
        while let Some(name) = fields.next_key::<String>()? {
            let value = match (name == *first, rest.is_empty()) {
                (true, true) => {
                    fields.next_value::<IgnoredAny>()?;
                    continue;
                }
                (true, false) => fields.next_value_seed(Self(rest))?,
                (false, _) => fields.next_value()?,
            };
            map.insert(name, value);
        }
        Ok(Value::Object(map))
    }
}

impl<'de, T: Read> Deserialize<'de> for Live<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let object = T::read(deserializer)?;
        let (namespace, name, version) = object.identity();
        let metadata = ObjectMeta {
            name: Some(name.to_owned()),
            namespace: namespace.map(str::to_owned),
            resource_version: Some(version.to_owned()).filter(|version| !version.is_empty()),
            ..Default::default()
        };
        Ok(Self { object, metadata })
    }
}

impl<T> kube::Resource for Live<T> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn all_but_the_managed_fields_is_read() {
        let text = r#"{"kind":"Pod","metadata":{"name":"a","managedFields":[{"manager":"me"}],"labels":{"managedFields":"x"}},"spec":{"managedFields":1}}"#;
        let live: LiveObject = serde_json::from_str(text).unwrap();
        let expected = json!({"kind": "Pod", "metadata": {"name": "a", "labels": {"managedFields": "x"}}, "spec": {"managedFields": 1}});
        assert_eq!(live.object.0, expected);
        assert_eq!(kube::Resource::meta(&live).name.as_deref(), Some("a"));
        assert!(serde_json::from_str::<LiveObject>(r#"{"metadata":null}"#).is_ok());
        assert!(serde_json::from_str::<LiveObject>("[]").is_err());
    }
}
