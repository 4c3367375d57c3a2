//! What is written into Clusters as they come in, and which are turned away, as Karmada's API server does it.

use super::errors::{Denied, Errors};
use super::read;
use flotilla_api::cluster::{ClusterSpec, LocalSecretReference, ResourceModel};
use flotilla_api::object::Object;
use flotilla_api::quantity::Amount;
use flotilla_api::selector;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Longest name of a cluster.
const LONGEST_NAME: usize = 48;
/// The end of the largest size of nodes.
const LARGEST: &str = "9223372036854775807";
/// Where the sizes of nodes end that are counted where nobody says others: cores, and memory.
const SIZES: [(&str, &str); 9] = [
    ("1", "4Gi"),
    ("2", "16Gi"),
    ("4", "32Gi"),
    ("8", "64Gi"),
    ("16", "128Gi"),
    ("32", "256Gi"),
    ("64", "512Gi"),
    ("128", "1Ti"),
    (LARGEST, LARGEST),
];

/// Reviews a Cluster that is created, or updated where there is an old one, at a time as Kubernetes writes it.
pub fn review(old: Option<&Object>, new: &Object, now: &str) -> Result<Object, Denied> {
    let mutated = mutate(old, new, now)?;
    validate(&mutated)?;
    Ok(mutated)
}

fn mutate(old: Option<&Object>, new: &Object, now: &str) -> Result<Object, Denied> {
    let spec: ClusterSpec = read(new)?;
    let mut cluster = new.clone();
    if spec.zones.is_empty()
        && let Some(zone) = spec.zone.filter(|zone| !zone.is_empty())
    {
        cluster["spec"]["zones"] = json!([zone]);
        cluster.get_mut("spec").and_then(Value::as_object_mut).map(|spec| spec.remove("zone"));
    }
    for taint in cluster.0.pointer_mut("/spec/taints").and_then(Value::as_array_mut).into_iter().flatten() {
        if taint["effect"] == "NoExecute" && taint.get("timeAdded").is_none_or(Value::is_null) {
            taint["timeAdded"] = now.into();
        }
    }
    if old.is_none() {
        cluster["spec"]["resourceModels"] = json!(models(spec.resource_models));
    }
    Ok(cluster)
}

/// From nothing to everything, without a gap at either end.
fn models(mut given: Vec<ResourceModel>) -> Vec<ResourceModel> {
    if given.is_empty() {
        return default_models();
    }
    given.sort_by_key(|model| model.grade);
    given.first_mut().into_iter().flat_map(|model| &mut model.ranges).for_each(|range| range.min = Quantity("0".to_owned()));
    given.last_mut().into_iter().flat_map(|model| &mut model.ranges).for_each(|range| range.max = Quantity(LARGEST.to_owned()));
    given
}

fn default_models() -> Vec<ResourceModel> {
    let starts = std::iter::once(("0", "0")).chain(SIZES);
    let range = |name: &str, min: &str, max: &str| json!({"name": name, "min": min, "max": max});
    let sizes = starts.zip(SIZES).enumerate().map(|(grade, ((cpu, memory), (cpu_end, memory_end)))| {
        json!({"grade": grade, "ranges": [range("cpu", cpu, cpu_end), range("memory", memory, memory_end)]})
    });
    serde_json::from_value(sizes.collect()).expect("they are models")
}

/// Whether a Cluster may be stored.
pub fn validate(cluster: &Object) -> Result<(), Denied> {
    let spec: ClusterSpec = read(cluster)?;
    let mut errors = Errors::default();
    check_name(cluster.name(), &mut errors);
    check_ways(&spec, &mut errors);
    check_place(&spec, &mut errors);
    let mut known = BTreeSet::new();
    for (n, taint) in spec.taints.iter().enumerate() {
        if let Err(why) = selector::check_key(&taint.key) {
            errors.invalid(format!("spec.taints[{n}].key"), taint.key.as_str(), why.to_string());
        }
        if !known.insert((&taint.key, &taint.effect)) {
            errors.duplicate(format!("spec.taints[{n}]"), &format!("{}:{}", taint.key, taint.effect));
        }
    }
    check_models(&spec.resource_models, &mut errors);
    errors.into_result()
}

fn check_name(name: &str, errors: &mut Errors) {
    let is_inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if name.is_empty() || !name.bytes().all(is_inner) || name.starts_with('-') || name.ends_with('-') {
        errors.invalid("metadata.name", name, "must be lower case letters, digits and `-`, with a letter or digit at both ends");
    } else if name.len() > LONGEST_NAME {
        errors.invalid("metadata.name", name, format!("must be no more than {LONGEST_NAME} characters"));
    }
}

