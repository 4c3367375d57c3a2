//! What structural schemas default, prune and refuse, also as recorded.

use super::*;
use crate::fields::recordings;
use serde_json::json;

fn yaml(text: &str) -> Value {
    serde_saphyr::from_str(text).expect("the test is YAML")
}

fn custom(schema: &str) -> TypeSchema {
    TypeSchema::from_crd(&yaml(schema)).expect("the schema is structural")
}

fn texts(errors: &[FieldError]) -> Vec<String> {
    errors.iter().map(FieldError::to_string).collect()
}

const THING: &str = r#"
type: object
required: [spec]
properties:
  spec:
    type: object
    required: [image, mode]
    properties:
      image: {type: string, pattern: '^[a-z]+$', maxLength: 5}
      mode: {type: string, enum: [Fast, Slow], default: Fast}
      replicas: {type: integer, minimum: 0, maximum: 10, default: 1}
      note: {type: string, nullable: true}
      port: {x-kubernetes-int-or-string: true}
      tags: {type: array, maxItems: 2, items: {type: string}, x-kubernetes-list-type: set}
      steps:
        type: array
        x-kubernetes-list-type: map
        x-kubernetes-list-map-keys: [name]
        items:
          type: object
          required: [name]
          properties: {name: {type: string}, retries: {type: integer, default: 3}}
      extra: {type: object, x-kubernetes-preserve-unknown-fields: true}
      limits: {type: object, additionalProperties: {type: number, exclusiveMinimum: true, minimum: 0}}
      either: {type: object, properties: {a: {type: string}, b: {type: string}}, oneOf: [{required: [a]}, {required: [b]}]}
      template: {type: object, x-kubernetes-embedded-resource: true, x-kubernetes-preserve-unknown-fields: true}
"#;

#[test]
fn unknown_fields_of_custom_resources_are_dropped_and_named() {
    let mut thing = yaml(
        "{apiVersion: g/v1, kind: Thing, metadata: {name: a, nam: b}, foo: 1, spec: {image: x, imag: y, extra: {any: 1},
          steps: [{name: a, nme: b}], limits: {cpu: 1}, note: null, port: null}}",
    );
    let unknown = custom(THING).prune(&mut thing);
    assert_eq!(unknown, ["metadata.nam", "foo", "spec.imag", "spec.steps[0].nme"]);
    let expected = yaml(
        "{apiVersion: g/v1, kind: Thing, metadata: {name: a}, spec: {image: x, extra: {any: 1}, steps: [{name: a}], limits: {cpu: 1},
          note: null}}",
    );
    assert_eq!(thing, expected);
}

#[test]
fn defaults_fill_what_is_absent_or_null_where_null_is_no_value() {
    let mut thing = yaml("{spec: {image: x, replicas: null, steps: [{name: a}, {name: b, retries: 0}]}}");
    custom(THING).default(&mut thing);
    let expected = yaml("{spec: {image: x, mode: Fast, replicas: 1, steps: [{name: a, retries: 3}, {name: b, retries: 0}]}}");
    assert_eq!(thing, expected);
    let mut bare = json!({});
    custom(THING).default(&mut bare);
    assert_eq!(bare, json!({}));
}

