//! One row of a file, in buffers that are used again for the next.

use std::ops::Range;

use naru_core::clock::Millis;

use super::cells::Cells;

/// A row as it stands in the file; checked by [`super::checker::Checker`].
#[derive(Clone, Debug)]
pub struct Row {
    pub(super) line: u64,
    pub(super) expires_at: Option<Millis>,
    pub(super) cells: Cells,
    pub(super) layout: Layout,
}

/// Which cell is what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    pub(super) to: usize,
    pub(super) customer: Option<usize>,
    pub(super) expires_at: Option<usize>,
    /// In the order of the template's variables.
    pub(super) values: Vec<usize>,
    /// Cells that stand in the file; others are made while reading.
    pub(super) original: Range<usize>,
}

impl Layout {
    /// The same behind `count` cells that do not stand in the file.
    pub(super) fn behind(mut self, count: usize) -> Layout {
        self.to += count;
        let cells = self.customer.iter_mut().chain(&mut self.expires_at).chain(&mut self.values);
        cells.for_each(|cell| *cell += count);
        self.original.start += count;
        self
    }
}

impl Row {
    pub(super) fn new(layout: Layout) -> Row {
        Row { line: 0, expires_at: None, cells: Cells::default(), layout }
    }

    /// Where the record begins in the file, from 1; in a workbook the sheet's row.
    pub fn line(&self) -> u64 {
        self.line
    }

    /// The address as written.
    pub fn to(&self) -> &str {
        self.cells.at(self.layout.to)
    }

    /// Whose order is kept, where the file says.
    pub fn customer(&self) -> Option<&str> {
        let customer = self.cells.at(self.layout.customer?).trim();
        (!customer.is_empty()).then_some(customer)
    }

    /// Not sent after this moment.
    pub fn expires_at(&self) -> Option<Millis> {
        self.expires_at
    }

    /// Values in the order of the template's variables.
    pub fn values(&self) -> impl ExactSizeIterator<Item = &str> + Clone {
        self.layout.values.iter().map(|&index| self.cells.at(index))
    }

    /// The record's cells under [`super::reader::Reader::columns`], as they stand in the file.
    pub fn original(&self) -> impl Iterator<Item = &str> {
        let Range { start, end } = self.layout.original;
        (start..end.min(self.cells.len())).map(|index| self.cells.at(index))
    }
}
