//! Changes inside of strings that hold JSON or YAML documents, as the data of ConfigMaps does.

use super::{Cause, patch};
use flotilla_api::object::Object;
use flotilla_api::policy::{DocumentPatchOperation, FieldOverrider};
use serde_json::Value;

/// Applies the operations to the document in the field; those on YAML win where both are given. Without any the field stays as it is.
pub fn apply(object: &mut Object, overrider: &FieldOverrider) -> Result<(), Cause> {
    let path = &overrider.field_path;
    if !path.is_empty() && !path.starts_with('/') {
        return Err(Cause::Field(format!("path `{path}` does not begin with `/`")));
    }
    let field = patch::find(&mut object.0, path).ok_or_else(|| Cause::Field(format!("there is no field `{path}`")))?;
    let Value::String(text) = field else { return Err(Cause::Field(format!("`{path}` is no string"))) };
    if !overrider.yaml.is_empty() {
        let mut document = read_yaml(text).map_err(|error| Cause::Shape(format!("`{path}` is no YAML document: {error}")))?;
        apply_all(&mut document, &overrider.yaml, path)?;
        *text = serde_saphyr::to_string(&document).map_err(|error| Cause::Shape(format!("`{path}`: {error}")))?;
    } else if !overrider.json.is_empty() && !text.is_empty() {
        let mut document: Value =
            serde_json::from_str(text).map_err(|error| Cause::Shape(format!("`{path}` is no JSON document: {error}")))?;
        apply_all(&mut document, &overrider.json, path)?;
        *text = document.to_string();
    }
    Ok(())
}

fn apply_all(document: &mut Value, operations: &[DocumentPatchOperation], path: &str) -> Result<(), Cause> {
    if !document.is_object() && !document.is_array() {
        return Err(Cause::Shape(format!("`{path}` is a document without fields")));
    }
    operations.iter().try_for_each(|operation| {
        let value = operation.value.as_ref().unwrap_or(&Value::Null);
        patch::apply(document, &operation.sub_path, &operation.operator, value).map_err(Cause::Patch)
    })
}

/// The first document, read as YAML 1.1 has it: `yes` is true, and what begins with 0 is octal.
fn read_yaml(text: &str) -> Result<Value, serde_saphyr::Error> {
    let options = serde_saphyr::options! {
        legacy_octal_numbers: true,
        duplicate_keys: serde_saphyr::DuplicateKeyPolicy::LastWins,
        with_snippet: false,
    };
    let mut text = text.as_bytes();
    serde_saphyr::read_with_options(&mut text, options).next().unwrap_or(Ok(Value::Null))
}