#[test]
fn values_that_break_a_rule_are_refused_in_the_words_of_the_server() {
    let table = [
        ("{spec: {image: x}}", vec!["spec.mode: Required value"]),
        ("{}", vec!["spec: Required value"]),
        (
            "{spec: {image: X1, mode: Fsat, replicas: -1}}",
            vec![
                r#"spec.image: Invalid value: "X1": spec.image in body should match '^[a-z]+$'"#,
                r#"spec.mode: Unsupported value: "Fsat": supported values: "Fast", "Slow""#,
                "spec.replicas: Invalid value: -1: spec.replicas in body should be greater than or equal to 0",
            ],
        ),
        ("{spec: {image: toolong, mode: Fast}}", vec!["spec.image: Too long: may not be more than 5 bytes"]),
        (
            "{spec: {image: x, mode: Fast, replicas: many}}",
            vec![r#"spec.replicas: Invalid value: "string": spec.replicas in body must be of type integer: "string""#],
        ),
        (
            "{spec: {image: x, mode: Fast, port: true}}",
            vec![r#"spec.port: Invalid value: "boolean": spec.port in body must be of type integer,string: "boolean""#],
        ),
        (
            "{spec: {image: x, mode: Fast, tags: [a, b, a]}}",
            vec!["spec.tags: Too many: 3: must have at most 2 items", r#"spec.tags[2]: Duplicate value: "a""#],
        ),
        ("{spec: {image: x, mode: Fast, steps: [{name: a}, {name: a}]}}", vec![r#"spec.steps[1]: Duplicate value: {"name":"a"}"#]),
        (
            "{spec: {image: x, mode: Fast, limits: {cpu: 0}}}",
            vec!["spec.limits.cpu: Invalid value: 0: spec.limits.cpu in body should be greater than 0"],
        ),
        (
            "{spec: {image: x, mode: Fast, either: {}}}",
            vec![
                r#"<nil>: Invalid value: "": "spec.either" must validate one and only one schema (oneOf). Found none valid"#,
                "spec.either.a: Required value",
            ],
        ),
        ("{spec: {image: x, mode: Fast, template: {kind: Pod}}}", vec!["spec.template.apiVersion: Required value"]),
        ("{spec: {image: x, mode: Fast, port: 80, note: null, tags: [a], either: {b: c}}}", vec![]),
    ];
    let schema = custom(THING);
    for (object, expected) in table {
        assert_eq!(texts(&schema.validate(&yaml(object), None)), expected, "{object}");
    }
}

#[test]
fn a_schema_that_is_not_structural_is_refused() {
    let table = [
        ("{properties: {}}", vec!["type: Required value: must not be empty at the root"]),
        (
            "{type: object, properties: {spec: {}}}",
            vec!["properties[spec].type: Required value: must not be empty for specified object fields"],
        ),
        ("{type: object, properties: {a: {type: array}}}", vec!["properties[a].items: Required value: must be specified"]),
        (
            "{type: object, properties: {a: {type: text}}}",
            vec![
                r#"properties[a].type: Unsupported value: "text": supported values: "array", "boolean", "integer", "number", "object", "string""#,
            ],
        ),
        (
            "{type: object, properties: {a: {type: string, anyOf: [{type: string}]}}}",
            vec!["properties[a].anyOf[0].type: Forbidden: must be empty to be structural"],
        ),
        (
            "{type: object, properties: {a: {type: array, x-kubernetes-list-type: map, x-kubernetes-list-map-keys: [k],
               items: {type: object, properties: {k: {type: string}}}}}}",
            vec![
                "properties[a].items.properties[k].default: Required value: this property is in x-kubernetes-list-map-keys, so it must have \
                 a default or be a required property",
            ],
        ),
        ("{type: object, properties: {a: {x-kubernetes-int-or-string: true, anyOf: [{type: integer}, {type: string}]}}}", vec![]),
    ];
    for (schema, expected) in table {
        let found = TypeSchema::from_crd(&yaml(schema)).err().unwrap_or_default();
        assert_eq!(texts(&found), expected, "{schema}");
    }
}

fn deployment() -> Arc<TypeSchema> {
    TypeSchema::built_in("apps/v1", "Deployment").unwrap()
}

#[test]
fn a_built_in_object_comes_out_as_its_server_writes_it() {
    let mut object = yaml(
        "{apiVersion: apps/v1, kind: Deployment, metadata: {name: web, labels: {}, creationTimestamp: null},
          spec: {paused: false, replicas: 0, selector: {matchLabels: {app: web}}, template: {metadata: {labels: {app: web}}, spec: {
            containers: [{name: main, image: nginx, args: [], resources: {requests: {cpu: 1000m, memory: 1}}, env: null}, {name: b}]}}}}",
    );
    assert_eq!(deployment().prune(&mut object), Vec::<String>::new());
    let expected = yaml(
        "{apiVersion: apps/v1, kind: Deployment, metadata: {name: web}, status: {},
          spec: {replicas: 0, selector: {matchLabels: {app: web}}, strategy: {}, template: {metadata: {labels: {app: web}}, spec: {
            containers: [{name: main, image: nginx, resources: {requests: {cpu: '1', memory: '1'}}}, {name: b, resources: {}}]}}}}",
    );
    assert_eq!(object, expected);
}

#[test]
fn unknown_fields_of_built_in_objects_are_named_with_their_places() {
    let object = yaml(
        "{metadata: {name: web}, spec: {replicaz: 2, template: {spec: {containers: [{name: a, imagee: b}], foo: 1}}}, apiVersion: apps/v1,
          kind: Deployment}",
    );
    let unknown = deployment().unknown_fields(&object);
    assert_eq!(unknown, ["spec.replicaz", "spec.template.spec.containers[0].imagee", "spec.template.spec.foo"]);
    assert_eq!(strict_error(&strict_problems(&unknown[..1])), r#"strict decoding error: unknown field "spec.replicaz""#);
}

