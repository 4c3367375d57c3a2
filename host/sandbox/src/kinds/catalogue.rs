//! The table of built-in resources, in the order of discovery. Says which there are; what each does is in the module it names.

use super::{Behaviour, BuiltIn, Conversion};

/// A kind that is only stored.
struct Plain;

impl Behaviour for Plain {}

const fn cluster(
    group: &'static str,
    version: &'static str,
    kind: &'static str,
    plural: &'static str,
    singular: &'static str,
) -> BuiltIn {
    BuiltIn {
        group,
        version,
        kind,
        plural,
        singular,
        short_names: &[],
        categories: &[],
        namespaced: false,
        has_status: false,
        has_scale: false,
        has_generation: false,
        kept_as: None,
        behaviour: &Plain,
    }
}

const fn namespaced(
    group: &'static str,
    version: &'static str,
    kind: &'static str,
    plural: &'static str,
    singular: &'static str,
) -> BuiltIn {
    BuiltIn {
        namespaced: true,
        ..cluster(group, version, kind, plural, singular)
    }
}

impl BuiltIn {
    const fn short(self, short_names: &'static [&'static str]) -> Self {
        Self {
            short_names,
            ..self
        }
    }
    const fn in_all(self) -> Self {
        Self {
            categories: &["all"],
            ..self
        }
    }
    const fn extends_the_api(self) -> Self {
        Self {
            categories: &["api-extensions"],
            ..self
        }
    }
    const fn status(self) -> Self {
        Self {
            has_status: true,
            ..self
        }
    }
    const fn scale(self) -> Self {
        Self {
            has_scale: true,
            ..self
        }
    }
    const fn generation(self) -> Self {
        Self {
            has_generation: true,
            ..self
        }
    }
}

const ADMISSION: &str = "admissionregistration.k8s.io";
const RBAC: &str = "rbac.authorization.k8s.io";
const NETWORKING: &str = "networking.k8s.io";

