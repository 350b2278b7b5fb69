//! Which object, and how it is changed.

use std::borrow::Cow;
use std::fmt;

use naru_core::failure::Failure;
use serde_json::Value;

/// The manager that the server notes for every field that a change of ours states.
pub const FIELD_MANAGER: &str = "naru";

/// A kind of object. Its version is the newest that the server serves, unless one is named.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupKind {
    /// `apps`; empty for the core group.
    pub group: Cow<'static, str>,
    /// `Deployment`.
    pub kind: Cow<'static, str>,
    /// The one version that will do, for whoever writes fields that others lack.
    pub version: Option<Cow<'static, str>>,
}

impl GroupKind {
    /// A kind that is known when this is compiled.
    pub const fn known(group: &'static str, kind: &'static str) -> GroupKind {
        GroupKind { group: Cow::Borrowed(group), kind: Cow::Borrowed(kind), version: None }
    }

    /// A kind that somebody named.
    pub fn new(group: impl Into<String>, kind: impl Into<String>) -> GroupKind {
        GroupKind { group: Cow::Owned(group.into()), kind: Cow::Owned(kind.into()), version: None }
    }

    /// This kind in `version` and no other: `GroupKind::known("autoscaling", "HorizontalPodAutoscaler").at("v1")`.
    pub fn at(&self, version: impl Into<String>) -> GroupKind {
        GroupKind { version: Some(Cow::Owned(version.into())), ..self.clone() }
    }

    /// An object of this kind in a namespace.
    pub fn named(&self, namespace: impl Into<String>, name: impl Into<String>) -> ObjectRef {
        ObjectRef { kind: self.clone(), namespace: namespace.into(), name: name.into() }
    }

    /// An object of this kind that belongs to the cluster.
    pub fn of_cluster(&self, name: impl Into<String>) -> ObjectRef {
        self.named("", name)
    }
}

/// `Deployment.apps`.
impl fmt::Display for GroupKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.kind)?;
        if !self.group.is_empty() {
            write!(f, ".{}", self.group)?;
        }
        match &self.version {
            Some(version) => write!(f, " {version}"),
            None => Ok(()),
        }
    }
}

/// Which object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectRef {
    /// Of which kind.
    pub kind: GroupKind,
    /// Empty for what belongs to the cluster.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl ObjectRef {
    /// Refuses what would make another path of it.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        let is_plain = |byte: u8| byte.is_ascii_graphic() && !b"/%?#".contains(&byte);
        let wrong =
            |text: &str| matches!(text, "." | "..") || text.len() > NAME_BYTES_MAX || !text.bytes().all(is_plain);
        if self.name.is_empty() || wrong(&self.name) || wrong(&self.namespace) {
            let failure = Failure::usage("k8s-name-wrong").arg("kind", &self.kind);
            return Err(failure.arg("name", format!("{}/{}", self.namespace, self.name)));
        }
        Ok(())
    }
}

/// No name of an object is longer (a DNS subdomain).
const NAME_BYTES_MAX: usize = 253;

/// A change of an object.
#[derive(Clone, Debug, PartialEq)]
pub enum Patch {
    /// RFC 7396: what is named is replaced, `null` removes, lists are replaced whole. A `metadata.resourceVersion` in it
    /// must still be the object's (`k8s-conflict`).
    Merge(Value),
    /// RFC 6902: steps, of which one that does not fit (a `test` that finds something else) refuses all
    /// (`k8s-conflict`).
    Json(Value),
    /// Server-side apply: the object as naru wants it, made if it is not there. A field that another manager states
    /// otherwise refuses all (`k8s-conflict`).
    Apply(Value),
    /// As [`Patch::Apply`], and such fields become naru's.
    ApplyByForce(Value),
}

impl Patch {
    pub(crate) fn media_type(&self) -> &'static str {
        match self {
            Patch::Merge(_) => "application/merge-patch+json",
            Patch::Json(_) => "application/json-patch+json",
            // JSON is YAML, and every server since 1.16 takes it by this name.
            Patch::Apply(_) | Patch::ApplyByForce(_) => "application/apply-patch+yaml",
        }
    }

    pub(crate) fn value(&self) -> &Value {
        let (Patch::Merge(value) | Patch::Json(value) | Patch::Apply(value) | Patch::ApplyByForce(value)) = self;
        value
    }

    pub(crate) fn is_apply(&self) -> bool {
        matches!(self, Patch::Apply(_) | Patch::ApplyByForce(_))
    }
}

/// What becomes of the objects that an object owns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Propagation {
    /// They go after it.
    #[default]
    Background,
    /// They go before it.
    Foreground,
    /// They stay.
    Orphan,
}

impl Propagation {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Propagation::Background => "Background",
            Propagation::Foreground => "Foreground",
            Propagation::Orphan => "Orphan",
        }
    }
}
