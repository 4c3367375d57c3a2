//! What the pods of a template refer to. A field of this type hands over those fields of a pod template that name other objects, and
//! nothing else of it.

use crate::{Fields, Reference};

/// The fields of a pod template that name other objects; see [`PodReferences::dependencies`]. Where all of them are the answer,
/// [`Dependency::pods_of`](crate::Dependency::pods_of) needs none of this.
#[derive(Debug, Clone, PartialEq, Fields)]
pub struct PodReferences {
    #[fields(path = "/spec/imagePullSecrets", default)]
    image_pull_secrets: List<Name>,
    #[fields(path = "/spec/initContainers", default)]
    init_containers: List<Container>,
    #[fields(path = "/spec/containers", default)]
    containers: List<Container>,
    #[fields(path = "/spec/ephemeralContainers", default)]
    ephemeral_containers: List<Container>,
    #[fields(path = "/spec/volumes", default)]
    volumes: List<Volume>,
    #[fields(path = "/spec/serviceAccountName", default)]
    service_account: String,
}

/// Items that are `null` count for nothing.
type List<T> = Vec<Option<T>>;

#[derive(Debug, Clone, PartialEq, Default, Fields)]
#[fields(default)]
struct Name {
    name: String,
}

#[derive(Debug, Clone, PartialEq, Fields)]
#[fields(default)]
struct Container {
    env_from: List<Source>,
    env: List<Variable>,
}

#[derive(Debug, Clone, PartialEq, Fields)]
struct Source {
    config_map_ref: Option<Name>,
    secret_ref: Option<Name>,
}

#[derive(Debug, Clone, PartialEq, Fields)]
struct Variable {
    value_from: Option<Key>,
}

#[derive(Debug, Clone, PartialEq, Fields)]
struct Key {
    config_map_key_ref: Option<Name>,
    secret_key_ref: Option<Name>,
}

#[derive(Debug, Clone, PartialEq, Fields)]
struct Volume {
    config_map: Option<Name>,
    #[fields(path = "/persistentVolumeClaim/claimName", default)]
    claim: String,
    #[fields(path = "/projected/sources", default)]
    projected: List<Projected>,
    azure_file: Option<SecretName>,
    cephfs: Option<SecretRef>,
    cinder: Option<SecretRef>,
    flex_volume: Option<SecretRef>,
    rbd: Option<SecretRef>,
    secret: Option<SecretName>,
    #[fields(rename = "scaleIO")]
    scale_io: Option<SecretRef>,
    iscsi: Option<SecretRef>,
    storageos: Option<SecretRef>,
    csi: Option<Csi>,
}

#[derive(Debug, Clone, PartialEq, Fields)]
struct Projected {
    config_map: Option<Name>,
    secret: Option<Name>,
}

#[derive(Debug, Clone, PartialEq, Fields)]
#[fields(default)]
struct SecretName {
    secret_name: String,
}

#[derive(Debug, Clone, PartialEq, Fields)]
struct SecretRef {
    #[fields(path = "/secretRef/name", default)]
    name: String,
}

#[derive(Debug, Clone, PartialEq, Fields)]
struct Csi {
    #[fields(path = "/nodePublishSecretRef/name", default)]
    secret: String,
}

/// Kind and name of an object.
type Found<'a> = Vec<(&'static str, &'a str)>;

impl PodReferences {
    /// The ConfigMaps, Secrets, claims and the ServiceAccount in `namespace`, sorted by kind and name, each once. Empty names name
    /// nothing, and every namespace has its `default` account.
    pub fn dependencies(&self, namespace: Option<&str>) -> Vec<Reference> {
        let mut found = Found::new();
        found.extend(self.image_pull_secrets.iter().flatten().map(|secret| ("Secret", &*secret.name)));
        for container in [&self.init_containers, &self.containers, &self.ephemeral_containers].into_iter().flatten().flatten() {
            container.find(&mut found);
        }
        self.volumes.iter().flatten().for_each(|volume| volume.find(&mut found));
        found.extend(Some(("ServiceAccount", &*self.service_account)).filter(|(_, name)| *name != "default"));
        found.retain(|(_, name)| !name.is_empty());
        found.sort_unstable();
        found.dedup();
        let namespace = namespace.filter(|namespace| !namespace.is_empty());
        found.into_iter().map(|(kind, name)| Reference::new("v1", kind, name).within(namespace)).collect()
    }
}

