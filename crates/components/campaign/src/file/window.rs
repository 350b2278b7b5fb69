//! A file as text, decoded a chunk at a time: whatever the encoding, what is behind this is UTF-8.
//!
//! Chunks are decoded whole because that is several times faster than cell by cell, and once decoded nothing has to be
//! validated again. Bytes that mean nothing in the encoding become U+FFFD.

use std::fs::File;
use std::io;

use encoding_rs::{Decoder, Encoding};

use super::read_chunk;

/// Read at once: half a second-level cache with its decoded form, so that text is cut while it is near.
const CHUNK_BYTES: usize = 64 * 1024;

/// A part of the file that moves forward.
pub(super) struct Window {
    file: File,
    decoder: Decoder,
    chunk: Box<[u8]>,
    text: String,
    at: usize,
    read_bytes: u64,
    ended: bool,
}

impl Window {
    /// From the file's present position on; a mark of UTF-8 is passed over.
    pub(super) fn new(file: File, encoding: &'static Encoding) -> Window {
        Window {
            file,
            decoder: encoding.new_decoder_with_bom_removal(),
            chunk: vec![0; CHUNK_BYTES].into_boxed_slice(),
            text: String::new(),
            at: 0,
            read_bytes: 0,
            ended: false,
        }
    }

    /// What is decoded and not passed yet.
    pub(super) fn text(&self) -> &str {
        &self.text[self.at..]
    }

    /// Whether nothing follows [`Window::text`].
    pub(super) fn ended(&self) -> bool {
        self.ended
    }

    /// How much of the file has been read.
    pub(super) fn read_bytes(&self) -> u64 {
        self.read_bytes
    }

    /// Moves `bytes` forward.
    pub(super) fn pass(&mut self, bytes: usize) {
        self.at += bytes;
    }

    /// Decodes one chunk more.
    pub(super) fn fill(&mut self) -> io::Result<()> {
        self.text.drain(..self.at);
        self.at = 0;
        let read = read_chunk(&mut self.file, &mut self.chunk)?;
        self.read_bytes += read as u64;
        self.ended = read == 0;
        let room = self.decoder.max_utf8_buffer_length(read).expect("a chunk is far below the address space");
        self.text.reserve(room);
        // The room is what the decoder asks for, so it takes the whole chunk.
        let (_, taken, _) = self.decoder.decode_to_string(&self.chunk[..read], &mut self.text, self.ended);
        debug_assert_eq!(taken, read);
        Ok(())
    }

    /// Passes over the rest of a line however long it is; `false` where the file ends with it.
    pub(super) fn skip_line(&mut self) -> io::Result<bool> {
        loop {
            if let Some(at) = memchr::memchr(b'\n', self.text().as_bytes()) {
                self.pass(at + 1);
                return Ok(true);
            }
            self.pass(self.text().len());
            if self.ended {
                return Ok(false);
            }
            self.fill()?;
        }
    }
}
