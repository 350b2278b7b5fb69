//! One file per provider adapter, and the routes their receipts come in by.
