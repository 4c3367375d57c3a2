//! The API of Flotilla: Karmada's types unchanged, the names and labels that tie objects together, and what plugins answer.
//!
//! Holds no decision and does no I/O. Start at [`object::Object`] (any object), [`interpretation::Interpreter`] (what is asked about a
//! kind) and the modules named after API groups.
#![forbid(unsafe_code)]

pub mod cluster;
pub mod crd;
pub mod interpretation;
mod kind;
pub mod labels;
pub mod names;
pub mod object;
pub mod policy;
pub mod quantity;
pub mod schema;
pub mod selector;
pub mod work;
