//! The table of built-in resources, in the order of discovery. Says which there are; what each does is in the module it names.

use super::{
    Behaviour, BuiltIn, Conversion, apps, autoscaling, autoscaling_v1, batch, core, events, extensions, network_policies, networking, pods,
    policy, rbac, webhooks,
};

/// A kind that is only stored.
struct Plain;

impl Behaviour for Plain {}

const fn cluster(group: &'static str, version: &'static str, kind: &'static str, plural: &'static str, singular: &'static str) -> BuiltIn {
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
    BuiltIn { namespaced: true, ..cluster(group, version, kind, plural, singular) }
}

/// A built-in type that is not in the table, because nothing of it is stored: a review.
pub fn unstored(
    group: &'static str,
    version: &'static str,
    kind: &'static str,
    plural: &'static str,
    singular: &'static str,
    namespaced: bool,
) -> BuiltIn {
    BuiltIn { namespaced, ..cluster(group, version, kind, plural, singular) }
}

impl BuiltIn {
    const fn short(self, short_names: &'static [&'static str]) -> Self {
        Self { short_names, ..self }
    }
    const fn in_all(self) -> Self {
        Self { categories: &["all"], ..self }
    }
    const fn extends_the_api(self) -> Self {
        Self { categories: &["api-extensions"], ..self }
    }
    const fn status(self) -> Self {
        Self { has_status: true, ..self }
    }
    const fn scale(self) -> Self {
        Self { has_scale: true, ..self }
    }
    const fn behaves(self, behaviour: &'static dyn Behaviour) -> Self {
        Self { behaviour, ..self }
    }
    const fn generation(self) -> Self {
        Self { has_generation: true, ..self }
    }
}

const ADMISSION: &str = "admissionregistration.k8s.io";
const RBAC: &str = "rbac.authorization.k8s.io";
const NETWORKING: &str = "networking.k8s.io";

