//! The frame: up to 1,000 messages in one compressed record, never changed after it is stored.
//!
//! ```text
//! magic "naru"  version u8  codec u8  key u8  count u16  raw u32
//! templates u8, each: length u8, id, version u32, variables u8
//! zstd( length of each message as u16 … the messages )
//! xxh3 of all of the above, u64
//! ```
//! Numbers are little-endian. A message: flags u8, template u8, address, [customer], [expires_at i64], [trace id],
//! values; texts carry a LEB128 length. The template stands once a frame and a message holds only its values, which is
//! what makes a stored message small. The checksum covers the header, so a flipped byte anywhere is found before
//! anything is decompressed.

use std::cell::RefCell;

use naru_core::clock::Millis;
use xxhash_rust::xxh3::xxh3_64;

/// Messages of one frame at most: also the batch that the larger Korean providers take.
pub const MESSAGES_MAX: usize = 1_000;
/// Uncompressed bytes of one frame at most; far below the 1 MiB at which streams refuse a record.
pub const RAW_BYTES_MAX: usize = 256 * 1024;
/// Bytes of one packed message at most: its length is stored in 16 bits.
pub const MESSAGE_BYTES_MAX: usize = 60_000;
/// Templates of one frame at most: the index is one byte.
pub const TEMPLATES_MAX: usize = 255;

const MAGIC: &[u8; 4] = b"naru";
const VERSION: u8 = 1;
const CODEC_ZSTD: u8 = 1;
/// No encryption; other numbers will name a key.
const KEY_CLEAR: u8 = 0;
/// Level 1 packed smallest and fastest of 1, 3 and 9 on real-shaped messages.
const ZSTD_LEVEL: i32 = 1;
const HEADER_BYTES: usize = 13;
const CHECKSUM_BYTES: usize = 8;

const HAS_CUSTOMER: u8 = 1;
const HAS_EXPIRY: u8 = 2;
const HAS_TRACE: u8 = 4;

/// Which template, in which version, and how many values its messages carry.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TemplateRef {
    /// The template's id.
    pub id: String,
    /// Its version.
    pub version: u32,
    /// How many variables.
    pub variables: u8,
}

/// One message as it goes into a frame or comes out of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packed<'a> {
    /// Index into the frame's templates.
    pub template: u8,
    /// The address in normal form.
    pub to: &'a str,
    /// Whose order is kept.
    pub customer: Option<&'a str>,
    /// Not sent after this moment.
    pub expires_at: Option<Millis>,
    /// The caller's trace id.
    pub trace_id: Option<&'a str>,
    /// In the order of the template's variables.
    pub values: Vec<&'a str>,
}

/// What stands before a message's values: all that order, expiry and consent ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head<'a> {
    /// Index into the frame's templates.
    pub template: u8,
    /// The address in normal form.
    pub to: &'a str,
    /// Whose order is kept.
    pub customer: Option<&'a str>,
    /// Not sent after this moment.
    pub expires_at: Option<Millis>,
    /// The caller's trace id.
    pub trace_id: Option<&'a str>,
}

impl Head<'_> {
    /// Messages with the same key are sent in order: the customer's, or else the address's.
    pub fn key(&self) -> u64 {
        key_of(self.to, self.customer)
    }
}

/// The key of a message to `to` of `customer`.
pub fn key_of(to: &str, customer: Option<&str>) -> u64 {
    match customer {
        Some(customer) => xxhash_rust::xxh3::xxh3_64_with_seed(customer.as_bytes(), 1),
        None => xxh3_64(to.as_bytes()),
    }
}

/// Why bytes are not a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// Too short, or not begun as a frame.
    #[error("not a frame")]
    NotAFrame,
    /// The checksum does not fit the bytes.
    #[error("a byte of the frame has changed since it was written")]
    Checksum,
    /// Written by a version, codec or key that this program does not know.
    #[error("the frame has format {version}, codec {codec}, key {key}, which this version cannot read")]
    Format {
        /// Format version.
        version: u8,
        /// Codec.
        codec: u8,
        /// Key id.
        key: u8,
    },
    /// Sound as a whole and wrong inside: our own fault when it was written.
    #[error("the frame's content does not fit its header")]
    Content,
}

/// Packs messages.
pub struct FrameBuilder {
    templates: Vec<TemplateRef>,
    lengths: Vec<u8>,
    records: Vec<u8>,
    count: usize,
}

