//! Who the token is, what it may, and what it speaks with.

use naru_core::failure::Failure;
use serde::Deserialize;

use super::part;
use crate::application::null_is_default;
use crate::client::{Call, Client};
use crate::refusal::About;
use crate::version::Version;

/// Whom a token belongs to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct User {
    /// Whether the token is good.
    pub logged_in: bool,
    /// The account, `proj:PROJECT:ROLE` for a project's.
    pub username: String,
    /// Its groups.
    #[serde(deserialize_with = "null_is_default")]
    pub groups: Vec<String>,
}

#[derive(Deserialize)]
struct VersionMessage {
    #[serde(rename = "Version")]
    version: String,
}

#[derive(Deserialize)]
struct CanI {
    value: String,
}

impl Client {
    /// The server's version; needs no right. Refused below [`Version::OLDEST`].
    pub async fn version(&self) -> Result<Version, Failure> {
        let told: VersionMessage = self.ask(Call::get("/api/version".to_owned(), About::nothing())).await?;
        let version: Version =
            told.version.parse().map_err(|()| self.bad_answer(&format!("version {:?}", told.version)))?;
        match version.is_supported() {
            true => Ok(version),
            false => Err(Failure::refused("argocd-too-old").arg("found", version).arg("needed", Version::OLDEST)),
        }
    }

    /// Whom the token belongs to. A server answers also where the token is no good, with `logged_in` false.
    pub async fn user(&self) -> Result<User, Failure> {
        self.ask(Call::get("/api/v1/session/userinfo".to_owned(), About::nothing())).await
    }

    /// Whether the account may do `action` to `object` (`shop/web`) of `resource` (`applications`).
    ///
    /// An action with a slash (`update/*`) cannot be asked for: the server cuts its path there.
    pub async fn can_i(&self, resource: &str, action: &str, object: &str) -> Result<bool, Failure> {
        // What is left of the path is the object, slashes and all.
        let object: Vec<String> = object.split('/').map(part).collect();
        let path = format!("/api/v1/account/can-i/{}/{}/{}", part(resource), part(action), object.join("/"));
        let told: CanI = self.ask(Call::get(path, About::nothing())).await?;
        Ok(told.value == "yes")
    }
}
