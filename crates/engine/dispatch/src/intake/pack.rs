//! Messages of many calls into few frames.

use std::collections::BTreeMap;

use naru_core::clock::Millis;
use naru_core::id::Id;

use crate::find::Finder;
use crate::frame::{FrameBuilder, TemplateRef};
use crate::intake::Batch;
use crate::message::{Message, MessageId};
use crate::rows::NewFrame;
use crate::shard::{Shard, Shards};

/// Packs all messages, and answers the ids batch by batch.
pub fn pack(batches: &[&Batch], now: Millis, finder: &Finder, shards: &Shards) -> (Vec<NewFrame>, Vec<Vec<MessageId>>) {
    let nowhere = MessageId { frame: Id::default(), slot: 0 };
    let mut ids: Vec<Vec<MessageId>> = batches.iter().map(|batch| vec![nowhere; batch.count]).collect();
    let mut open: BTreeMap<(&str, u16, usize), Packing> = BTreeMap::new();
    let mut frames = Vec::new();
    for (ids, batch) in ids.iter_mut().zip(batches) {
        for part in &batch.parts {
            let count = shards.count(&part.lane);
            for (place, message) in &part.messages {
                let no = if count == 1 { 0 } else { Shard::of_key(message.key(), count) };
                let packing = open
                    .entry((part.lane.as_str(), no, part.priority))
                    .or_insert_with(|| Packing::new(Shard::new(&part.lane, no), part.priority, now));
                ids[*place] = packing.push(&part.template, message, finder, &mut frames);
            }
        }
    }
    open.into_values().for_each(|mut packing| packing.cut(&mut frames));
    // Every writer locks shards in one order, so that two of them never wait for each other.
    frames.sort_by(|a, b| a.shard.cmp(&b.shard));
    (frames, ids)
}

/// Frames of one shard and priority as they fill.
struct Packing {
    shard: Shard,
    priority: usize,
    now: Millis,
    id: Id,
    builder: FrameBuilder,
    prints: Vec<u8>,
}

impl Packing {
    fn new(shard: Shard, priority: usize, now: Millis) -> Packing {
        let builder = FrameBuilder::new(Vec::new());
        Packing { shard, priority, now, id: Id::new(now), builder, prints: Vec::new() }
    }

    fn push(
        &mut self,
        template: &TemplateRef,
        message: &Message,
        finder: &Finder,
        out: &mut Vec<NewFrame>,
    ) -> MessageId {
        if !self.try_push(template, message) {
            self.cut(out);
            // Callers check a message's size before: it fits an empty frame.
            self.try_push(template, message);
        }
        self.prints.extend_from_slice(&finder.print(message.to.reveal()));
        self.prints.extend(message.trace_id.iter().flat_map(|trace| finder.print_of_trace(trace)));
        MessageId { frame: self.id, slot: (self.builder.count() - 1) as u16 }
    }

    fn try_push(&mut self, template: &TemplateRef, message: &Message) -> bool {
        self.builder.template(template).is_some_and(|index| {
            let values = message.values.iter().map(String::as_str);
            let (customer, trace) = (message.customer.as_deref(), message.trace_id.as_deref());
            self.builder.push(index, message.to.reveal(), customer, message.expires_at, trace, values)
        })
    }

    fn cut(&mut self, out: &mut Vec<NewFrame>) {
        if self.builder.is_empty() {
            return;
        }
        let count = self.builder.count();
        let mut builder = std::mem::replace(&mut self.builder, FrameBuilder::new(Vec::new()));
        out.push(NewFrame {
            id: std::mem::replace(&mut self.id, Id::new(self.now)),
            shard: self.shard.clone(),
            priority: self.priority,
            campaign: None,
            count,
            body: builder.finish(),
            prints: std::mem::take(&mut self.prints),
            accepted_at: self.now,
        });
    }
}