impl FrameBuilder {
    /// An empty frame for messages of these templates.
    pub fn new(templates: Vec<TemplateRef>) -> FrameBuilder {
        debug_assert!(templates.len() <= TEMPLATES_MAX);
        FrameBuilder { templates, lengths: Vec::new(), records: Vec::new(), count: 0 }
    }

    /// The index of `template`, added where it is new; `None` where no more fit.
    pub fn template(&mut self, template: &TemplateRef) -> Option<u8> {
        if let Some(index) = self.templates.iter().position(|known| known == template) {
            return Some(index as u8);
        }
        if self.templates.len() == TEMPLATES_MAX {
            return None;
        }
        self.templates.push(template.clone());
        Some((self.templates.len() - 1) as u8)
    }

    /// How many messages it holds.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Packs a message; `false` where it does not fit and a new frame must begin (or, in an empty frame, never fits).
    pub fn push<'a>(
        &mut self,
        template: u8,
        to: &str,
        customer: Option<&str>,
        expires_at: Option<Millis>,
        trace_id: Option<&str>,
        values: impl Iterator<Item = &'a str>,
    ) -> bool {
        let start = self.records.len();
        let flag = |on: bool, bit: u8| if on { bit } else { 0 };
        self.records.push(
            flag(customer.is_some(), HAS_CUSTOMER)
                | flag(expires_at.is_some(), HAS_EXPIRY)
                | flag(trace_id.is_some(), HAS_TRACE),
        );
        self.records.push(template);
        put_text(&mut self.records, to);
        if let Some(customer) = customer {
            put_text(&mut self.records, customer);
        }
        if let Some(at) = expires_at {
            self.records.extend_from_slice(&at.to_le_bytes());
        }
        if let Some(trace) = trace_id {
            put_text(&mut self.records, trace);
        }
        values.for_each(|value| put_text(&mut self.records, value));
        let bytes = self.records.len() - start;
        let fits = self.count < MESSAGES_MAX
            && bytes <= MESSAGE_BYTES_MAX
            && self.records.len() + self.lengths.len() + 2 <= RAW_BYTES_MAX;
        if !fits {
            self.records.truncate(start);
            return false;
        }
        self.lengths.extend_from_slice(&(bytes as u16).to_le_bytes());
        self.count += 1;
        true
    }

    /// The stored form; empties the builder, which keeps its templates.
    pub fn finish(&mut self) -> Vec<u8> {
        let raw_bytes = self.lengths.len() + self.records.len();
        let mut out = Vec::with_capacity(raw_bytes / 2 + 64);
        out.extend_from_slice(MAGIC);
        out.extend_from_slice(&[VERSION, CODEC_ZSTD, KEY_CLEAR]);
        out.extend_from_slice(&(self.count as u16).to_le_bytes());
        out.extend_from_slice(&(raw_bytes as u32).to_le_bytes());
        out.push(self.templates.len() as u8);
        for template in &self.templates {
            out.push(template.id.len() as u8);
            out.extend_from_slice(template.id.as_bytes());
            out.extend_from_slice(&template.version.to_le_bytes());
            out.push(template.variables);
        }
        self.lengths.append(&mut self.records);
        compress(&self.lengths, &mut out);
        out.extend_from_slice(&xxh3_64(&out).to_le_bytes());
        self.lengths.clear();
        self.count = 0;
        out
    }
}

/// A frame read back.
#[derive(Clone, Debug)]
pub struct Frame {
    /// The templates its messages name by index.
    pub templates: Vec<TemplateRef>,
    raw: Vec<u8>,
    /// Where each message begins in `raw`, and the end of the last.
    offsets: Vec<u32>,
}

impl Frame {
    /// Checks and unpacks stored bytes.
    pub fn read(bytes: &[u8]) -> Result<Frame, FrameError> {
        if bytes.len() < HEADER_BYTES + 1 + CHECKSUM_BYTES || &bytes[..4] != MAGIC {
            return Err(FrameError::NotAFrame);
        }
        let (body, sum) = bytes.split_at(bytes.len() - CHECKSUM_BYTES);
        if xxh3_64(body).to_le_bytes() != sum {
            return Err(FrameError::Checksum);
        }
        let (version, codec, key) = (body[4], body[5], body[6]);
        if (version, codec, key) != (VERSION, CODEC_ZSTD, KEY_CLEAR) {
            return Err(FrameError::Format { version, codec, key });
        }
        Frame::read_content(body).ok_or(FrameError::Content)
    }

