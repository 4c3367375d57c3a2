//! What happens to the fields of an object: schemas, patches, server-side apply. Pure functions over JSON; knows no storage.

pub mod apply;
mod cel;
pub(crate) mod go_json;
pub(crate) mod go_yaml;
pub(crate) mod golang;
pub mod patch;
pub mod schema;

#[cfg(test)]
mod arbitrary;
#[cfg(test)]
mod recordings;
