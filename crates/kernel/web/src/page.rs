//! Parts of a page.

/// A piece of HTML.
pub type Markup = maud::Markup;
