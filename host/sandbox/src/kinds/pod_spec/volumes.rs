//! Errors of the volumes of a PodSpec.

use crate::kinds::reach::{list, present, text};
use crate::kinds::refusal::{duplicate, each_invalid, forbidden, invalid, not_supported, required};
use crate::kinds::syntax;
use crate::status::FieldError;
use flotilla_api::quantity::Amount;
use serde_json::Value;

/// Sources in the order of the server's checks, and the field that each needs.
const SOURCES: &[(&str, &str)] = &[
    ("emptyDir", ""),
    ("hostPath", "path"),
    ("gitRepo", "repository"),
    ("gcePersistentDisk", "pdName"),
    ("awsElasticBlockStore", "volumeID"),
    ("secret", "secretName"),
    ("nfs", "server"),
    ("iscsi", "iqn"),
    ("glusterfs", "endpoints"),
    ("flocker", ""),
    ("rbd", "image"),
    ("cinder", "volumeID"),
    ("cephfs", ""),
    ("quobyte", "volume"),
    ("downwardAPI", ""),
    ("fc", ""),
    ("persistentVolumeClaim", "claimName"),
    ("configMap", "name"),
    ("azureFile", "secretName"),
    ("vsphereVolume", "volumePath"),
    ("photonPersistentDisk", "pdID"),
    ("portworxVolume", "volumeID"),
    ("azureDisk", "diskName"),
    ("storageos", ""),
    ("projected", ""),
    ("scaleIO", "gateway"),
    ("csi", "driver"),
    ("ephemeral", ""),
    ("image", ""),
];

const HOST_PATH_TYPES: [&str; 8] = ["", "BlockDevice", "CharDevice", "Directory", "DirectoryOrCreate", "File", "FileOrCreate", "Socket"];

pub(super) fn validate(volumes: &[Value], path: &str) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let mut names = Vec::new();
    for (index, volume) in volumes.iter().enumerate() {
        let path = format!("{path}[{index}]");
        errors.extend(source(volume, &path));
        match text(volume, "/name") {
            "" => errors.push(required(format!("{path}.name"), "")),
            name => {
                errors.extend(each_invalid(&format!("{path}.name"), name, syntax::dns_label(name)));
                if names.contains(&name) {
                    errors.push(duplicate(format!("{path}.name"), &volume["name"]));
                }
                names.push(name);
            }
        }
    }
    errors
}

fn source(volume: &Value, path: &str) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let mut is_given = false;
    for (kind, needed) in SOURCES {
        let Some(source) = present(volume, &format!("/{kind}")) else { continue };
        let path = format!("{path}.{kind}");
        if is_given {
            errors.push(forbidden(path, "may not specify more than 1 volume type"));
            continue;
        }
        is_given = true;
        if !needed.is_empty() && text(source, &format!("/{needed}")).is_empty() {
            errors.push(required(format!("{path}.{needed}"), ""));
        }
        errors.extend(items(source, &path));
        if let Some(mode) = present(source, "/defaultMode").filter(|mode| !(0..=0o777).contains(&mode.as_i64().unwrap_or(-1))) {
            errors.push(invalid(format!("{path}.defaultMode"), mode, "must be a number between 0 and 0777 (octal), both inclusive"));
        }
        let limit = present(source, "/sizeLimit").and_then(|limit| Amount::from_json(limit).ok());
        if *kind == "emptyDir" && limit.is_some_and(Amount::is_negative) {
            errors.push(forbidden(format!("{path}.sizeLimit"), "SizeLimit field must be a valid resource quantity"));
        }
        if *kind == "hostPath" && !text(source, "/path").is_empty() && !HOST_PATH_TYPES.contains(&text(source, "/type")) {
            errors.push(not_supported(format!("{path}.type"), &source["type"], &HOST_PATH_TYPES));
        }
    }
    if !is_given {
        errors.push(required(path, "must specify a volume type"));
    }
    errors
}

/// Keys that are mapped to files.
fn items(source: &Value, path: &str) -> Vec<FieldError> {
    if source.get("configMap").is_some() || present(source, "/items/0/fieldRef").is_some() {
        return Vec::new();
    }
    let mut errors = Vec::new();
    for (index, item) in list(source, "/items").iter().enumerate() {
        for field in ["key", "path"] {
            if text(item, &format!("/{field}")).is_empty() && item.get("resourceFieldRef").is_none() {
                errors.push(required(format!("{path}.items[{index}].{field}"), ""));
            }
        }
    }
    errors
}
