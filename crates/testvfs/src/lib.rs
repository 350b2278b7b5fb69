//! Files of a test's own below SQLite: whoever opens a database in a mounted folder is served by safe Rust.
//!
//! SQLite asks an operating system for files through a table of functions, its VFS. This one becomes the default, serves
//! what is below a mounted folder from [`Files`], and passes everything else on to the one that was there, so that nothing
//! above it has to be told: naru opens its database as it always does. It is the layer between C and Rust and nothing
//! else; what a disk does stands in `testkit::disk`. The crates that offer such a layer were looked at: one needs libclang
//! to build, the others know no shared memory between connections, without which there is no WAL.
//!
//! Must never know: what a file holds. Used by `testkit` alone. A change must keep this: every `unsafe` block says which of
//! SQLite's promises (<https://sqlite.org/c3ref/io_methods.html>) it stands on, and no other crate has one.

mod table;

use std::ops::Range;
use std::path::Path;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, PoisonError, RwLock};

/// Why SQLite does not get what it asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Another connection holds a lock.
    Busy,
    /// There is no such file.
    Missing,
    /// The device failed.
    Broken,
}

/// What a file system answers.
pub type Result<T> = std::result::Result<T, Refusal>;

/// How a file is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct How {
    /// It is made where it is not there.
    pub create: bool,
    /// It must not be there.
    pub exclusive: bool,
    /// A journal or a WAL: where it may be made, its first sync covers its folder, as that of SQLite's own VFS for Unix does.
    pub is_journal: bool,
}

/// How much of a file a connection holds: <https://sqlite.org/lockingv3.html>.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lock {
    /// Nothing.
    None,
    /// It reads.
    Shared,
    /// It will write, others read.
    Reserved,
    /// It waits for readers to go, none may come.
    Pending,
    /// It writes.
    Exclusive,
}

/// How a slot of the shared memory is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SlotLock {
    /// With others.
    Shared,
    /// Alone.
    Exclusive,
}

/// Slots of the shared memory that are locked one by one.
pub const SLOTS: usize = 8;

/// A file system with one folder.
pub trait Files: Send + Sync {
    /// Opens a file.
    fn open(&self, path: &str, how: How) -> Result<Box<dyn File>>;

    /// Removes a file's name, and with `sync` makes that last.
    fn delete(&self, path: &str, sync: bool) -> Result<()>;

    /// How large a file is, where there is one.
    fn size(&self, path: &str) -> Option<u64>;
}

/// An open file. Dropping it closes it and lets its locks go.
pub trait File: Send {
    /// In bytes.
    fn size(&mut self) -> Result<u64>;

    /// Reads what is there, and returns how much that is.
    fn read(&mut self, at: u64, bytes: &mut [u8]) -> Result<usize>;

    /// Writes all of it.
    fn write(&mut self, at: u64, bytes: &[u8]) -> Result<()>;

    /// Cuts the file off, or makes it longer.
    fn set_size(&mut self, size: u64) -> Result<()>;

    /// Returns when all that was written is on the disk.
    fn sync(&mut self) -> Result<()>;

    /// Takes a higher lock.
    fn lock(&mut self, lock: Lock) -> Result<()>;

    /// Goes back to [`Lock::Shared`] or [`Lock::None`].
    fn unlock(&mut self, lock: Lock) -> Result<()>;

    /// Whether anybody holds more than [`Lock::Shared`].
    fn is_reserved(&mut self) -> Result<bool>;

    /// A region of the memory that all connections to this file share; made where it is not there, with `extend`.
    fn region(&mut self, index: usize, bytes: usize, extend: bool) -> Result<Option<Arc<Region>>>;

    /// Locks slots of the shared memory, all or none.
    fn lock_slots(&mut self, slots: Range<usize>, lock: SlotLock) -> Result<()>;

    /// Lets them go.
    fn unlock_slots(&mut self, slots: Range<usize>) -> Result<()>;

    /// Has no part in the shared memory any more.
    fn leave_regions(&mut self);
}

/// A piece of shared memory, which SQLite writes from several threads.
pub struct Region(Box<[AtomicU64]>);

impl Region {
    /// Of zeros.
    pub fn new(bytes: usize) -> Region {
        Region((0..bytes.div_ceil(size_of::<u64>())).map(|_| AtomicU64::new(0)).collect())
    }

    fn start(&self) -> *mut u64 {
        // An atomic may be written through a shared reference.
        self.0.as_ptr().cast::<u64>().cast_mut()
    }
}

/// A folder that is served; until it is dropped.
pub struct Mount {
    folder: String,
}

struct Mounted {
    folder: String,
    files: Arc<dyn Files>,
}

static MOUNTED: RwLock<Vec<Mounted>> = RwLock::new(Vec::new());

impl Mount {
    /// From now on `files` serves what SQLite opens in `folder`; the folder itself may be there too, for everybody else.
    pub fn new(folder: &Path, files: Arc<dyn Files>) -> Mount {
        table::register();
        let folder = folder.to_str().expect("a test's folder has a name in UTF-8").to_owned();
        let mut mounted = MOUNTED.write().unwrap_or_else(PoisonError::into_inner);
        mounted.push(Mounted { folder: folder.clone(), files });
        Mount { folder }
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let mut mounted = MOUNTED.write().unwrap_or_else(PoisonError::into_inner);
        mounted.retain(|it| it.folder != self.folder);
    }
}

/// Who serves `path`.
fn server(path: &str) -> Option<Arc<dyn Files>> {
    let mounted = MOUNTED.read().unwrap_or_else(PoisonError::into_inner);
    let mut fitting =
        mounted.iter().filter(|it| path.strip_prefix(&it.folder).is_some_and(|rest| rest.starts_with('/')));
    fitting.next().map(|it| it.files.clone())
}
