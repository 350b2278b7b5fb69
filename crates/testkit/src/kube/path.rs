//! What a path asks for.

use super::kind::Kind;

/// A path below `/api` or `/apis`.
#[derive(Debug, PartialEq, Eq)]
pub enum Place {
    /// `/api`, `/apis`.
    Root { is_core: bool },
    /// `/apis/apps`.
    Group(String),
    /// `/apis/apps/v1`.
    Version(String, String),
    /// Anything below.
    Resource(ResourcePlace),
}

/// A list (no name) or an object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResourcePlace {
    pub group: String,
    pub version: String,
    pub namespace: String,
    pub plural: String,
    pub name: String,
    pub subresource: String,
}

impl ResourcePlace {
    pub fn is_of(&self, kind: &Kind) -> bool {
        kind.group == self.group && kind.version == self.version && kind.plural == self.plural
    }

    /// As RBAC names it.
    pub fn resource(&self) -> String {
        match self.subresource.as_str() {
            "" => self.plural.clone(),
            subresource => format!("{}/{subresource}", self.plural),
        }
    }
}

/// Reads a decoded path.
pub fn read(path: &str) -> Option<Place> {
    let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    let (group, rest) = match parts.as_slice() {
        ["api"] => return Some(Place::Root { is_core: true }),
        ["apis"] => return Some(Place::Root { is_core: false }),
        ["apis", group] => return Some(Place::Group((*group).to_owned())),
        ["api", rest @ ..] => ("", rest),
        ["apis", group, rest @ ..] => (*group, rest),
        _ => return None,
    };
    let [version, below @ ..] = rest else { return None };
    if below.is_empty() {
        return Some(Place::Version(group.to_owned(), (*version).to_owned()));
    }
    let (namespace, plural, name, subresource) = match below {
        ["namespaces", name, sub @ ("status" | "finalize")] => ("", "namespaces", *name, *sub),
        ["namespaces", namespace, plural] => (*namespace, *plural, "", ""),
        ["namespaces", namespace, plural, name] => (*namespace, *plural, *name, ""),
        ["namespaces", namespace, plural, name, sub] => (*namespace, *plural, *name, *sub),
        [plural] => ("", *plural, "", ""),
        [plural, name] => ("", *plural, *name, ""),
        [plural, name, sub] => ("", *plural, *name, *sub),
        _ => return None,
    };
    let own = str::to_owned;
    Some(Place::Resource(ResourcePlace {
        group: own(group),
        version: own(version),
        namespace: own(namespace),
        plural: own(plural),
        name: own(name),
        subresource: own(subresource),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(path: &str, expect: &str) {
        let told = match read(path) {
            Some(Place::Resource(it)) => {
                format!("{}/{} {} {} {} {}", it.group, it.version, it.namespace, it.plural, it.name, it.subresource)
            }
            other => format!("{other:?}"),
        };
        assert_eq!(told, expect, "{path}");
    }

    #[test]
    fn paths_are_read_as_the_server_does() {
        check("/api/v1/namespaces", "/v1  namespaces  ");
        check("/api/v1/namespaces/shop", "/v1  namespaces shop ");
        check("/api/v1/namespaces/shop/finalize", "/v1  namespaces shop finalize");
        check("/api/v1/namespaces/shop/pods", "/v1 shop pods  ");
        check("/apis/apps/v1/deployments", "apps/v1  deployments  ");
        check("/apis/apps/v1/namespaces/shop/deployments/web/scale", "apps/v1 shop deployments web scale");
        check("/apis/apps", "Some(Group(\"apps\"))");
        check("/healthz", "None");
    }
}
