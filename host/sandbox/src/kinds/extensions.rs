//! What extends the API: CustomResourceDefinitions and APIServices. Their schemas and rules are left as they are written.

use super::Behaviour;
use super::reach::{fill, fill_zero, given, inner, text};
use serde_json::Value;

/// CustomResourceDefinitions.
pub(super) struct CustomResourceDefinitions;

impl Behaviour for CustomResourceDefinitions {
    fn default(&self, object: &mut Value) {
        let spec = inner(object, "spec");
        let names = inner(spec, "names");
        let kind = text(names, "/kind").to_owned();
        if !kind.is_empty() {
            fill_zero(names, "singular", kind.to_lowercase());
            fill_zero(names, "listKind", format!("{kind}List"));
        }
        let conversion = inner(spec, "conversion");
        fill_zero(conversion, "strategy", "None");
        if let Some(service) = conversion.pointer_mut("/webhook/clientConfig/service") {
            fill(service, "port", 443);
        }
    }
}

/// APIServices.
pub(super) struct ApiServices;

impl Behaviour for ApiServices {
    fn default(&self, object: &mut Value) {
        if let Some(service) = given(inner(object, "spec"), "service") {
            fill(service, "port", 443);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_names_of_a_definition_follow_its_kind() {
        let mut crd = json!({"metadata": {"name": "widgets.example.org"}, "spec": {"group": "example.org", "scope": "Namespaced",
            "names": {"plural": "widgets", "kind": "Widget"},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {"type": "object", "default": []}}}]}});
        CustomResourceDefinitions.default(&mut crd);
        assert_eq!(crd["spec"]["names"]["listKind"], "WidgetList");
        assert_eq!(crd["spec"]["conversion"]["strategy"], "None");
        assert_eq!(crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["default"], json!([]));
    }
}