/// In the order of discovery; a resource's preferred version comes first.
pub(super) static BUILT_INS: &[BuiltIn] = &[
    namespaced("", "v1", "ConfigMap", "configmaps", "configmap").behaves(&core::ConfigMaps).short(&["cm"]),
    namespaced("", "v1", "Endpoints", "endpoints", "endpoints").behaves(&core::Endpoints).short(&["ep"]),
    namespaced("", "v1", "Event", "events", "event").behaves(&events::Events).short(&["ev"]),
    namespaced("", "v1", "LimitRange", "limitranges", "limitrange").behaves(&core::LimitRanges).short(&["limits"]),
    cluster("", "v1", "Namespace", "namespaces", "namespace").behaves(&core::Namespaces).short(&["ns"]).status(),
    cluster("", "v1", "Node", "nodes", "node").behaves(&core::Nodes).short(&["no"]).status(),
    namespaced("", "v1", "PersistentVolumeClaim", "persistentvolumeclaims", "persistentvolumeclaim")
        .behaves(&core::PersistentVolumeClaims)
        .short(&["pvc"])
        .status(),
    cluster("", "v1", "PersistentVolume", "persistentvolumes", "persistentvolume")
        .behaves(&core::PersistentVolumes)
        .short(&["pv"])
        .status(),
    namespaced("", "v1", "Pod", "pods", "pod").behaves(&pods::Pods).short(&["po"]).in_all().status().generation(),
    namespaced("", "v1", "PodTemplate", "podtemplates", "podtemplate").behaves(&pods::PodTemplates).generation(),
    namespaced("", "v1", "ReplicationController", "replicationcontrollers", "replicationcontroller")
        .behaves(&apps::ReplicationControllers)
        .short(&["rc"])
        .in_all()
        .status()
        .scale()
        .generation(),
    namespaced("", "v1", "ResourceQuota", "resourcequotas", "resourcequota").behaves(&core::ResourceQuotas).short(&["quota"]).status(),
    namespaced("", "v1", "Secret", "secrets", "secret").behaves(&core::Secrets),
    namespaced("", "v1", "ServiceAccount", "serviceaccounts", "serviceaccount").behaves(&core::ServiceAccounts).short(&["sa"]),
    namespaced("", "v1", "Service", "services", "service").behaves(&core::Services).short(&["svc"]).in_all().status(),
    cluster("apiregistration.k8s.io", "v1", "APIService", "apiservices", "apiservice")
        .behaves(&extensions::ApiServices)
        .extends_the_api()
        .status(),
    namespaced("apps", "v1", "ControllerRevision", "controllerrevisions", "controllerrevision").behaves(&apps::ControllerRevisions),
    namespaced("apps", "v1", "DaemonSet", "daemonsets", "daemonset")
        .behaves(&apps::DaemonSets)
        .short(&["ds"])
        .in_all()
        .status()
        .generation(),
    namespaced("apps", "v1", "Deployment", "deployments", "deployment")
        .behaves(&apps::Deployments)
        .short(&["deploy"])
        .in_all()
        .status()
        .scale()
        .generation(),
    namespaced("apps", "v1", "ReplicaSet", "replicasets", "replicaset")
        .behaves(&apps::ReplicaSets)
        .short(&["rs"])
        .in_all()
        .status()
        .scale()
        .generation(),
    namespaced("apps", "v1", "StatefulSet", "statefulsets", "statefulset")
        .behaves(&apps::StatefulSets)
        .short(&["sts"])
        .in_all()
        .status()
        .scale()
        .generation(),
    BuiltIn {
        kept_as: Some(Conversion { group: "", version: "v1", to_kept: events::to_core, from_kept: events::from_core }),
        ..namespaced("events.k8s.io", "v1", "Event", "events", "event").behaves(&events::NewEvents).short(&["ev"])
    },
    namespaced("autoscaling", "v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers", "horizontalpodautoscaler")
        .behaves(&autoscaling::HorizontalPodAutoscalers)
        .short(&["hpa"])
        .in_all()
        .status(),
    BuiltIn {
        kept_as: Some(Conversion { group: "autoscaling", version: "v2", to_kept: autoscaling_v1::to_v2, from_kept: autoscaling_v1::of_v2 }),
        ..namespaced("autoscaling", "v1", "HorizontalPodAutoscaler", "horizontalpodautoscalers", "horizontalpodautoscaler")
            .behaves(&autoscaling::HorizontalPodAutoscalers)
            .short(&["hpa"])
            .in_all()
            .status()
    },
    namespaced("batch", "v1", "CronJob", "cronjobs", "cronjob").behaves(&batch::CronJobs).short(&["cj"]).in_all().status().generation(),
    namespaced("batch", "v1", "Job", "jobs", "job").behaves(&batch::Jobs).in_all().status().generation(),
    cluster(NETWORKING, "v1", "IngressClass", "ingressclasses", "ingressclass").behaves(&networking::IngressClasses).generation(),
    namespaced(NETWORKING, "v1", "Ingress", "ingresses", "ingress").behaves(&networking::Ingresses).short(&["ing"]).status().generation(),
    namespaced(NETWORKING, "v1", "NetworkPolicy", "networkpolicies", "networkpolicy")
        .behaves(&network_policies::NetworkPolicies)
        .short(&["netpol"])
        .generation(),
    namespaced("policy", "v1", "PodDisruptionBudget", "poddisruptionbudgets", "poddisruptionbudget")
        .behaves(&policy::PodDisruptionBudgets)
        .short(&["pdb"])
        .status()
        .generation(),
    cluster(RBAC, "v1", "ClusterRoleBinding", "clusterrolebindings", "clusterrolebinding").behaves(&rbac::RoleBindings),
    cluster(RBAC, "v1", "ClusterRole", "clusterroles", "clusterrole").behaves(&rbac::Roles),
    namespaced(RBAC, "v1", "RoleBinding", "rolebindings", "rolebinding").behaves(&rbac::RoleBindings),
    namespaced(RBAC, "v1", "Role", "roles", "role").behaves(&rbac::Roles),
    cluster("storage.k8s.io", "v1", "StorageClass", "storageclasses", "storageclass").behaves(&policy::StorageClasses).short(&["sc"]),
    cluster(ADMISSION, "v1", "MutatingWebhookConfiguration", "mutatingwebhookconfigurations", "mutatingwebhookconfiguration")
        .behaves(&webhooks::WebhookConfigurations { mutating: true })
        .extends_the_api()
        .generation(),
    cluster(ADMISSION, "v1", "ValidatingWebhookConfiguration", "validatingwebhookconfigurations", "validatingwebhookconfiguration")
        .behaves(&webhooks::WebhookConfigurations { mutating: false })
        .extends_the_api()
        .generation(),
    cluster("apiextensions.k8s.io", "v1", "CustomResourceDefinition", "customresourcedefinitions", "customresourcedefinition")
        .behaves(&extensions::CustomResourceDefinitions)
        .short(&["crd", "crds"])
        .extends_the_api()
        .status()
        .generation(),
    cluster("scheduling.k8s.io", "v1", "PriorityClass", "priorityclasses", "priorityclass")
        .behaves(&policy::PriorityClasses)
        .short(&["pc"])
        .generation(),
    namespaced("coordination.k8s.io", "v1", "Lease", "leases", "lease").behaves(&policy::Leases),
    namespaced("discovery.k8s.io", "v1", "EndpointSlice", "endpointslices", "endpointslice")
        .behaves(&networking::EndpointSlices)
        .generation(),
];
