//! The API of Flotilla: Karmada's types unchanged, the names and labels that tie objects together, and what plugins answer.
//!
//! Holds no decision and does no I/O. Start at [`object::Object`] (any object), [`interpretation::Interpreter`] (what is asked about a
//! kind) and the modules named after API groups.
#![forbid(unsafe_code)]

pub mod interpretation;
pub mod object;
pub mod schema;
pub mod work;