    fn read_content(body: &[u8]) -> Option<Frame> {
        let mut rest = Reader { bytes: body, at: 7 };
        let count = usize::from(rest.u16()?);
        let raw_bytes = rest.u32()? as usize;
        if raw_bytes > RAW_BYTES_MAX || count > MESSAGES_MAX {
            return None;
        }
        let mut templates = Vec::new();
        for _ in 0..rest.u8()? {
            let length = usize::from(rest.u8()?);
            let id = std::str::from_utf8(rest.take(length)?).ok()?.to_owned();
            templates.push(TemplateRef { id, version: rest.u32()?, variables: rest.u8()? });
        }
        let raw = decompress(&body[rest.at..], raw_bytes)?;
        let mut offsets = Vec::with_capacity(count + 1);
        let mut at = count * 2;
        offsets.push(at as u32);
        for pair in raw.get(..count * 2)?.chunks_exact(2) {
            at += usize::from(u16::from_le_bytes([pair[0], pair[1]]));
            offsets.push(at as u32);
        }
        let frame = Frame { templates, raw, offsets };
        (at == frame.raw.len() && (0..count).all(|slot| frame.is_sound(slot))).then_some(frame)
    }

    /// How many messages it holds.
    pub fn count(&self) -> usize {
        self.offsets.len() - 1
    }

    /// The message in `slot`; `None` beyond the last.
    pub fn message(&self, slot: u16) -> Option<Packed<'_>> {
        let (Head { template, to, customer, expires_at, trace_id }, mut rest) = self.open(usize::from(slot))?;
        let variables = self.templates.get(usize::from(template))?.variables;
        let mut values = Vec::with_capacity(usize::from(variables));
        for _ in 0..variables {
            values.push(rest.text()?);
        }
        Some(Packed { template, to, customer, expires_at, trace_id, values })
    }

    /// The head of the message in `slot`, without looking at its values.
    pub fn head(&self, slot: u16) -> Option<Head<'_>> {
        self.open(usize::from(slot)).map(|(head, _)| head)
    }

    /// Every message's head in order.
    pub fn heads(&self) -> impl Iterator<Item = Head<'_>> {
        // Reading checked each of them.
        (0..self.count()).filter_map(|slot| self.open(slot)).map(|(head, _)| head)
    }

    fn open(&self, slot: usize) -> Option<(Head<'_>, Reader<'_>)> {
        let (start, end) = (*self.offsets.get(slot)? as usize, *self.offsets.get(slot + 1)? as usize);
        let mut rest = Reader { bytes: self.raw.get(..end)?, at: start };
        let flags = rest.u8()?;
        let template = rest.u8()?;
        let to = rest.text()?;
        let customer = if flags & HAS_CUSTOMER != 0 { Some(rest.text()?) } else { None };
        let expires_at = if flags & HAS_EXPIRY != 0 { Some(rest.i64()?) } else { None };
        let trace_id = if flags & HAS_TRACE != 0 { Some(rest.text()?) } else { None };
        Some((Head { template, to, customer, expires_at, trace_id }, rest))
    }

    /// Whether all of a message can be read, to its last byte.
    fn is_sound(&self, slot: usize) -> bool {
        let Some((head, mut rest)) = self.open(slot) else { return false };
        let Some(template) = self.templates.get(usize::from(head.template)) else { return false };
        (0..template.variables).all(|_| rest.text().is_some()) && rest.at == rest.bytes.len()
    }
}

fn compress(raw: &[u8], out: &mut Vec<u8>) {
    thread_local! {
        static CONTEXT: RefCell<zstd::zstd_safe::CCtx<'static>> = RefCell::new(zstd::zstd_safe::CCtx::create());
    }
    let start = out.len();
    out.resize(start + zstd::zstd_safe::compress_bound(raw.len()), 0);
    let written = CONTEXT.with_borrow_mut(|context| context.compress(&mut out[start..], raw, ZSTD_LEVEL));
    out.truncate(start + written.expect("the buffer is as large as zstd says it must be"));
}

