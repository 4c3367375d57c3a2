//! The CustomResourceDefinitions of our kinds, made from the types: what an API server checks, prints and explains.
//!
//! Equal to Karmada's in all that a client can tell apart; the text of descriptions is that of the types. `deploy/crds` holds them
//! as files, kept by a test.

use crate::cluster::Cluster;
use crate::policy::{ClusterOverridePolicy, ClusterPropagationPolicy, OverridePolicy, PropagationPolicy};
use crate::work::{ClusterResourceBinding, ResourceBinding, Work};
use k8s_openapi::ListableResource;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1 as ext;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube_core::Resource;
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

/// All of them, in the order in which they are listed to users.
pub fn crds() -> Vec<ext::CustomResourceDefinition> {
    let policy_columns =
        || vec![column("CONFLICT-RESOLUTION", "string", ".spec.conflictResolution"), column("PRIORITY", "string", ".spec.priority"), age()];
    let binding_columns = || vec![condition_column("SCHEDULED", "Scheduled"), condition_column("FULLYAPPLIED", "FullyApplied"), age()];
    vec![
        definition::<PropagationPolicy>(Some("pp"), Subresources::None, policy_columns()),
        definition::<ClusterPropagationPolicy>(Some("cpp"), Subresources::None, policy_columns()),
        definition::<OverridePolicy>(Some("op"), Subresources::None, vec![]),
        definition::<ClusterOverridePolicy>(Some("cop"), Subresources::None, vec![]),
        definition::<ResourceBinding>(Some("rb"), Subresources::Status, binding_columns()),
        definition::<ClusterResourceBinding>(Some("crb"), Subresources::Status, binding_columns()),
        definition::<Work>(Some("wk"), Subresources::Status, work_columns()),
        definition::<Cluster>(None, Subresources::Status, cluster_columns()),
    ]
}

fn work_columns() -> Vec<ext::CustomResourceColumnDefinition> {
    vec![column("WORKLOAD-KIND", "string", ".spec.workload.manifests[*].kind"), condition_column("APPLIED", "Applied"), age()]
}

fn cluster_columns() -> Vec<ext::CustomResourceColumnDefinition> {
    vec![
        column("VERSION", "string", ".status.kubernetesVersion"),
        column("MODE", "string", ".spec.syncMode"),
        condition_column("READY", "Ready"),
        age(),
        wide("ZONES", ".spec.zones"),
        wide("REGION", ".spec.region"),
        wide("PROVIDER", ".spec.provider"),
        wide("API-ENDPOINT", ".spec.apiEndpoint"),
        wide("PROXY-URL", ".spec.proxyURL"),
    ]
}

/// Whether a kind's status is written apart from its spec.
#[derive(PartialEq)]
enum Subresources {
    None,
    Status,
}

fn definition<K>(
    short_name: Option<&str>,
    subresources: Subresources,
    columns: Vec<ext::CustomResourceColumnDefinition>,
) -> ext::CustomResourceDefinition
where
    K: JsonSchema + ListableResource + Resource<DynamicType = ()> + k8s_openapi::Resource,
    <K as k8s_openapi::Resource>::Scope: ScopeName,
{
    let (kind, plural) = (K::KIND.to_owned(), K::URL_PATH_SEGMENT.to_owned());
    ext::CustomResourceDefinition {
        metadata: ObjectMeta { name: Some(format!("{plural}.{}", K::GROUP)), ..Default::default() },
        spec: ext::CustomResourceDefinitionSpec {
            group: K::GROUP.to_owned(),
            names: ext::CustomResourceDefinitionNames {
                categories: Some(vec!["karmada-io".to_owned()]),
                singular: Some(kind.to_lowercase()),
                list_kind: Some(K::LIST_KIND.to_owned()),
                short_names: short_name.map(|name| vec![name.to_owned()]),
                kind,
                plural,
            },
            scope: <K as k8s_openapi::Resource>::Scope::NAME.to_owned(),
            versions: vec![ext::CustomResourceDefinitionVersion {
                name: K::VERSION.to_owned(),
                served: true,
                storage: true,
                schema: Some(ext::CustomResourceValidation { open_api_v3_schema: Some(schema::<K>()) }),
                additional_printer_columns: Some(columns).filter(|columns| !columns.is_empty()),
                subresources: (subresources == Subresources::Status).then(|| ext::CustomResourceSubresources {
                    status: Some(ext::CustomResourceSubresourceStatus(json!({}))),
                    scale: None,
                }),
                ..Default::default()
            }],
            ..Default::default()
        },
        status: None,
    }
}

