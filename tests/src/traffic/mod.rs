//! What clients really ask an API server, as examples that stand alone: what was there, a request, the answer.
//!
//! Many clients write at once, so the order of their requests says little. Each request is therefore kept with the objects that it was
//! about, as they were just before; whoever replays it puts these objects in place first. Left out is what the state of one object does
//! not decide: watches, discovery, definitions of kinds; and what nobody should keep: Secrets.
//!
//! Reading order: this (what an example is), [`record`] (in front of a server), [`proxy`] (the same for kubectl), [`slim`] (one of each
//! sort), [`replay`] (on another server).

pub mod fold;
pub mod place;
pub mod proxy;
pub mod record;
pub mod replay;
pub mod slim;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A request with what it was about and its answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Example {
    /// Which recording it is from.
    pub from: String,
    /// `METHOD PATH?QUERY`.
    pub ask: String,
    /// The client's User-Agent.
    pub agent: String,
    /// Media type of the body.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub media: String,
    /// What is accepted.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub accept: String,
    /// The body, null for none.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub body: Value,
    /// The objects that it is about: the one that it names, or all of the collection.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub before: Vec<Value>,
    /// Status code, warnings and body of the answer.
    pub answer: Value,
}

impl Example {
    /// Method, path and query.
    pub fn asked(&self) -> (&str, &str, &str) {
        let (method, path) = self.ask.split_once(' ').unwrap_or(("GET", &self.ask));
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        (method, path, query)
    }

    /// The examples of a file: a JSON object a line.
    ///
    /// # Errors
    /// When a line is no example.
    pub fn read_all(text: &str) -> Result<Vec<Self>, String> {
        text.lines().map(|line| serde_json::from_str(line).map_err(|error| format!("{error} in {line}"))).collect()
    }
}