fn decompress(packed: &[u8], raw_bytes: usize) -> Option<Vec<u8>> {
    thread_local! {
        static CONTEXT: RefCell<zstd::zstd_safe::DCtx<'static>> = RefCell::new(zstd::zstd_safe::DCtx::create());
    }
    let mut raw = vec![0; raw_bytes];
    let written = CONTEXT.with_borrow_mut(|context| context.decompress(&mut raw[..], packed)).ok()?;
    (written == raw_bytes).then_some(raw)
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    let mut length = text.len();
    while length >= 0x80 {
        out.push(length as u8 | 0x80);
        length >>= 7;
    }
    out.push(length as u8);
    out.extend_from_slice(text.as_bytes());
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let end = self.at.checked_add(length)?;
        let part = self.bytes.get(self.at..end)?;
        self.at = end;
        Some(part)
    }

    fn u8(&mut self) -> Option<u8> {
        self.take(1).map(|b| b[0])
    }

    fn u16(&mut self) -> Option<u16> {
        self.take(2)?.try_into().ok().map(u16::from_le_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.take(4)?.try_into().ok().map(u32::from_le_bytes)
    }

    fn i64(&mut self) -> Option<i64> {
        self.take(8)?.try_into().ok().map(i64::from_le_bytes)
    }

    fn text(&mut self) -> Option<&'a str> {
        let mut length = 0usize;
        // Three groups of seven bits hold more than MESSAGE_BYTES_MAX.
        for shift in [0, 7, 14] {
            let byte = self.u8()?;
            length |= usize::from(byte & 0x7F) << shift;
            if byte < 0x80 {
                return std::str::from_utf8(self.take(length)?).ok();
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    type Owned = (String, Option<String>, Option<Millis>, Option<String>, Vec<String>);

    fn any_message() -> impl Strategy<Value = Owned> {
        (
            "[0-9]{0,20}",
            proptest::option::of("\\PC{0,40}"),
            proptest::option::of(any::<Millis>()),
            proptest::option::of("[0-9a-f]{32}"),
            proptest::collection::vec("\\PC{0,200}", 3),
        )
    }

    fn pack(messages: &[Owned]) -> Vec<u8> {
        let mut builder = FrameBuilder::new(vec![TemplateRef { id: "쿠폰".into(), version: 7, variables: 3 }]);
        for (to, customer, expires_at, trace, values) in messages {
            let values = values.iter().map(String::as_str);
            assert!(builder.push(0, to, customer.as_deref(), *expires_at, trace.as_deref(), values));
        }
        builder.finish()
    }

    proptest! {
        #[test]
        fn what_goes_in_comes_out(messages in proptest::collection::vec(any_message(), 0..40)) {
            let frame = Frame::read(&pack(&messages)).unwrap();
            prop_assert_eq!(frame.count(), messages.len());
            prop_assert_eq!(&frame.templates[0].id, "쿠폰");
            for (slot, (to, customer, expires_at, trace, values)) in messages.iter().enumerate() {
                let expect = Packed {
                    template: 0,
                    to,
                    customer: customer.as_deref(),
                    expires_at: *expires_at,
                    trace_id: trace.as_deref(),
                    values: values.iter().map(String::as_str).collect(),
                };
                prop_assert_eq!(frame.message(slot as u16), Some(expect));
            }
        }

        #[test]
        fn a_flipped_bit_anywhere_is_found(
            messages in proptest::collection::vec(any_message(), 1..5),
            at in any::<proptest::sample::Index>(),
            bit in 0u8..8,
        ) {
            let mut bytes = pack(&messages);
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
            prop_assert!(Frame::read(&bytes).is_err());
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(Frame::read(&bytes).is_err());
        }

        #[test]
        fn content_that_lies_is_refused_and_never_panics(
            count in any::<u16>(), raw in 0u32..300_000, junk in proptest::collection::vec(any::<u8>(), 0..100),
        ) {
            // A frame whose checksum is right and whose inside is not: what a fuzzer cannot reach past the checksum.
            let mut bytes = b"naru\x01\x01\x00".to_vec();
            bytes.extend_from_slice(&count.to_le_bytes());
            bytes.extend_from_slice(&raw.to_le_bytes());
            bytes.push(0);
            compress(&junk, &mut bytes);
            bytes.extend_from_slice(&xxh3_64(&bytes).to_le_bytes());
            let sound = count == 0 && raw as usize == junk.len() && junk.is_empty();
            prop_assert_eq!(Frame::read(&bytes).is_ok(), sound);
        }
    }

    #[test]
    fn a_full_frame_says_so_and_keeps_what_it_has() {
        let mut builder = FrameBuilder::new(vec![TemplateRef { id: "t".into(), version: 1, variables: 1 }]);
        let long = "x".repeat(50_000);
        let fitted =
            (0..10).take_while(|_| builder.push(0, "01012345678", None, None, None, [long.as_str()].into_iter()));
        assert_eq!(fitted.count(), 5);
        assert_eq!(Frame::read(&builder.finish()).unwrap().count(), 5);
        let too_long = "x".repeat(MESSAGE_BYTES_MAX);
        assert!(!builder.push(0, "01012345678", None, None, None, [too_long.as_str()].into_iter()));
        assert!(builder.is_empty());
    }
}
