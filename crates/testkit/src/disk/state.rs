//! The disk as a whole, and what SQLite is given of it.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use naru_testvfs::{File, How, Lock, Refusal, Region, Result, SlotLock};

use super::content::Content;
use super::folder::{FileId, Folder};
use super::locks::{HandleId, Locks};
use crate::random::Random;

/// Everything on it.
pub struct State {
    folder: Folder,
    files: BTreeMap<FileId, Stored>,
    /// The next number of a file or a handle.
    next: u64,
    random: Random,
    pub is_on: bool,
    pub fuse: Option<Fuse>,
    pub obeys_sync: bool,
    pub changes: u64,
}

/// What is left before the power goes.
pub struct Fuse {
    pub left: u64,
    /// Whether syncs alone count.
    pub in_sync: bool,
}

#[derive(Default)]
struct Stored {
    content: Content,
    locks: Locks,
}

impl State {
    pub fn new(random: Random) -> State {
        State {
            folder: Folder::default(),
            files: BTreeMap::new(),
            next: 0,
            random,
            is_on: true,
            fuse: None,
            obeys_sync: true,
            changes: 0,
        }
    }

    /// Keeps what a real disk would. Files get new numbers, so that whoever had one open finds nothing any more.
    pub fn cut(&mut self) {
        if !self.is_on {
            return;
        }
        self.is_on = false;
        self.fuse = None;
        let mut before = std::mem::take(&mut self.files);
        let names = std::mem::take(&mut self.folder).survive(&mut self.random);
        let mut left = BTreeMap::new();
        for (name, file) in names {
            let content = before.remove(&file).unwrap_or_default().content.survive(&mut self.random);
            let file = self.number();
            self.files.insert(file, Stored { content, locks: Locks::default() });
            left.insert(name, file);
        }
        self.folder = Folder::of(left);
    }

    /// Counts a change, at which the power may go.
    fn change(&mut self, is_sync: bool) -> Result<()> {
        self.changes += 1;
        let Some(fuse) = self.fuse.as_mut().filter(|fuse| is_sync || !fuse.in_sync) else { return Ok(()) };
        fuse.left -= 1;
        if fuse.left > 0 {
            return Ok(());
        }
        self.cut();
        Err(Refusal::Broken)
    }

    fn check(&self) -> Result<()> {
        if self.is_on { Ok(()) } else { Err(Refusal::Broken) }
    }

    fn stored(&mut self, file: FileId) -> Result<&mut Stored> {
        self.files.get_mut(&file).ok_or(Refusal::Broken)
    }

    fn sync_folder(&mut self) {
        if self.obeys_sync {
            self.folder.sync();
        }
    }

    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }
}

/// The disk as SQLite sees it.
pub struct Files(pub Arc<Mutex<State>>);

impl naru_testvfs::Files for Files {
    fn open(&self, path: &str, how: How) -> Result<Box<dyn File>> {
        let mut state = lock(&self.0);
        state.check()?;
        let file = match state.folder.find(path) {
            Some(_) if how.create && how.exclusive => return Err(Refusal::Broken),
            Some(file) => file,
            None if !how.create => return Err(Refusal::Missing),
            None => {
                let file = state.number();
                state.files.insert(file, Stored::default());
                state.folder.set(path, Some(file));
                state.change(false)?;
                file
            }
        };
        let id = state.number();
        Ok(Box::new(Handle { id, file, syncs_folder: how.create && how.is_journal, state: self.0.clone() }))
    }

    fn delete(&self, path: &str, sync: bool) -> Result<()> {
        let mut state = lock(&self.0);
        state.check()?;
        state.folder.find(path).ok_or(Refusal::Missing)?;
        state.folder.set(path, None);
        state.change(false)?;
        if sync {
            state.sync_folder();
        }
        Ok(())
    }

    fn size(&self, path: &str) -> Option<u64> {
        let mut state = lock(&self.0);
        state.check().ok()?;
        let file = state.folder.find(path)?;
        state.stored(file).ok().map(|stored| stored.content.size() as u64)
    }
}

struct Handle {
    id: HandleId,
    file: FileId,
    /// Whether the next sync covers the file's name too.
    syncs_folder: bool,
    state: Arc<Mutex<State>>,
}

impl Handle {
    fn with<T>(&self, work: impl FnOnce(&mut Stored) -> T) -> Result<T> {
        lock(&self.state).stored(self.file).map(work)
    }

    /// Does what lasts only once it is synced.
    fn change(&self, work: impl FnOnce(&mut Content)) -> Result<()> {
        let mut state = lock(&self.state);
        work(&mut state.stored(self.file)?.content);
        state.change(false)
    }
}

impl File for Handle {
    fn size(&mut self) -> Result<u64> {
        self.with(|stored| stored.content.size() as u64)
    }

    fn read(&mut self, at: u64, bytes: &mut [u8]) -> Result<usize> {
        self.with(|stored| stored.content.read(at as usize, bytes))
    }

    fn write(&mut self, at: u64, bytes: &[u8]) -> Result<()> {
        self.change(|content| content.write(at as usize, bytes))
    }

    fn set_size(&mut self, size: u64) -> Result<()> {
        self.change(|content| content.set_size(size as usize))
    }

    fn sync(&mut self) -> Result<()> {
        let mut state = lock(&self.state);
        state.stored(self.file)?;
        // Where the power goes in its midst it was not a sync.
        state.change(true)?;
        if state.obeys_sync {
            state.stored(self.file)?.content.sync();
        }
        if std::mem::take(&mut self.syncs_folder) {
            state.sync_folder();
        }
        Ok(())
    }

    fn lock(&mut self, lock: Lock) -> Result<()> {
        self.with(|stored| stored.locks.lock(self.id, lock))?
    }

    fn unlock(&mut self, lock: Lock) -> Result<()> {
        self.with(|stored| stored.locks.unlock(self.id, lock))
    }

    fn is_reserved(&mut self) -> Result<bool> {
        self.with(|stored| stored.locks.is_reserved())
    }

    fn region(&mut self, index: usize, bytes: usize, extend: bool) -> Result<Option<Arc<Region>>> {
        self.with(|stored| stored.locks.region(self.id, index, bytes, extend))
    }

    fn lock_slots(&mut self, slots: Range<usize>, lock: SlotLock) -> Result<()> {
        self.with(|stored| stored.locks.lock_slots(self.id, slots, lock))?
    }

    fn unlock_slots(&mut self, slots: Range<usize>) -> Result<()> {
        self.with(|stored| stored.locks.unlock_slots(self.id, slots))
    }

    fn leave_regions(&mut self) {
        // After a cut there is nothing to leave.
        let _ = self.with(|stored| stored.locks.leave_regions(self.id));
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        let _ = self.with(|stored| stored.locks.close(self.id));
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