/// The word for a scope in a definition.
trait ScopeName {
    const NAME: &'static str;
}

impl ScopeName for k8s_openapi::NamespaceResourceScope {
    const NAME: &'static str = "Namespaced";
}

impl ScopeName for k8s_openapi::ClusterResourceScope {
    const NAME: &'static str = "Cluster";
}

fn schema<K: JsonSchema>() -> ext::JSONSchemaProps {
    // What is always written is required, though reading is more lenient.
    let settings = SchemaSettings::draft07().for_serialize().with(|settings| {
        settings.inline_subschemas = true;
        settings.meta_schema = None;
    });
    let mut schema = settings.into_generator().into_root_schema_for::<K>().to_value();
    make_structural(&mut schema);
    let text = |description: &str| json!({"type": "string", "description": description});
    schema["properties"]["apiVersion"] = text("Group and version of the object.");
    schema["properties"]["kind"] = text("Kind of the object.");
    // API servers describe it themselves, and refuse a description.
    schema["properties"]["metadata"] = json!({"type": "object"});
    schema["required"] = json!(["spec"]);
    serde_json::from_value(schema).expect("what the types are derived into is a schema")
}

/// Brings a schema into the form that an API server takes: no references, no titles, nothing that may be null.
fn make_structural(schema: &mut Value) {
    let Some(keywords) = schema.as_object_mut() else {
        return;
    };
    keywords.remove("title");
    drop_null(keywords);
    let required = keywords.get("required").cloned().unwrap_or_default();
    if let Some(properties) = keywords.get_mut("properties").and_then(Value::as_object_mut) {
        // Only there because reading is lenient.
        for name in required.as_array().into_iter().flatten().filter_map(Value::as_str) {
            properties.get_mut(name).and_then(Value::as_object_mut).map(|property| property.remove("default"));
        }
        properties.values_mut().for_each(make_structural);
    }
    for keyword in ["items", "additionalProperties"] {
        keywords.get_mut(keyword).map(make_structural).unwrap_or_default();
    }
}

/// An optional field may be absent; that it may be null goes without saying.
fn drop_null(keywords: &mut Map<String, Value>) {
    if let Some(types) = keywords.get("type").and_then(Value::as_array) {
        let kept = types.iter().find(|kept| *kept != "null").cloned().unwrap_or_default();
        keywords.insert("type".to_owned(), kept);
    }
    if let Some(words) = keywords.get_mut("enum").and_then(Value::as_array_mut) {
        words.retain(|word| !word.is_null());
    }
    let either = keywords.get("anyOf").and_then(Value::as_array).map(Vec::as_slice);
    if let Some([Value::Object(some), null]) = either
        && null.get("type").is_some_and(|kind| kind == "null")
    {
        let some = some.clone();
        keywords.remove("anyOf");
        some.into_iter().for_each(|(keyword, value)| {
            keywords.entry(keyword).or_insert(value);
        });
    }
}

fn column(name: &str, kind: &str, json_path: &str) -> ext::CustomResourceColumnDefinition {
    ext::CustomResourceColumnDefinition {
        name: name.to_owned(),
        type_: kind.to_owned(),
        json_path: json_path.to_owned(),
        ..Default::default()
    }
}

fn condition_column(name: &str, condition: &str) -> ext::CustomResourceColumnDefinition {
    column(name, "string", &format!(".status.conditions[?(@.type==\"{condition}\")].status"))
}

fn age() -> ext::CustomResourceColumnDefinition {
    column("AGE", "date", ".metadata.creationTimestamp")
}

fn wide(name: &str, json_path: &str) -> ext::CustomResourceColumnDefinition {
    ext::CustomResourceColumnDefinition { priority: Some(1), ..column(name, "string", json_path) }
}