impl Container {
    fn find<'a>(&'a self, found: &mut Found<'a>) {
        for source in self.env_from.iter().flatten() {
            both(&source.config_map_ref, &source.secret_ref, found);
        }
        for key in self.env.iter().flatten().filter_map(|variable| variable.value_from.as_ref()) {
            both(&key.config_map_key_ref, &key.secret_key_ref, found);
        }
    }
}

impl Volume {
    fn find<'a>(&'a self, found: &mut Found<'a>) {
        both(&self.config_map, &None, found);
        found.push(("PersistentVolumeClaim", &self.claim));
        for source in self.projected.iter().flatten() {
            both(&source.config_map, &source.secret, found);
        }
        found.extend(self.secret().map(|name| ("Secret", name)));
    }

    /// The Secret of the first source that is there: a volume has one.
    fn secret(&self) -> Option<&str> {
        fn of<T>(source: &Option<T>, name: impl Fn(&T) -> &String) -> Option<&str> {
            source.as_ref().map(|source| name(source).as_str())
        }
        let by_ref = |source| of(source, |source: &SecretRef| &source.name);
        of(&self.azure_file, |source| &source.secret_name)
            .or_else(|| [&self.cephfs, &self.cinder, &self.flex_volume, &self.rbd].into_iter().find_map(by_ref))
            .or_else(|| of(&self.secret, |source| &source.secret_name))
            .or_else(|| [&self.scale_io, &self.iscsi, &self.storageos].into_iter().find_map(by_ref))
            .or_else(|| of(&self.csi, |source| &source.secret))
    }
}

fn both<'a>(config_map: &'a Option<Name>, secret: &'a Option<Name>, found: &mut Found<'a>) {
    found.extend(config_map.as_ref().map(|map| ("ConfigMap", &*map.name)));
    found.extend(secret.as_ref().map(|secret| ("Secret", &*secret.name)));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fields::read;

    #[track_caller]
    fn check(spec: &str, expected: &str) {
        let pods: PodReferences = read(&format!("{{\"spec\":{spec}}}")).expect("a pod template");
        let found = pods.dependencies(Some("shop")).into_iter().map(|found| {
            assert_eq!((found.api_version.as_str(), found.namespace.as_deref()), ("v1", Some("shop")));
            format!("{} {}", found.kind, found.name.expect("a name"))
        });
        assert_eq!(found.collect::<Vec<_>>().join(", "), expected);
    }

    #[test]
    fn containers_name_config_maps_and_secrets() {
        let env = r#"[{"valueFrom":{"configMapKeyRef":{"name":"a"}}},{"valueFrom":{"secretKeyRef":{"name":"b"}}},{"valueFrom":{}},{}]"#;
        let from = r#"[{"configMapRef":{"name":"a"}},{"secretRef":{"name":"c"}},null]"#;
        for list in ["containers", "initContainers", "ephemeralContainers"] {
            check(&format!(r#"{{"{list}":[{{"env":{env},"envFrom":{from}}},null]}}"#), "ConfigMap a, Secret b, Secret c");
        }
    }

    #[test]
    fn accounts_pull_secrets_and_claims_are_named() {
        let volumes = r#"[{"persistentVolumeClaim":{"claimName":"p"}},{"projected":{"sources":[{"configMap":{"name":"m"}},{"secret":{"name":"s"}}]}}]"#;
        check(
            &format!(r#"{{"serviceAccountName":"me","imagePullSecrets":[{{"name":"r"}},{{"name":""}}],"volumes":{volumes}}}"#),
            "ConfigMap m, PersistentVolumeClaim p, Secret r, Secret s, ServiceAccount me",
        );
        check(r#"{"serviceAccountName":"default","containers":null}"#, "");
        check("null", "");
    }

    #[test]
    fn of_a_volume_only_the_first_source_of_a_secret_counts() {
        for source in ["cephfs", "cinder", "flexVolume", "rbd", "scaleIO", "iscsi", "storageos"] {
            check(&format!(r#"{{"volumes":[{{"{source}":{{"secretRef":{{"name":"s"}}}}}}]}}"#), "Secret s");
        }
        for source in ["azureFile", "secret"] {
            check(&format!(r#"{{"volumes":[{{"{source}":{{"secretName":"s"}}}}]}}"#), "Secret s");
        }
        check(r#"{"volumes":[{"csi":{"nodePublishSecretRef":{"name":"s"}}}]}"#, "Secret s");
        check(r#"{"volumes":[{"azureFile":{},"secret":{"secretName":"s"}}]}"#, "");
    }
}
