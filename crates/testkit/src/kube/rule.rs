//! Who may what: RBAC as a table of rules for each user.

/// A rule; `*` stands for everything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    verbs: Vec<String>,
    group: String,
    /// With the subresource: `deployments/scale`.
    resources: Vec<String>,
    /// None for all of them and for what belongs to the cluster.
    namespace: Option<String>,
}

/// What somebody wants to do.
pub(super) struct Wanted<'a> {
    pub verb: &'a str,
    pub group: &'a str,
    /// With the subresource.
    pub resource: &'a str,
    pub namespace: &'a str,
}

impl Rule {
    /// Everything.
    pub fn all() -> Rule {
        Rule::new(&["*"], "*", &["*"])
    }

    /// These verbs on these resources of one group.
    pub fn new(verbs: &[&str], group: &str, resources: &[&str]) -> Rule {
        let own = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        Rule { verbs: own(verbs), group: group.to_owned(), resources: own(resources), namespace: None }
    }

    /// The same, in one namespace only.
    pub fn in_namespace(self, namespace: &str) -> Rule {
        Rule { namespace: Some(namespace.to_owned()), ..self }
    }

    pub(super) fn allows(&self, wanted: &Wanted<'_>) -> bool {
        let among = |all: &[String], one: &str| all.iter().any(|it| it == "*" || it == one);
        among(&self.verbs, wanted.verb)
            && (self.group == "*" || self.group == wanted.group)
            && among(&self.resources, wanted.resource)
            && self.namespace.as_deref().is_none_or(|namespace| namespace == wanted.namespace)
    }
}

impl Wanted<'_> {
    /// The sentence of a refusal.
    pub(super) fn told(&self, user: &str) -> String {
        let Wanted { verb, group, resource, namespace } = self;
        let place = match *namespace {
            "" => "at the cluster scope".to_owned(),
            namespace => format!("in the namespace \"{namespace}\""),
        };
        format!("User \"{user}\" cannot {verb} resource \"{resource}\" in API group \"{group}\" {place}")
    }
}
