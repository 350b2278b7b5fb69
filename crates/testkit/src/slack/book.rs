//! What the stand-in keeps.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::time::Instant;

use serde_json::{Value, json};
use tokio::sync::mpsc::UnboundedSender;

use crate::slack::ledger::{Ack, Call, Posted};
use crate::slack::limit::Limits;
use crate::slack::wire::Order;

/// Something said or clicked that goes over a socket.
pub struct Envelope {
    pub id: String,
    pub key: String,
    pub frame: String,
    pub is_acked: bool,
    pub delivered_at: Option<Instant>,
    /// The socket it was given to last.
    pub link: Option<u64>,
}

/// An open socket.
pub struct Link {
    pub number: u64,
    pub orders: UnboundedSender<Order>,
    /// It takes nothing in and lets nothing out, and is not closed: neither end is told.
    pub is_frozen: bool,
}

pub struct Book {
    pub serial: u64,
    pub calls: Vec<Call>,
    pub messages: BTreeMap<(String, String), Posted>,
    pub scopes: Vec<String>,
    pub limits: Limits,
    pub throttled_calls: usize,
    pub early_calls: usize,
    pub failing: HashMap<String, u32>,
    pub held: HashSet<String>,
    pub waiting: HashMap<String, usize>,
    /// Sockets' addresses that have not been used.
    pub tickets: HashSet<String>,
    pub sockets_off: bool,
    pub links: Vec<Link>,
    pub hellos: Vec<usize>,
    pub pings: usize,
    pub gaps: usize,
    pub envelopes: Vec<Envelope>,
    pub acks: Vec<Ack>,
    /// How often each `response_url` can still be used.
    pub hooks: HashMap<String, u32>,
    /// Keys by which a view can be opened, each once.
    pub triggers: VecDeque<String>,
}

impl Default for Book {
    fn default() -> Book {
        let scopes = ["chat:write", "channels:read", "users:read", "users:read.email", "usergroups:read", "commands"];
        Book {
            serial: 0,
            calls: Vec::new(),
            messages: BTreeMap::new(),
            scopes: scopes.map(str::to_owned).to_vec(),
            limits: Limits::default(),
            throttled_calls: 0,
            early_calls: 0,
            failing: HashMap::new(),
            held: HashSet::new(),
            waiting: HashMap::new(),
            tickets: HashSet::new(),
            sockets_off: false,
            links: Vec::new(),
            hellos: Vec::new(),
            pings: 0,
            gaps: 0,
            envelopes: Vec::new(),
            acks: Vec::new(),
            hooks: HashMap::new(),
            triggers: VecDeque::new(),
        }
    }
}

impl Book {
    pub fn next(&mut self) -> u64 {
        self.serial += 1;
        self.serial
    }

    /// A message's name in its channel.
    pub fn ts(&mut self) -> String {
        format!("1795361400.{:06}", self.next())
    }

    /// Gives an envelope to one of the open sockets in turn, a deaf one if there is no other, or to the next that opens.
    pub fn deliver(&mut self, index: usize) {
        let turn = self.next() as usize;
        let awake: Vec<&Link> = self.links.iter().filter(|link| !link.is_frozen).collect();
        let link = awake.get(turn % awake.len().max(1)).copied().or(self.links.first());
        let (Some(link), envelope) = (link, &mut self.envelopes[index]) else { return };
        (envelope.link, envelope.delivered_at) = (Some(link.number), Some(Instant::now()));
        if !link.is_frozen {
            // A socket that has just gone is noticed when its task ends.
            let _ = link.orders.send(Order::Text(envelope.frame.clone()));
        }
    }

    /// Delivers again what nobody acknowledged and whose socket has gone or is deaf.
    pub fn deliver_again(&mut self) {
        for index in 0..self.envelopes.len() {
            let Envelope { is_acked, link, .. } = &self.envelopes[index];
            let is_there = self.links.iter().any(|it| Some(it.number) == *link && !it.is_frozen);
            if !is_acked && !is_there {
                self.deliver(index);
            }
        }
    }

    /// Takes an acknowledgement that came over a socket.
    pub fn acknowledge(&mut self, text: &str) {
        let ack: Value = serde_json::from_str(text).unwrap_or_default();
        let Some(id) = ack["envelope_id"].as_str() else { return };
        let Some(envelope) = self.envelopes.iter_mut().find(|envelope| envelope.id == id) else { return };
        envelope.is_acked = true;
        self.acks.push(Ack {
            key: envelope.key.clone(),
            envelope: id.to_owned(),
            after: envelope.delivered_at.map(|at| at.elapsed()).unwrap_or_default(),
            payload: ack["payload"].clone(),
            status: 0,
        });
    }

    pub fn person(&self, id: &str) -> Option<Value> {
        let name = match id {
            "U0KIM" => "kim",
            "U0LEE" => "lee",
            _ => return None,
        };
        let has_email = self.scopes.iter().any(|scope| scope == "users:read.email");
        let email = if has_email { json!(format!("{name}@example.com")) } else { Value::Null };
        let profile = json!({ "display_name": name, "real_name": name.to_uppercase(), "email": email });
        Some(json!({ "id": id, "team_id": TEAM, "name": name, "deleted": false, "is_bot": false, "profile": profile }))
    }
}

pub const TEAM: &str = "T0SHOP";
