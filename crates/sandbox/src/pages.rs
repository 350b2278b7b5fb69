//! Lists and texts that grow by whole pages, so that growing never copies what is already there.
//!
//! A vector that doubles stops everything for as long as the copy takes; with millions of entries the requests that
//! arrive meanwhile would be stamped late and look like a burst.

/// Items a page: some hundred kilobytes for a ledger entry, small beside what they are pages of.
const PAGE_ITEMS: usize = 16_384;

/// A list that only grows.
pub struct Pages<T> {
    pages: Vec<Vec<T>>,
}

impl<T> Default for Pages<T> {
    fn default() -> Pages<T> {
        Pages { pages: Vec::new() }
    }
}

impl<T> Pages<T> {
    /// How many items there are.
    pub fn len(&self) -> usize {
        self.pages.last().map_or(0, |last| (self.pages.len() - 1) * PAGE_ITEMS + last.len())
    }

    /// Appends an item.
    pub fn push(&mut self, item: T) {
        match self.pages.last_mut() {
            Some(last) if last.len() < PAGE_ITEMS => last.push(item),
            _ => {
                let mut page = Vec::with_capacity(PAGE_ITEMS);
                page.push(item);
                self.pages.push(page);
            }
        }
    }

    /// The item at `at`.
    pub fn at(&self, at: usize) -> Option<&T> {
        self.pages.get(at / PAGE_ITEMS)?.get(at % PAGE_ITEMS)
    }
}

/// Bytes a page of text: larger than the longest text kept, so that none spans two pages.
const PAGE_BYTES: usize = 1 << 20;
const LENGTH_BITS: u32 = 16;

/// Texts kept end to end.
#[derive(Default)]
pub struct Texts {
    pages: Vec<String>,
}

impl Texts {
    /// Keeps `text`, which is shorter than 64 KiB, and returns its place: below 2^63, so that a bit stays free.
    pub fn keep(&mut self, text: &str) -> u64 {
        debug_assert!(text.len() < 1 << LENGTH_BITS, "texts are bounded at the border");
        if self.pages.last().is_none_or(|last| last.len() + text.len() > PAGE_BYTES) {
            self.pages.push(String::with_capacity(PAGE_BYTES));
        }
        let page = self.pages.len() - 1;
        let start = self.pages[page].len();
        self.pages[page].push_str(text);
        (((page * PAGE_BYTES + start) as u64) << LENGTH_BITS) | text.len() as u64
    }

    /// The text at a place that [`Texts::keep`] returned.
    pub fn read(&self, place: u64) -> &str {
        let (offset, length) = ((place >> LENGTH_BITS) as usize, (place & ((1 << LENGTH_BITS) - 1)) as usize);
        let start = offset % PAGE_BYTES;
        self.pages.get(offset / PAGE_BYTES).and_then(|page| page.get(start..start + length)).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_are_found_across_pages() {
        let mut pages = Pages::default();
        for item in 0..PAGE_ITEMS * 2 + 1 {
            pages.push(item);
        }
        assert_eq!(pages.len(), PAGE_ITEMS * 2 + 1);
        for at in [0, PAGE_ITEMS - 1, PAGE_ITEMS, PAGE_ITEMS * 2] {
            assert_eq!(pages.at(at), Some(&at));
        }
        assert_eq!(pages.at(PAGE_ITEMS * 2 + 1), None);
    }

    #[test]
    fn texts_are_read_back_across_pages() {
        let mut texts = Texts::default();
        let long = "김".repeat(1_000);
        let places: Vec<u64> = (0..1_000).map(|n| texts.keep(&format!("{n}{long}"))).collect();
        assert!(texts.pages.len() > 1);
        for (n, place) in places.into_iter().enumerate() {
            assert_eq!(texts.read(place), format!("{n}{long}"));
        }
    }
}
