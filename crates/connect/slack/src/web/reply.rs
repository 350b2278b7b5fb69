//! What the Web API answers, as far as it is used.

use naru_core::masked::Address;
use serde::{Deserialize, Serialize};

/// Where a message stands. Storing it is what lets a message be changed after a restart.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Place {
    /// The id of the channel.
    pub channel: String,
    /// The message's name within it.
    pub ts: String,
}

/// Who the bot is.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Identity {
    /// The workspace's name.
    pub team: String,
    /// The workspace's id.
    pub team_id: String,
    /// The bot's name.
    pub user: String,
    /// The bot's id, as people have one.
    pub user_id: String,
    /// What its token may do.
    #[serde(skip)]
    pub scopes: Vec<String>,
}

/// A person.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(from = "UserWire")]
pub struct User {
    /// Slack's id.
    pub id: String,
    /// The name people see; its owner can change it.
    pub name: String,
    /// The e-mail address, where the bot has the scope `users:read.email`.
    pub email: Option<Address>,
    /// Whether the account was switched off: who left keeps an id.
    pub deleted: bool,
    /// Whether it is an app.
    pub is_bot: bool,
}

/// A group of people, such as `@backend`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Group {
    /// Slack's id.
    pub id: String,
    /// What people write, without the `@`.
    pub handle: String,
    /// What it is called.
    pub name: String,
}

/// A channel.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Channel {
    /// Slack's id.
    pub id: String,
    /// Its name without the `#`; empty between two people.
    #[serde(default)]
    pub name: String,
    /// Whether the bot is in it.
    #[serde(default)]
    pub is_member: bool,
    /// Whether nothing can be posted there any more.
    #[serde(default)]
    pub is_archived: bool,
}

#[derive(Deserialize)]
pub(super) struct UserReply {
    pub user: User,
}

#[derive(Deserialize)]
pub(super) struct GroupsReply {
    pub usergroups: Vec<Group>,
}

#[derive(Deserialize)]
pub(super) struct GroupUsersReply {
    pub users: Vec<String>,
}

#[derive(Deserialize)]
pub(super) struct ChannelReply {
    pub channel: Channel,
}

#[derive(Deserialize)]
pub(super) struct SocketReply {
    pub url: String,
}

#[derive(Deserialize)]
struct UserWire {
    id: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    deleted: bool,
    #[serde(default)]
    is_bot: bool,
    #[serde(default)]
    profile: Profile,
}

#[derive(Default, Deserialize)]
struct Profile {
    #[serde(default)]
    display_name: String,
    #[serde(default)]
    real_name: String,
    #[serde(default)]
    email: Option<Address>,
}

impl From<UserWire> for User {
    fn from(wire: UserWire) -> User {
        // The first that was filled in, as Slack itself shows people.
        let names = [wire.profile.display_name, wire.profile.real_name, wire.name];
        User {
            id: wire.id,
            name: names.into_iter().find(|name| !name.is_empty()).unwrap_or_default(),
            email: wire.profile.email,
            deleted: wire.deleted,
            is_bot: wire.is_bot,
        }
    }
}
