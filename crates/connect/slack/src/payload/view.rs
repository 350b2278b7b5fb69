//! The submission of a view.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::payload::{Body, Chosen, Form, Request, User};

#[derive(Deserialize)]
pub(super) struct ViewSubmission {
    trigger_id: String,
    user: User,
    view: View,
}

#[derive(Deserialize)]
struct View {
    #[serde(default)]
    callback_id: String,
    #[serde(default)]
    private_metadata: String,
    #[serde(default)]
    state: State,
}

#[derive(Default, Deserialize)]
struct State {
    #[serde(default)]
    values: BTreeMap<String, BTreeMap<String, Input>>,
}

#[derive(Deserialize)]
struct Input {
    #[serde(default)]
    value: Option<String>,
    #[serde(default)]
    selected_option: Option<Chosen>,
}

impl ViewSubmission {
    pub(super) fn request(self) -> Request {
        let blocks = self.view.state.values.into_iter();
        let inputs = blocks.flat_map(|(block, inputs)| {
            inputs.into_iter().map(move |(action, input)| (block.clone(), action, input.read()))
        });
        Request {
            key: self.trigger_id,
            user: self.user.person(),
            body: Body::Form(Form {
                callback: self.view.callback_id,
                metadata: self.view.private_metadata,
                fields: inputs.collect(),
            }),
            response_url: None,
        }
    }
}

impl Input {
    /// What was left empty is null.
    fn read(self) -> String {
        self.value.or(self.selected_option.map(|chosen| chosen.value)).unwrap_or_default()
    }
}
