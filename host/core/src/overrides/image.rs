//! Changes to the names of images: `host:port/repository:tag` or `host:port/repository@digest`.

use super::{Cause, containers};
use flotilla_api::object::Object;
use flotilla_api::policy::{ImageComponent, ImageOverrider, OverriderOperator};
use serde_json::Value;
use std::fmt;

/// Changes the image at the predicate's path; without a predicate those of all containers.
pub fn apply(object: &mut Object, overrider: &ImageOverrider) -> Result<(), Cause> {
    match &overrider.predicate {
        Some(predicate) => change(at(&mut object.0, &predicate.path)?, overrider),
        None => {
            for container in containers::of(object)?.into_iter().flatten() {
                let named = container.get_mut("image").ok_or_else(|| Cause::Image("a container has no `image`".to_owned()))?;
                change(named, overrider)?;
            }
            Ok(())
        }
    }
}

/// What is at a path of plain keys and indexes; nothing is escaped in it.
fn at<'a>(object: &'a mut Value, path: &str) -> Result<&'a mut Value, Cause> {
    let keys = path.strip_prefix('/').ok_or_else(|| Cause::Image(format!("path `{path}` does not begin with `/`")))?;
    let found = keys.split('/').try_fold(object, |value, key| match value {
        Value::Object(fields) => fields.get_mut(key),
        Value::Array(items) => key.parse().ok().and_then(|index: usize| items.get_mut(index)),
        _ => None,
    });
    found.ok_or_else(|| Cause::Image(format!("there is nothing at `{path}`")))
}

fn change(value: &mut Value, overrider: &ImageOverrider) -> Result<(), Cause> {
    let Value::String(text) = value else { return Err(Cause::Image(format!("image `{value}` is no string"))) };
    let mut image = Image::parse(text).map_err(|why| Cause::Image(format!("image `{text}` {why}")))?;
    image.change(&overrider.component, &overrider.operator, overrider.value.as_deref().unwrap_or(""));
    *text = image.to_string();
    Ok(())
}

/// The name of an image in its parts.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Image {
    /// With the port; empty: the default registry.
    host: String,
    repository: String,
    version: Version,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Version {
    Unsaid,
    Tag(String),
    Digest(String),
}

impl Version {
    /// What a text says; `None`: it is neither a tag nor a digest.
    fn of(text: &str) -> Option<Self> {
        if is_tag(text) {
            return Some(Self::Tag(text.to_owned()));
        }
        is_digest(text).then(|| Self::Digest(text.to_owned()))
    }
}

impl Image {
    /// Takes a name apart. A tag beside a digest wins: a name that users change can only keep one of them.
    fn parse(text: &str) -> Result<Self, &'static str> {
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => (rest, Some(digest)),
            None => (text, None),
        };
        let last = rest.rfind('/').map_or(0, |slash| slash + 1);
        let (name, tag) = match rest[last..].rfind(':') {
            Some(colon) => (&rest[..last + colon], Some(&rest[last + colon + 1..])),
            None => (rest, None),
        };
        check_name(name)?;
        if !tag.is_none_or(is_tag) {
            return Err("has a tag that is none");
        }
        if !digest.is_none_or(is_digest) {
            return Err("has a digest that is none");
        }
        let (host, repository) = match name.split_once('/') {
            Some((host, repository)) if host.contains(['.', ':']) || host == "localhost" => (host, repository),
            _ => ("", name),
        };
        let version = match (tag, digest) {
            (Some(tag), _) => Version::Tag(tag.to_owned()),
            (None, Some(digest)) => Version::Digest(digest.to_owned()),
            (None, None) => Version::Unsaid,
        };
        Ok(Self { host: host.to_owned(), repository: repository.to_owned(), version })
    }

    fn change(&mut self, component: &ImageComponent, operator: &OverriderOperator, value: &str) {
        let part = match component {
            ImageComponent::Registry => &mut self.host,
            ImageComponent::Repository => &mut self.repository,
            ImageComponent::Tag => return self.change_version(operator, value),
            ImageComponent::Other(_) => return,
        };
        match operator {
            OverriderOperator::Add => part.push_str(value),
            OverriderOperator::Replace => value.clone_into(part),
            OverriderOperator::Remove => part.clear(),
            OverriderOperator::Other(_) => {}
        }
    }

    /// What would be neither a tag nor a digest changes nothing.
    fn change_version(&mut self, operator: &OverriderOperator, value: &str) {
        let present = match &self.version {
            Version::Unsaid => "",
            Version::Tag(text) | Version::Digest(text) => text,
        };
        let wanted = match operator {
            OverriderOperator::Add => Version::of(&format!("{present}{value}")),
            OverriderOperator::Replace => Version::of(value),
            OverriderOperator::Remove => Some(Version::Unsaid),
            OverriderOperator::Other(_) => None,
        };
        if let Some(wanted) = wanted {
            self.version = wanted;
        }
    }
}

