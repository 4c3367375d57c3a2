//! What users hand in: objects as YAML or JSON, from files, folders and standard input, and NDJSON lines.
//!
//! Every error names the file, the document in it and, where the parser knows, the line.

use crate::exit::{Failure, bad_input};
use flotilla_api::object::Object;
use serde_json::Value;
use std::io::{BufRead, Read, Write};
use std::path::{Path, PathBuf};

/// Largest file or line that is read, in bytes.
const LARGEST_INPUT: u64 = 64 << 20;

/// The objects of all `paths` (files, folders, `-` for standard input), `List`s taken apart, in order.
pub fn read_objects(paths: &[PathBuf]) -> Result<Vec<Object>, Failure> {
    let mut objects = Vec::new();
    for path in paths {
        if path.is_dir() {
            for file in files_of(path)? {
                objects.extend(read_file(&file)?);
            }
        } else {
            objects.extend(read_file(path)?);
        }
    }
    if objects.is_empty() {
        let hold = if paths.len() == 1 { "holds" } else { "hold" };
        return Err(bad_input(format!("{} {hold} no object", list_paths(paths)))
            .hint("give YAML or JSON files with at least one Kubernetes object"));
    }
    Ok(objects)
}

/// The one object of a file.
pub fn read_object(path: &Path) -> Result<Object, Failure> {
    parse_object(path, &read_text(path)?)
}

/// The one object of the text of a file.
pub fn parse_object(path: &Path, text: &str) -> Result<Object, Failure> {
    let mut objects = parse_objects(path, text)?;
    match objects.len() {
        1 => Ok(objects.remove(0)),
        count => {
            let found = format!("`{}` holds {count} objects, expected 1", path.display());
            Err(bad_input(found).hint("put the object into a file of its own"))
        }
    }
}

/// The whole text of a file, or of standard input for `-`.
pub fn read_text(path: &Path) -> Result<String, Failure> {
    String::from_utf8(read_bytes(path)?).map_err(|_| bad_input(format!("`{}` is not UTF-8 text", path.display())))
}

/// The whole content of a file, or of standard input for `-`.
pub fn read_bytes(path: &Path) -> Result<Vec<u8>, Failure> {
    let cannot = |error: std::io::Error| bad_input(format!("cannot read `{}`: {error}", path.display()));
    let mut bytes = Vec::new();
    if path == Path::new("-") {
        std::io::stdin().lock().take(LARGEST_INPUT + 1).read_to_end(&mut bytes).map_err(cannot)?;
    } else {
        std::fs::File::open(path).map_err(cannot)?.take(LARGEST_INPUT + 1).read_to_end(&mut bytes).map_err(cannot)?;
    }
    if bytes.len() as u64 > LARGEST_INPUT {
        return Err(bad_input(format!("`{}` is larger than {} MiB", path.display(), LARGEST_INPUT >> 20)));
    }
    Ok(bytes)
}

/// The documents of a YAML (or JSON) text.
pub fn parse_documents(text: &str) -> Result<Vec<Value>, String> {
    if let Ok(value) = serde_json::from_str::<Value>(text) {
        return Ok(vec![value]);
    }
    let options = serde_saphyr::options! { legacy_octal_numbers: true };
    serde_saphyr::from_multiple_with_options::<Value>(text, options).map_err(|error| error.to_string())
}

/// Answers standard input line by line on standard output, in order. Lines that `answer` cannot read are told by `false`.
/// Returns whether all lines could be read.
pub fn answer_lines(mut answer: impl FnMut(&str) -> (Value, bool)) -> Result<bool, Failure> {
    let mut input = std::io::BufReader::with_capacity(1 << 16, std::io::stdin().lock());
    let mut output = std::io::BufWriter::new(std::io::stdout().lock());
    let (mut all_read, mut line) = (true, Vec::new());
    loop {
        line.clear();
        input
            .by_ref()
            .take(LARGEST_INPUT)
            .read_until(b'\n', &mut line)
            .map_err(|error| bad_input(format!("cannot read standard input: {error}")))?;
        if line.is_empty() {
            return flushed(&mut output).map(|_| all_read);
        }
        if line.len() as u64 == LARGEST_INPUT && !line.ends_with(b"\n") {
            return Err(bad_input(format!("a line of standard input is larger than {} MiB", LARGEST_INPUT >> 20)));
        }
        let text = String::from_utf8_lossy(&line);
        let text = text.trim();
        if text.is_empty() {
            continue;
        }
        let (value, is_readable) = answer(text);
        all_read &= is_readable;
        let is_open = written(writeln!(output, "{value}"))? && (!input.buffer().is_empty() || flushed(&mut output)?);
        if !is_open {
            return Ok(all_read);
        }
    }
}

