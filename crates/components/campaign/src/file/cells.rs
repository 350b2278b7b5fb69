//! The cells of one record in one buffer, so that reading a row allocates nothing.

/// Texts in order. Positions are 32 bits: a record is bounded far below.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Cells {
    text: String,
    bounds: Vec<(u32, u32)>,
}

impl Cells {
    pub(super) fn clear(&mut self) {
        self.text.clear();
        self.bounds.clear();
    }

    pub(super) fn len(&self) -> usize {
        self.bounds.len()
    }

    /// The cell at `index`; empty beyond the last.
    pub(super) fn at(&self, index: usize) -> &str {
        self.bounds.get(index).map_or("", |&(start, end)| &self.text[start as usize..end as usize])
    }

    /// All cells as they stand in one buffer.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// Whether there is nothing in any cell but white space.
    pub(super) fn is_blank(&self) -> bool {
        (0..self.len()).all(|index| self.at(index).trim_ascii().is_empty())
    }

    /// Adds a cell.
    pub(super) fn push(&mut self, cell: &str) {
        let start = self.text.len();
        self.text.push_str(cell);
        self.bounds.push((start as u32, self.text.len() as u32));
    }

    /// Adds the cells of `line`, in which nothing is quoted.
    pub(super) fn push_split(&mut self, line: &str, delimiter: u8) {
        let base = self.text.len();
        self.text.push_str(line);
        let mut start = base;
        for at in memchr::memchr_iter(delimiter, line.as_bytes()) {
            self.bounds.push((start as u32, (base + at) as u32));
            start = base + at + 1;
        }
        self.bounds.push((start as u32, self.text.len() as u32));
    }

    /// Begins a cell that comes in pieces; [`Cells::piece`] adds to it, [`Cells::end`] ends it.
    pub(super) fn begin(&mut self) {
        let start = self.text.len() as u32;
        self.bounds.push((start, start));
    }

    pub(super) fn piece(&mut self, piece: &str) {
        self.text.push_str(piece);
    }

    pub(super) fn end(&mut self) {
        if let Some(last) = self.bounds.last_mut() {
            last.1 = self.text.len() as u32;
        }
    }

    /// Makes `count` empty cells, to be [`Cells::set`] in any order.
    pub(super) fn reset(&mut self, count: usize) {
        self.clear();
        self.bounds.resize(count, (0, 0));
    }

    /// Writes the cell at `index`.
    pub(super) fn set(&mut self, index: usize, text: &str) {
        let start = self.text.len() as u32;
        self.text.push_str(text);
        self.bounds[index] = (start, self.text.len() as u32);
    }
}
