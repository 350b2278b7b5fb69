//! Whatever bytes the store gives back, reading a frame neither panics nor makes anything up.
//!
//! A fuzzer cannot guess a checksum, nor bytes that unpack to what it wants. So the same input is tried three ways: as
//! it is, under a checksum that fits, and as the header and the raw content that are then packed as a frame packs them.

#![no_main]

use libfuzzer_sys::fuzz_target;
use naru_dispatch::frame::{Frame, FrameBuilder, MESSAGE_BYTES_MAX, MESSAGES_MAX, RAW_BYTES_MAX};
use xxhash_rust::xxh3::xxh3_64;

/// Bytes of the header whose length does not change: magic, version, codec, key, count, raw length.
const HEADER_BYTES: usize = 13;
/// Flags, template, expiry and the lengths of all texts of one message: at most this together.
const SMALL_PARTS_BYTES_MAX: usize = 1_000;

fuzz_target!(|data: &[u8]| {
    check(data);
    check(&sealed(data.to_vec()));
    if let Some((frame, header)) = packed(data) {
        check(&frame);
        check(&header);
    }
});

/// Reads bytes; those that are a frame say the same when they are packed anew.
fn check(bytes: &[u8]) {
    let Ok(frame) = Frame::read(bytes) else { return };
    assert!(frame.count() <= MESSAGES_MAX);
    assert_eq!(frame.heads().count(), frame.count());
    assert_eq!(frame.message(frame.count() as u16), None);
    let mut builder = FrameBuilder::new(frame.templates.clone());
    for slot in 0..frame.count() as u16 {
        let message = frame.message(slot).expect("a frame that was read holds all its messages");
        assert_eq!(frame.head(slot).map(|head| (head.to, head.customer)), Some((message.to, message.customer)));
        let values = message.values.iter().copied();
        let fits =
            builder.push(message.template, message.to, message.customer, message.expires_at, message.trace_id, values);
        if !fits {
            // What 16 bits of length can say is read, and a little less than that is ever packed.
            let texts = [Some(message.to), message.customer, message.trace_id].into_iter().flatten();
            let bytes: usize = texts.chain(message.values.iter().copied()).map(str::len).sum();
            return assert!(bytes + SMALL_PARTS_BYTES_MAX > MESSAGE_BYTES_MAX, "{bytes} bytes did not fit");
        }
    }
    let again = Frame::read(&builder.finish()).expect("what was packed can be read");
    assert_eq!(again.count(), frame.count());
    for slot in 0..frame.count() as u16 {
        assert_eq!(again.message(slot), frame.message(slot));
    }
}

/// With the checksum that fits.
fn sealed(mut bytes: Vec<u8>) -> Vec<u8> {
    let sum = xxh3_64(&bytes);
    bytes.extend_from_slice(&sum.to_le_bytes());
    bytes
}

/// The input as what a frame unpacks to: two bytes of count, the templates up to a length that the third byte says, and
/// the raw content. With a raw length that is right, and with one that the input says.
fn packed(data: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let (count, rest) = data.split_at_checked(2)?;
    let (length, rest) = rest.split_first()?;
    let (templates, raw) = rest.split_at_checked(usize::from(*length))?;
    let raw = &raw[..raw.len().min(RAW_BYTES_MAX)];
    let packed = zstd::bulk::compress(raw, 1).expect("bytes in memory can be packed");
    let frame = |raw_bytes: u32| {
        let mut bytes = Vec::with_capacity(HEADER_BYTES + templates.len() + packed.len());
        bytes.extend_from_slice(b"naru\x01\x01\x00");
        bytes.extend_from_slice(count);
        bytes.extend_from_slice(&raw_bytes.to_le_bytes());
        bytes.extend_from_slice(templates);
        bytes.extend_from_slice(&packed);
        sealed(bytes)
    };
    let said = raw.first_chunk().map_or(0, |bytes: &[u8; 4]| u32::from_le_bytes(*bytes));
    Some((frame(raw.len() as u32), frame(said)))
}
