//! AppProjects. Whoever may update one may also write its roles.

use naru_core::failure::Failure;
use reqwest::Method;
use serde_json::json;

use super::part;
use crate::client::{Call, Client};
use crate::project::Project;
use crate::refusal::About;

impl Client {
    /// One project, whole.
    pub async fn project(&self, name: &str) -> Result<Project, Failure> {
        let found: Project = self.ask(Call::get(path(name), About::right(format!("projects, get, {name}")))).await?;
        if found.is_whole() { Ok(found) } else { Err(self.bad_answer("a project without a spec")) }
    }

    /// Writes a project as a whole and answers it as it is then. Where somebody wrote it since it was read the failure is
    /// `argocd-conflict`: read again, change again.
    pub async fn put_project(&self, project: &Project) -> Result<Project, Failure> {
        let about = About::right(format!("projects, update, {}", project.name()));
        self.ask(Call::write(Method::PUT, path(project.name()), Some(json!({ "project": project })), about)).await
    }
}

fn path(name: &str) -> String {
    format!("/api/v1/projects/{}", part(name))
}