fn check_ways(spec: &ClusterSpec, errors: &mut Errors) {
    if let Some(endpoint) = spec.api_endpoint.as_deref().filter(|endpoint| !endpoint.is_empty()) {
        let rest = ["https://", "http://"].iter().find_map(|scheme| endpoint.strip_prefix(scheme));
        let is_right = rest.is_some_and(|rest| !rest.split('/').next().unwrap_or_default().is_empty() && !rest.contains(['@', '#', '?']));
        if !is_right {
            errors.invalid("spec.apiEndpoint", endpoint, "must be a URL with a host, without user, query and fragment");
        }
    }
    for (field, reference) in [("secretRef", &spec.secret_ref), ("impersonatorSecretRef", &spec.impersonator_secret_ref)] {
        let Some(LocalSecretReference { namespace, name }) = reference else { continue };
        for (part, text) in [("namespace", namespace), ("name", name)] {
            if text.is_empty() {
                errors.required(format!("spec.{field}.{part}"), "a Secret is named by both");
            }
        }
    }
    let scheme = spec.proxy_url.as_deref().filter(|url| !url.is_empty()).map(|url| url.split_once("://").map_or("", |(scheme, _)| scheme));
    if let Some(scheme) = scheme.filter(|scheme| !["http", "https", "socks5"].contains(scheme)) {
        // The rest may hold a password.
        errors.unsupported("spec.proxyURL", scheme, &["http", "https", "socks5"]);
    }
}

fn check_place(spec: &ClusterSpec, errors: &mut Errors) {
    let named = [("provider", &spec.provider), ("region", &spec.region), ("zone", &spec.zone)];
    let named = named.into_iter().filter_map(|(field, text)| Some((format!("spec.{field}"), text.as_ref()?)));
    let zones = spec.zones.iter().enumerate().map(|(n, zone)| (format!("spec.zones[{n}]"), zone));
    for (field, text) in named.chain(zones) {
        if let Err(why) = selector::check_value(text) {
            errors.invalid(field, text.as_str(), why.to_string());
        }
    }
    if !spec.zones.is_empty() && spec.zone.as_ref().is_some_and(|zone| !zone.is_empty()) {
        errors.invalid("spec.zone", spec.zone.as_deref().unwrap_or_default(), "cannot be given together with `zones`");
    }
}

/// Sizes follow each other without a gap, for the same resources each.
fn check_models(models: &[ResourceModel], errors: &mut Errors) {
    let amount = |quantity: &Quantity| Amount::try_from(quantity).unwrap_or_default();
    let mut models: Vec<&ResourceModel> = models.iter().collect();
    models.sort_by_key(|model| model.grade);
    for (n, model) in models.iter().enumerate() {
        let path = |rest: &str| format!("spec.resourceModels[{n}]{rest}");
        let next = models.get(n + 1);
        if next.is_some_and(|next| next.grade == model.grade) {
            errors.duplicate(path(".grade"), &model.grade.to_string());
        }
        let names = |model: &ResourceModel| model.ranges.iter().map(|range| range.name.clone()).collect::<Vec<_>>();
        if next.is_some_and(|next| names(next) != names(model)) {
            errors.invalid(path(".ranges"), json!(names(model)), "every size names the same resources in the same order");
            continue;
        }
        for (r, range) in model.ranges.iter().enumerate() {
            let (min, max) = (amount(&range.min), amount(&range.max));
            if max <= min {
                errors.invalid(path(&format!(".ranges[{r}].max")), range.max.0.as_str(), "must be larger than `min`");
            }
            if n == 0 && !min.is_zero() {
                errors.invalid(path(&format!(".ranges[{r}].min")), range.min.0.as_str(), "must be 0 in the smallest size");
            }
            match next {
                Some(next) if amount(&next.ranges[r].min) != max => {
                    errors.invalid(path(&format!(".ranges[{r}].max")), range.max.0.as_str(), "must be the `min` of the next size");
                }
                None if max != amount(&Quantity(LARGEST.to_owned())) => {
                    errors.invalid(
                        path(&format!(".ranges[{r}].max")),
                        range.max.0.as_str(),
                        format!("must be {LARGEST} in the largest size"),
                    );
                }
                _ => {}
            }
        }
    }
}
