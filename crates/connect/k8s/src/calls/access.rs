//! What the account may do, asked before it is tried.

use http::Method;
use naru_core::failure::Failure;
use serde_json::{Value, json};

use crate::call::Call;
use crate::client::Client;
use crate::refusal::About;

/// A right, as RBAC names it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Right {
    /// `get`, `list`, `watch`, `create`, `patch`, `delete`.
    pub verb: String,
    /// Empty for the core group.
    pub group: String,
    /// `deployments`.
    pub resource: String,
    /// `scale`, or empty.
    pub subresource: String,
    /// Empty for all of them, and for what belongs to the cluster.
    pub namespace: String,
}

impl Right {
    /// The right to `verb` on `resource` of `group` in all namespaces.
    pub fn new(verb: &str, group: &str, resource: &str) -> Right {
        let own = str::to_owned;
        Right { verb: own(verb), group: own(group), resource: own(resource), ..Right::default() }
    }

    /// The same for one namespace.
    pub fn in_namespace(self, namespace: &str) -> Right {
        Right { namespace: namespace.to_owned(), ..self }
    }

    /// The same for a subresource.
    pub fn on(self, subresource: &str) -> Right {
        Right { subresource: subresource.to_owned(), ..self }
    }
}

impl Client {
    /// Whether the account has `right`. Any account may ask this of itself.
    pub async fn can_i(&self, right: &Right) -> Result<bool, Failure> {
        let Right { verb, group, resource, subresource, namespace } = right;
        let review = json!({
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": { "resourceAttributes": {
                "verb": verb, "group": group, "resource": resource, "subresource": subresource, "namespace": namespace,
            } },
        });
        let about = About {
            verb: "create",
            group: "authorization.k8s.io".to_owned(),
            resource: "selfsubjectaccessreviews".to_owned(),
            kind: "SelfSubjectAccessReview".to_owned(),
            ..About::default()
        };
        let path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews".to_owned();
        // Posted, and yet a question: nothing is stored.
        let call = Call { is_question: true, ..Call::write(Method::POST, path, review, about) };
        let answer: Value = self.ask(call).await?;
        answer["status"]["allowed"].as_bool().ok_or_else(|| self.unreadable("a review without an answer"))
    }
}