/// In the order of discovery; a resource's preferred version comes first.
pub(super) static BUILT_INS: &[BuiltIn] = &[
    namespaced("", "v1", "ConfigMap", "configmaps", "configmap").short(&["cm"]),
    namespaced("", "v1", "Endpoints", "endpoints", "endpoints").short(&["ep"]),
    namespaced("", "v1", "Event", "events", "event").short(&["ev"]),
    namespaced("", "v1", "LimitRange", "limitranges", "limitrange").short(&["limits"]),
    cluster("", "v1", "Namespace", "namespaces", "namespace")
        .short(&["ns"])
        .status(),
    cluster("", "v1", "Node", "nodes", "node")
        .short(&["no"])
        .status(),
    namespaced(
        "",
        "v1",
        "PersistentVolumeClaim",
        "persistentvolumeclaims",
        "persistentvolumeclaim",
    )
    .short(&["pvc"])
    .status(),
    cluster(
        "",
        "v1",
        "PersistentVolume",
        "persistentvolumes",
        "persistentvolume",
    )
    .short(&["pv"])
    .status(),
    namespaced("", "v1", "Pod", "pods", "pod")
        .short(&["po"])
        .in_all()
        .status()
        .generation(),
    namespaced("", "v1", "PodTemplate", "podtemplates", "podtemplate").generation(),
    namespaced(
        "",
        "v1",
        "ReplicationController",
        "replicationcontrollers",
        "replicationcontroller",
    )
    .short(&["rc"])
    .in_all()
    .status()
    .scale()
    .generation(),
    namespaced("", "v1", "ResourceQuota", "resourcequotas", "resourcequota")
        .short(&["quota"])
        .status(),
    namespaced("", "v1", "Secret", "secrets", "secret"),
    namespaced(
        "",
        "v1",
        "ServiceAccount",
        "serviceaccounts",
        "serviceaccount",
    )
    .short(&["sa"]),
    namespaced("", "v1", "Service", "services", "service")
        .short(&["svc"])
        .in_all()
        .status(),
    cluster(
        "apiregistration.k8s.io",
        "v1",
        "APIService",
        "apiservices",
        "apiservice",
    )
    .extends_the_api()
    .status(),
    namespaced(
        "apps",
        "v1",
        "ControllerRevision",
        "controllerrevisions",
        "controllerrevision",
    ),
    namespaced("apps", "v1", "DaemonSet", "daemonsets", "daemonset")
        .short(&["ds"])
        .in_all()
        .status()
        .generation(),
    namespaced("apps", "v1", "Deployment", "deployments", "deployment")
        .short(&["deploy"])
        .in_all()
        .status()
        .scale()
        .generation(),
    namespaced("apps", "v1", "ReplicaSet", "replicasets", "replicaset")
        .short(&["rs"])
        .in_all()
        .status()
        .scale()
        .generation(),
    namespaced("apps", "v1", "StatefulSet", "statefulsets", "statefulset")
        .short(&["sts"])
        .in_all()
        .status()
        .scale()
        .generation(),
    BuiltIn {
        kept_as: Some(Conversion {
            group: "",
            version: "v1",
            to_kept: super::events::to_core,
            from_kept: super::events::from_core,
        }),
        ..namespaced("events.k8s.io", "v1", "Event", "events", "event").short(&["ev"])
    },
    namespaced(
        "autoscaling",
        "v2",
        "HorizontalPodAutoscaler",
        "horizontalpodautoscalers",
        "horizontalpodautoscaler",
    )
    .short(&["hpa"])
    .in_all()
    .status(),
    BuiltIn {
        kept_as: Some(Conversion {
            group: "autoscaling",
            version: "v2",
            to_kept: super::autoscaling::v1_to_v2,
            from_kept: super::autoscaling::v2_to_v1,
        }),
        ..namespaced(
            "autoscaling",
            "v1",
            "HorizontalPodAutoscaler",
            "horizontalpodautoscalers",
            "horizontalpodautoscaler",
        )
        .short(&["hpa"])
        .in_all()
        .status()
    },
    namespaced("batch", "v1", "CronJob", "cronjobs", "cronjob")
        .short(&["cj"])
        .in_all()
        .status()
        .generation(),
    namespaced("batch", "v1", "Job", "jobs", "job")
        .in_all()
        .status()
        .generation(),
    cluster(
        NETWORKING,
        "v1",
        "IngressClass",
        "ingressclasses",
        "ingressclass",
    )
    .generation(),
    namespaced(NETWORKING, "v1", "Ingress", "ingresses", "ingress")
        .short(&["ing"])
        .status()
        .generation(),
    namespaced(
        NETWORKING,
        "v1",
        "NetworkPolicy",
        "networkpolicies",
        "networkpolicy",
    )
    .short(&["netpol"])
    .generation(),
    namespaced(
        "policy",
        "v1",
        "PodDisruptionBudget",
        "poddisruptionbudgets",
        "poddisruptionbudget",
    )
    .short(&["pdb"])
    .status()
    .generation(),
    cluster(
        RBAC,
        "v1",
        "ClusterRoleBinding",
        "clusterrolebindings",
        "clusterrolebinding",
    ),
    cluster(RBAC, "v1", "ClusterRole", "clusterroles", "clusterrole"),
    namespaced(RBAC, "v1", "RoleBinding", "rolebindings", "rolebinding"),
    namespaced(RBAC, "v1", "Role", "roles", "role"),
    cluster(
        "storage.k8s.io",
        "v1",
        "StorageClass",
        "storageclasses",
        "storageclass",
    )
    .short(&["sc"]),
    cluster(
        ADMISSION,
        "v1",
        "MutatingWebhookConfiguration",
        "mutatingwebhookconfigurations",
        "mutatingwebhookconfiguration",
    )
    .extends_the_api()
    .generation(),
    cluster(
        ADMISSION,
        "v1",
        "ValidatingWebhookConfiguration",
        "validatingwebhookconfigurations",
        "validatingwebhookconfiguration",
    )
    .extends_the_api()
    .generation(),
    cluster(
        "apiextensions.k8s.io",
        "v1",
        "CustomResourceDefinition",
        "customresourcedefinitions",
        "customresourcedefinition",
    )
    .short(&["crd", "crds"])
    .extends_the_api()
    .status()
    .generation(),
    cluster(
        "scheduling.k8s.io",
        "v1",
        "PriorityClass",
        "priorityclasses",
        "priorityclass",
    )
    .short(&["pc"])
    .generation(),
    namespaced("coordination.k8s.io", "v1", "Lease", "leases", "lease"),
    namespaced(
        "discovery.k8s.io",
        "v1",
        "EndpointSlice",
        "endpointslices",
        "endpointslice",
    )
    .generation(),
];
