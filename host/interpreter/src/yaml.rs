//! YAML as Kubernetes reads it, as JSON values.

use serde::de::DeserializeOwned;
use serde_saphyr::Options;

fn options() -> Options {
    serde_saphyr::options! { legacy_octal_numbers: true }
}

/// One document; `null` for an empty one.
pub(crate) fn document<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    serde_saphyr::from_str_with_options(text, options()).map_err(|why| first_line(&why))
}

/// All documents of a file; empty ones are left out.
pub(crate) fn documents<T: DeserializeOwned>(text: &str) -> Result<Vec<T>, String> {
    serde_saphyr::from_multiple_with_options(text, options()).map_err(|why| first_line(&why))
}

/// The parser's message without the excerpt of the file that follows it.
fn first_line(why: &serde_saphyr::Error) -> String {
    why.to_string().lines().next().unwrap_or_default().to_owned()
}