impl fmt::Display for Image {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.host.is_empty() {
            write!(f, "{}/", self.host)?;
        }
        f.write_str(&self.repository)?;
        match &self.version {
            Version::Unsaid => Ok(()),
            Version::Tag(tag) => write!(f, ":{tag}"),
            Version::Digest(digest) => write!(f, "@{digest}"),
        }
    }
}

/// The grammar of names of images: a host with a port may come first, path components follow.
fn check_name(name: &str) -> Result<(), &'static str> {
    if name.is_empty() {
        return Err("has no name");
    }
    if name.len() > 255 {
        return Err("has a name of more than 255 characters");
    }
    let (first, rest) = name.split_once('/').unwrap_or(("", name));
    let is_host = is_host(first) || is_path_component(first);
    let has_host = name.contains('/');
    match (is_host || !has_host) && rest.split('/').all(is_path_component) {
        true => Ok(()),
        false => Err("has a name that is none"),
    }
}

/// Lower case letters and digits, with single separators between them: `.`, `_`, `__`, or any number of `-`.
fn is_path_component(text: &str) -> bool {
    let is_word = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit();
    let mut separators = text.split(is_word).filter(|separator| !separator.is_empty());
    let is_separator = |separator: &str| matches!(separator, "." | "_" | "__") || separator.bytes().all(|letter| letter == b'-');
    text.starts_with(is_word) && text.ends_with(is_word) && separators.all(is_separator)
}

fn is_host(text: &str) -> bool {
    let (host, port) = match text.strip_prefix('[').and_then(|text| text.split_once(']')) {
        Some((address, rest)) => {
            let is_address = !address.is_empty() && address.chars().all(|letter| letter.is_ascii_hexdigit() || letter == ':');
            return is_address && (rest.is_empty() || rest.strip_prefix(':').is_some_and(is_port));
        }
        None => text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port))),
    };
    let is_label = |label: &str| {
        let is_outer = |letter: char| letter.is_ascii_alphanumeric();
        label.starts_with(is_outer) && label.ends_with(is_outer) && label.chars().all(|letter| is_outer(letter) || letter == '-')
    };
    host.split('.').all(is_label) && port.is_none_or(is_port)
}

fn is_port(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|digit| digit.is_ascii_digit())
}

fn is_tag(text: &str) -> bool {
    let is_first = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    text.starts_with(is_first) && text.len() <= 128 && text.chars().all(|letter| is_first(letter) || ".-".contains(letter))
}

/// `algorithm:hexadecimal`, with at least 32 digits.
fn is_digest(text: &str) -> bool {
    let Some((algorithm, digits)) = text.split_once(':') else { return false };
    let is_part = |part: &str| {
        part.starts_with(|letter: char| letter.is_ascii_alphabetic()) && part.chars().all(|letter| letter.is_ascii_alphanumeric())
    };
    algorithm.split(['-', '_', '+', '.']).all(is_part) && digits.len() >= 32 && digits.chars().all(|digit| digit.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expect: Result<[&str; 3], &str>) {
        let parts = Image::parse(text).map(|image| {
            assert!(image.version != Version::Unsaid || image.to_string() == text);
            let version = match image.version {
                Version::Unsaid => String::new(),
                Version::Tag(tag) => tag,
                Version::Digest(digest) => digest,
            };
            [image.host, image.repository, version]
        });
        assert_eq!(parts, expect.map(|parts| parts.map(str::to_owned)), "{text}");
    }

    #[test]
    fn names_of_images() {
        let digest = format!("sha256:{}", "0a".repeat(32));
        check("busybox", Ok(["", "busybox", ""]));
        check("busybox:1.36", Ok(["", "busybox", "1.36"]));
        check("library/nginx", Ok(["", "library/nginx", ""]));
        check("localhost/x", Ok(["localhost", "x", ""]));
        check("r.example.net:5000/a/b__c:v1", Ok(["r.example.net:5000", "a/b__c", "v1"]));
        check("[fd00::1]:5000/x:1", Ok(["[fd00::1]:5000", "x", "1"]));
        check("UPPER/case:1", Ok(["", "UPPER/case", "1"]));
        check(&format!("a@{digest}"), Ok(["", "a", &digest]));
        check(&format!("a:1@{digest}"), Ok(["", "a", "1"]));
    }

    #[test]
    fn what_is_no_image() {
        check("", Err("has no name"));
        check("a/UPPER", Err("has a name that is none"));
        check("a b", Err("has a name that is none"));
        check("a..b", Err("has a name that is none"));
        check("/a", Err("has a name that is none"));
        check("a:b c", Err("has a tag that is none"));
        check("a@sha256:12", Err("has a digest that is none"));
    }
}
