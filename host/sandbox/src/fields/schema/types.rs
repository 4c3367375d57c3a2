//! Which built-in types have a schema, and where its definition comes from: the schemas of `k8s-openapi`.
//!
//! Definitions keep their OpenAPI names (`io.k8s.api.apps.v1.Deployment`); nothing here says how lists merge (see [`super::facts`]).

use k8s_openapi::Resource;
use k8s_openapi::api::{
    admissionregistration::v1 as admission, apps::v1 as apps, authentication::v1 as authentication, authorization::v1 as authorization,
    autoscaling::v1 as autoscaling, autoscaling::v2 as autoscaling2, batch::v1 as batch, certificates::v1 as certificates,
    coordination::v1 as coordination, core::v1 as core, discovery::v1 as discovery, events::v1 as events, flowcontrol::v1 as flowcontrol,
    networking::v1 as networking, node::v1 as node, policy::v1 as policy, rbac::v1 as rbac, resource::v1 as resource,
    scheduling::v1 as scheduling, storage::v1 as storage,
};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1 as apiextensions;
use k8s_openapi::apimachinery::pkg::apis::meta::v1 as meta;
use k8s_openapi::kube_aggregator::pkg::apis::apiregistration::v1 as apiregistration;
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value};
use std::sync::LazyLock;

/// A built-in type: `apiVersion`, `kind` and the name of its definition.
pub(crate) struct Type {
    pub api_version: &'static str,
    pub kind: &'static str,
    pub definition: String,
}

/// The definitions of all built-in types, and the types themselves.
pub(crate) struct Definitions {
    pub types: Vec<Type>,
    /// By name, as JSON schemas whose references read `#/$defs/<name>`.
    pub schemas: Map<String, Value>,
}

/// Made once: about 700 definitions, some 20 ms.
pub(crate) static DEFINITIONS: LazyLock<Definitions> = LazyLock::new(Definitions::read);

/// The reference prefix of the definitions.
pub(crate) const REFERENCE: &str = "#/$defs/";

struct Reader {
    generator: SchemaGenerator,
    types: Vec<Type>,
}

impl Reader {
    fn add<T: Resource + JsonSchema>(&mut self) {
        self.generator.subschema_for::<T>();
        self.types.push(Type { api_version: T::API_VERSION, kind: T::KIND, definition: T::schema_name().into_owned() });
    }
}

macro_rules! read {
    ($reader:ident: $($module:ident { $($kind:ident)* })*) => { $( $( $reader.add::<$module::$kind>(); )* )* };
}

impl Definitions {
    fn read() -> Self {
        let mut reader = Reader { generator: SchemaSettings::draft2020_12().into_generator(), types: Vec::new() };
        read!(reader:
            core {
                Binding ConfigMap Endpoints Event LimitRange Namespace Node PersistentVolume PersistentVolumeClaim Pod PodTemplate
                ReplicationController ResourceQuota Secret Service ServiceAccount
            }
            apps { ControllerRevision DaemonSet Deployment ReplicaSet StatefulSet }
            batch { CronJob Job }
            autoscaling { HorizontalPodAutoscaler Scale }
            autoscaling2 { HorizontalPodAutoscaler }
            policy { Eviction PodDisruptionBudget }
            rbac { ClusterRole ClusterRoleBinding Role RoleBinding }
            networking { IPAddress Ingress IngressClass NetworkPolicy ServiceCIDR }
            discovery { EndpointSlice }
            coordination { Lease }
            events { Event }
            storage { CSIDriver CSINode CSIStorageCapacity StorageClass VolumeAttachment VolumeAttributesClass }
            scheduling { PriorityClass }
            node { RuntimeClass }
            admission {
                MutatingWebhookConfiguration ValidatingAdmissionPolicy ValidatingAdmissionPolicyBinding ValidatingWebhookConfiguration
            }
            apiextensions { CustomResourceDefinition }
            apiregistration { APIService }
            certificates { CertificateSigningRequest }
            authentication { SelfSubjectReview TokenRequest TokenReview }
            authorization { LocalSubjectAccessReview SelfSubjectAccessReview SelfSubjectRulesReview SubjectAccessReview }
            flowcontrol { FlowSchema PriorityLevelConfiguration }
            resource { DeviceClass ResourceClaim ResourceClaimTemplate ResourceSlice }
        );
        reader.generator.subschema_for::<meta::DeleteOptions>();
        let schemas = reader.generator.take_definitions(true);
        Self { types: reader.types, schemas }
    }
}
