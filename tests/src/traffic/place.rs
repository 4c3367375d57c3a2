//! Which resource a path is about.

/// A path of the API, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// `/api/v1`, `/apis/apps/v1`.
    pub root: String,
    /// The namespace, for what is in one.
    pub namespace: Option<String>,
    /// `deployments`.
    pub plural: String,
    /// The object; `None` for a collection.
    pub name: Option<String>,
    /// `status`, `scale`, ….
    pub subresource: Option<String>,
}

impl Place {
    /// Takes a path apart; `None` for one that is not about a resource.
    pub fn of(path: &str) -> Option<Self> {
        let mut words = path.trim_start_matches('/').split('/');
        let root = match words.next()? {
            "api" => format!("/api/{}", words.next()?),
            "apis" => format!("/apis/{}/{}", words.next()?, words.next()?),
            _ => return None,
        };
        let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
        let (namespace, words) = match words[..] {
            ["namespaces", namespace, plural, ..] if !matches!(plural, "status" | "finalize") => (Some(namespace.to_owned()), &words[2..]),
            _ => (None, &words[..]),
        };
        let word = |number: usize| words.get(number).map(|word| (*word).to_owned());
        Some(Self { root, namespace, plural: word(0)?, name: word(1), subresource: word(2) })
    }

    /// The path of the collection that objects of a namespace are in.
    pub fn collection(&self, namespace: Option<&str>) -> String {
        match namespace {
            Some(namespace) => format!("{}/namespaces/{namespace}/{}", self.root, self.plural),
            None => format!("{}/{}", self.root, self.plural),
        }
    }

    /// The path of an object.
    pub fn object(&self, namespace: Option<&str>, name: &str) -> String {
        format!("{}/{name}", self.collection(namespace))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_taken_apart() {
        let place = Place::of("/apis/apps/v1/namespaces/shop/deployments/web/status").unwrap();
        assert_eq!((place.namespace.as_deref(), place.name.as_deref()), (Some("shop"), Some("web")));
        assert_eq!(
            (place.subresource.as_deref(), place.collection(Some("a"))),
            (Some("status"), "/apis/apps/v1/namespaces/a/deployments".into())
        );
        let place = Place::of("/api/v1/namespaces/shop/status").unwrap();
        assert_eq!((place.namespace, place.plural.as_str(), place.name.as_deref()), (None, "namespaces", Some("shop")));
        assert_eq!(Place::of("/api/v1/pods").unwrap().name, None);
        assert_eq!((Place::of("/apis/apps"), Place::of("/version"), Place::of("/api/v1")), (None, None, None));
    }
}