/// Whoever waits for the answer to its line before it sends the next gets it.
fn flushed(output: &mut impl Write) -> Result<bool, Failure> {
    written(output.flush())
}

/// Whether somebody still reads what is written.
fn written(result: std::io::Result<()>) -> Result<bool, Failure> {
    match result {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(bad_input(format!("cannot write: {error}"))),
    }
}

fn read_file(path: &Path) -> Result<Vec<Object>, Failure> {
    parse_objects(path, &read_text(path)?)
}

fn parse_objects(path: &Path, text: &str) -> Result<Vec<Object>, Failure> {
    let documents = parse_documents(text).map_err(|error| bad_input(format!("`{}` is neither YAML nor JSON: {error}", path.display())))?;
    let mut objects = Vec::new();
    for (index, document) in documents.into_iter().enumerate().filter(|(_, document)| !document.is_null()) {
        take_apart(document, &mut objects).map_err(|why| bad_input(format!("`{}`, document {}: {why}", path.display(), index + 1)))?;
    }
    Ok(objects)
}

fn take_apart(document: Value, objects: &mut Vec<Object>) -> Result<(), String> {
    let mut object = Object(document);
    if !object.is_object() {
        return Err("expected an object with `apiVersion` and `kind`".to_owned());
    }
    if object.kind().ends_with("List") && object.get("items").is_some_and(Value::is_array) {
        let items = object.get_mut("items").map(Value::take);
        for item in items.as_ref().and_then(Value::as_array).into_iter().flatten() {
            take_apart(item.clone(), objects)?;
        }
        return Ok(());
    }
    if object.kind().is_empty() || object.api_version().is_empty() {
        return Err("`apiVersion` and `kind` are missing".to_owned());
    }
    objects.push(object);
    Ok(())
}

fn files_of(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let cannot = |error: std::io::Error| bad_input(format!("cannot read folder `{}`: {error}", folder.display()));
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(cannot)? {
        let path = entry.map_err(cannot)?.path();
        let is_manifest =
            path.extension().and_then(|extension| extension.to_str()).is_some_and(|extension| matches!(extension, "yaml" | "yml" | "json"));
        if path.is_file() && is_manifest {
            files.push(path);
        }
    }
    files.sort();
    if files.is_empty() {
        return Err(bad_input(format!("folder `{}` holds no .yaml, .yml or .json file", folder.display())));
    }
    Ok(files)
}

fn list_paths(paths: &[PathBuf]) -> String {
    paths.iter().map(|path| format!("`{}`", path.display())).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_keep_their_types() {
        let documents = parse_documents("a: 0644\nb: \"0644\"\nc: yes\n---\n- 1\n").expect("two documents");
        assert_eq!(documents, vec![serde_json::json!({"a": 420, "b": "0644", "c": documents[0]["c"]}), serde_json::json!([1])]);
    }

    #[test]
    fn lists_are_taken_apart_and_strangers_named() {
        let mut objects = Vec::new();
        let list = serde_json::json!({"apiVersion": "v1", "kind": "List", "items": [
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}},
            {"apiVersion": "v1", "kind": "ConfigMapList", "items": [{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "b"}}]},
        ]});
        take_apart(list, &mut objects).expect("a list");
        assert_eq!(objects.iter().map(Object::name).collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(take_apart(serde_json::json!({"kind": "X"}), &mut objects), Err("`apiVersion` and `kind` are missing".to_owned()));
    }
}
