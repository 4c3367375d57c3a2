//! The contract in Rust, generated from `sdk/wit/v1`: one module for each hook's world, so that a plugin exports only what it has.
//!
//! [`Exported`] answers all eight interfaces for a plugin that has the hook's trait: it parses what the host hands over, asks the
//! plugin and writes the answer. [`plugin!`](crate::plugin!) exports it; nobody else needs this module.
#![allow(missing_docs, unsafe_op_in_unsafe_fn, clippy::all)]

use crate::fields::{declared, read};
use crate::{Aggregation, Changes, Components, Dependencies, Health, Reflection, Replicas, Result, Retention, Revision, hooks};
use std::marker::PhantomData;

pub mod replicas {
    wit_bindgen::generate!({
        path: "../wit/v1", world: "replicas-plugin", pub_export_macro: true,
        export_macro_name: "export_replicas", default_bindings_module: "flotilla_sdk::bindings::replicas",
        additional_derives: [PartialEq],
    });
}

/// The other worlds share the types and imports of the first one.
macro_rules! world {
    ($module:ident, $world:literal, $export:literal, $bindings:literal) => {
        pub mod $module {
            wit_bindgen::generate!({
                path: "../wit/v1", world: $world, pub_export_macro: true,
                export_macro_name: $export, default_bindings_module: $bindings,
                with: {
                    "flotilla:interpreter/types@1.0.0": crate::bindings::replicas::flotilla::interpreter::types,
                    "flotilla:interpreter/host@1.0.0": crate::bindings::replicas::flotilla::interpreter::host,
                    "flotilla:interpreter/kube@1.0.0": crate::bindings::replicas::flotilla::interpreter::kube,
                    "flotilla:interpreter/last-words@1.0.0": crate::bindings::replicas::flotilla::interpreter::last_words,
                },
            });
        }
    };
}

world!(components, "components-plugin", "export_components", "flotilla_sdk::bindings::components");
world!(revision, "revision-plugin", "export_revision", "flotilla_sdk::bindings::revision");
world!(retention, "retention-plugin", "export_retention", "flotilla_sdk::bindings::retention");
world!(reflection, "reflection-plugin", "export_reflection", "flotilla_sdk::bindings::reflection");
world!(aggregation, "aggregation-plugin", "export_aggregation", "flotilla_sdk::bindings::aggregation");
world!(health, "health-plugin", "export_health", "flotilla_sdk::bindings::health");
world!(dependencies, "dependencies-plugin", "export_dependencies", "flotilla_sdk::bindings::dependencies");

pub use replicas::flotilla::interpreter::{host, kube, last_words, types};
use types::{Change, Component, Declaration, Demand, Dependency, HookError, Verdict};

/// A plugin's answers in the contract's form.
pub struct Exported<P>(PhantomData<P>);

type Answer<T> = std::result::Result<T, HookError>;

fn answer<T>(result: Result<T>) -> Answer<T> {
    result.map_err(Into::into)
}

fn changes(result: Result<Changes>) -> Answer<Vec<Change>> {
    answer(result.map(Changes::into_list))
}

fn writes(fields: &[&str]) -> Vec<String> {
    fields.iter().map(|&field| field.to_owned()).collect()
}

fn reads<T: crate::Fields>() -> Declaration {
    Declaration { reads: declared::<T>(), observed: Vec::new(), writes: Vec::new() }
}

impl<P: Replicas> replicas::exports::flotilla::interpreter::replicas::Guest for Exported<P> {
    fn declare() -> Declaration {
        reads::<P::Reads>()
    }
    fn interpret(template: String) -> Answer<Demand> {
        hooks::begin();
        answer(read(&template).and_then(P::interpret))
    }
}

impl<P: Components> components::exports::flotilla::interpreter::components::Guest for Exported<P> {
    fn declare() -> Declaration {
        reads::<P::Reads>()
    }
    fn interpret(template: String) -> Answer<Vec<Component>> {
        hooks::begin();
        answer(read(&template).and_then(P::interpret))
    }
}

impl<P: Revision> revision::exports::flotilla::interpreter::revision::Guest for Exported<P> {
    fn declare() -> Declaration {
        Declaration { writes: writes(P::WRITES), ..reads::<P::Reads>() }
    }
    fn revise(template: String, replicas: i64) -> Answer<Vec<Change>> {
        hooks::begin();
        changes(read(&template).and_then(|template| P::revise(template, replicas)))
    }
}

impl<P: Retention> retention::exports::flotilla::interpreter::retention::Guest for Exported<P> {
    fn declare() -> Declaration {
        Declaration { observed: declared::<P::Observed>(), writes: writes(P::WRITES), ..reads::<P::Desired>() }
    }
    fn retain(desired: String, observed: String) -> Answer<Vec<Change>> {
        hooks::begin();
        changes(read(&desired).and_then(|desired| P::retain(desired, read(&observed)?)))
    }
}

impl<P: Reflection> reflection::exports::flotilla::interpreter::reflection::Guest for Exported<P> {
    fn declare() -> Declaration {
        reads::<P::Reads>()
    }
    fn reflect(observed: String) -> Answer<Option<String>> {
        hooks::begin();
        let status = read(&observed).and_then(P::reflect);
        answer(status.map(|status| status.map(|status| crate::json::text(&status))))
    }
}

impl<P: Aggregation> aggregation::exports::flotilla::interpreter::aggregation::Guest for Exported<P> {
    fn declare() -> Declaration {
        Declaration { writes: writes(P::WRITES), ..reads::<P::Reads>() }
    }
    fn aggregate(template: String, items: Option<String>) -> Answer<Vec<Change>> {
        hooks::begin();
        changes(read(&template).and_then(|template| P::aggregate(template, hooks::items(items.as_deref())?)))
    }
}

impl<P: Health> health::exports::flotilla::interpreter::health::Guest for Exported<P> {
    fn declare() -> Declaration {
        reads::<P::Reads>()
    }
    fn assess(observed: String) -> Answer<Verdict> {
        hooks::begin();
        answer(read(&observed).and_then(P::assess))
    }
}

impl<P: Dependencies> dependencies::exports::flotilla::interpreter::dependencies::Guest for Exported<P> {
    fn declare() -> Declaration {
        reads::<P::Reads>()
    }
    fn find(template: String) -> Answer<Vec<Dependency>> {
        hooks::begin();
        answer(read(&template).and_then(P::find))
    }
}
