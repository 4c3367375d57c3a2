//! How objects are named after other objects. Names are part of the API: other tools compute them too.
//!
//! Nothing here checks that a name is allowed; that is the API server's to do.

use crate::object::Object;

/// What namespaces of execution spaces begin with.
pub const EXECUTION_SPACE_PREFIX: &str = "karmada-es-";
/// The namespace of the control plane itself.
pub const SYSTEM_NAMESPACE: &str = "karmada-system";
/// The namespace of secrets and leases of clusters.
pub const CLUSTER_NAMESPACE: &str = "karmada-cluster";

/// The longest name that a cluster may have.
pub const CLUSTER_NAME_MAX: usize = 48;

/// Name of the binding of an object, whichever its group: `nginx-deployment`.
pub fn binding_name(kind: &str, name: &str) -> String {
    lower(&format!("{}-{kind}", plain(name)))
}

/// Name of the Work of an object: `nginx-687f7fb96f`. `namespace` is empty for a cluster-scoped object.
pub fn work_name(kind: &str, name: &str, namespace: &str) -> String {
    let name = lower(&plain(name));
    let key = match namespace {
        "" => format!("{name}-{kind}"),
        namespace => format!("{namespace}-{name}-{kind}"),
    };
    format!("{name}-{}", hash(&lower(&key)))
}

/// [`work_name`] of an object.
pub fn work_name_of(object: &Object) -> String {
    work_name(object.kind(), object.name(), object.namespace().unwrap_or(""))
}

/// The namespace that holds the Works of a cluster.
pub fn execution_namespace(cluster: &str) -> String {
    format!("{EXECUTION_SPACE_PREFIX}{cluster}")
}

/// The cluster whose Works a namespace holds; `None` for other namespaces.
pub fn cluster_of_execution_namespace(namespace: &str) -> Option<&str> {
    namespace.strip_prefix(EXECUTION_SPACE_PREFIX)
}

/// Whether nothing in the namespace is ever propagated, because it is the control plane's own.
pub fn is_reserved_namespace(namespace: &str) -> bool {
    namespace == SYSTEM_NAMESPACE || namespace == CLUSTER_NAMESPACE || namespace.starts_with(EXECUTION_SPACE_PREFIX)
}

/// The end of the label `resourcebinding.karmada.io/depended-by-…` that names a binding.
pub fn binding_reference_key(namespace: &str, name: &str) -> String {
    hash(&namespaced_key(namespace, name))
}

/// `namespace/name`, or the name alone where there is no namespace.
pub fn namespaced_key(namespace: &str, name: &str) -> String {
    match namespace {
        "" => name.to_owned(),
        namespace => format!("{namespace}/{name}"),
    }
}

/// Name of the policy that promotes one object. `gvk` as Go prints it: `apps/v1, Kind=Deployment`.
pub fn promotion_policy_name(namespace: &str, name: &str, gvk: &str) -> String {
    lower(&format!("{}-{}", plain(name), hash(&format!("{namespace}{gvk}"))))
}

/// Name of the account that the control plane uses in a cluster.
pub fn service_account_name(cluster: &str) -> String {
    format!("karmada-{cluster}")
}

/// Name of the secret that lets the control plane act as somebody else in a cluster.
pub fn impersonation_secret_name(cluster: &str) -> String {
    format!("{cluster}-impersonator")
}

/// Name that an EndpointSlice of a cluster has in the clusters that import it.
pub fn imported_endpoint_slice_name(name: &str, cluster: &str) -> String {
    format!("imported-{cluster}-{name}")
}

/// Name of the Service that is derived from an imported one.
pub fn derived_service_name(name: &str) -> String {
    format!("derived-{name}")
}

fn plain(name: &str) -> String {
    name.replace(':', ".")
}

/// Letter by letter, as Go does it: no letter becomes two, and none looks at its neighbours.
fn lower(text: &str) -> String {
    text.chars().map(|letter| letter.to_lowercase().next().unwrap_or(letter)).collect()
}

/// FNV-1a of 32 bits in decimal digits, each digit as a letter that cannot make up words.
fn hash(text: &str) -> String {
    const ALPHABET: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";
    let number = text.bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    number.to_string().bytes().map(|digit| char::from(ALPHABET[usize::from(digit) % 27])).collect()
}