#[test]
fn a_value_of_the_wrong_type_is_refused_in_the_words_of_the_decoder() {
    let table = [
        ("{spec: {replicas: two}}", Some("json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32")),
        (
            "{spec: {replicas: 1.5}}",
            Some("json: cannot unmarshal number 1.5 into Go struct field DeploymentSpec.spec.replicas of type int32"),
        ),
        (
            "{metadata: {labels: {a: 1}}}",
            Some("json: cannot unmarshal number into Go struct field ObjectMeta.metadata.labels of type string"),
        ),
        (
            "{spec: {template: {spec: {containers: {}}}}}",
            Some("json: cannot unmarshal object into Go struct field PodSpec.spec.template.spec.containers of type []v1.Container"),
        ),
        (
            "{spec: {template: {spec: {containers: [{env: [{name: a, value: 1}]}]}}}}",
            Some("json: cannot unmarshal number into Go struct field EnvVar.spec.template.spec.containers.env.value of type string"),
        ),
        (
            "{spec: {template: {spec: {containers: [{resources: {limits: {cpu: lots}}}]}}}}",
            Some("quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"),
        ),
        ("{spec: {replicas: null, template: {spec: {containers: [{resources: {limits: {cpu: 1}}}]}}}}", None),
    ];
    for (object, expected) in table {
        assert_eq!(deployment().decode_error(&yaml(object)).as_deref(), expected, "{object}");
    }
    let refusal = cannot_be_handled("apps/v1", "Deployment", "why");
    assert_eq!((refusal.code, &*refusal.message), (400, r#"Deployment in version "v1" cannot be handled as a Deployment: why"#));
}

#[test]
fn all_definitions_of_other_projects_are_structural() {
    for definition in recordings::definitions() {
        for version in definition["spec"]["versions"].as_array().unwrap() {
            let schema = &version["schema"]["openAPIV3Schema"];
            let found = TypeSchema::from_crd(schema).err().unwrap_or_default();
            assert_eq!(texts(&found), Vec::<String>::new(), "{} {}", definition["metadata"]["name"], version["name"]);
        }
    }
}

#[test]
fn custom_resources_of_the_recording_are_refused_and_changed_as_there() {
    let definitions = recordings::definitions();
    let schema_for = |object: &Value| {
        let (group, version) = object["apiVersion"].as_str()?.split_once('/')?;
        let is_meant = |of: &&Value| of["spec"]["group"] == group && of["spec"]["names"]["kind"] == object["kind"];
        let definition = definitions.iter().find(is_meant)?;
        TypeSchema::from_crd(recordings::schema_of(definition, version)).ok()
    };
    // What is stored has the fields of the stored version only.
    let stored = |object: &Value| {
        let mut object = object.clone();
        let definition = definitions.iter().find(|of| of["spec"]["names"]["kind"] == object["kind"]).expect("found above");
        let version = definition["spec"]["versions"].as_array().unwrap().iter().find(|version| version["storage"] == true).unwrap();
        TypeSchema::from_crd(&version["schema"]["openAPIV3Schema"]).unwrap().prune(&mut object);
        object
    };
    let mut seen = 0;
    for exchange in recordings::exchanges("control-plane").iter().filter(|exchange| exchange.method == "POST") {
        let Some(schema) = schema_for(&exchange.body) else { continue };
        let mut object = exchange.body.clone();
        assert_eq!(schema.prune(&mut object), Vec::<String>::new());
        schema.default(&mut object);
        let errors = schema.validate(&object, None);
        seen += 1;
        if exchange.status == 422 {
            let group = exchange.body["apiVersion"].as_str().unwrap().split('/').next().unwrap();
            let refusal = ApiError::invalid(group, exchange.body["kind"].as_str().unwrap(), "bad", &errors).to_status();
            assert_eq!(refusal, exchange.answer, "{}", exchange.step);
        } else {
            assert_eq!(errors, [], "{}", exchange.step);
            assert_eq!(stored(&object)["spec"], exchange.answer["spec"], "{}", exchange.step);
        }
    }
    assert!(seen >= 4 || definitions.is_empty(), "the recording has custom resources");
}

#[test]
fn a_stub_of_a_workload_lacks_what_it_requires() {
    let Some(stub) = recordings::yaml("kruise-samples/apps_v1beta1_statefulset.yaml") else { return };
    let definition = recordings::yaml("kruise-crds/apps.kruise.io_statefulsets.yaml").unwrap();
    let schema = TypeSchema::from_crd(recordings::schema_of(&definition, "v1beta1")).unwrap();
    let mut object = stub.clone();
    schema.prune(&mut object);
    assert_eq!(texts(&schema.validate(&object, None)), ["spec.selector: Required value", "spec.template: Required value"]);
}

#[test]
fn nothing_that_is_json_makes_a_schema_panic() {
    let schemas = [Arc::new(custom(THING)), deployment(), TypeSchema::built_in("v1", "Pod").unwrap()];
    crate::fields::arbitrary::values(2_000, |value| {
        for schema in &schemas {
            let mut object = value.clone();
            schema.decode_error(&object);
            schema.prune(&mut object);
            let once = object.clone();
            assert_eq!(schema.prune(&mut object), Vec::<String>::new(), "pruning leaves nothing to prune in {value}");
            assert_eq!(object, once);
            schema.default(&mut object);
            schema.validate(&object, None);
        }
        let _ = TypeSchema::from_crd(value);
    });
}
