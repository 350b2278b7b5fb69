//! The table of functions that SQLite calls. Each takes C's arguments apart, asks the file or the file system, and turns
//! the answer into one of SQLite's codes.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::ops::Range;
use std::ptr;
use std::slice;
use std::sync::atomic::{Ordering, fence};
use std::sync::{Arc, Once};

use libsqlite3_sys::{self as ffi, sqlite3_file, sqlite3_int64, sqlite3_io_methods, sqlite3_vfs};

use crate::{File, Files, How, Lock, Refusal, Region, Result, SlotLock, server};

/// SQLite's own handle with ours behind it.
#[repr(C)]
struct Handle {
    base: sqlite3_file,
    open: *mut Open,
}

struct Open {
    file: Box<dyn File>,
    /// SQLite has their addresses for as long as it has the file, or until it lets them go.
    regions: Vec<Arc<Region>>,
}

/// Makes the table SQLite's default, once a process.
pub fn register() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // SAFETY: a null name asks for the default, which SQLite keeps for as long as the process lives.
        let base = unsafe { ffi::sqlite3_vfs_find(ptr::null()) };
        // SAFETY: it is there, since SQLite is built with the operating system's.
        let mut table = unsafe { *base };
        // The functions that are not replaced (time, randomness, sleep) look at no field of the table they belong to.
        table.zName = c"naru-test".as_ptr();
        table.pNext = ptr::null_mut();
        table.pAppData = base.cast();
        table.szOsFile = table.szOsFile.max(size_of::<Handle>() as c_int);
        table.xOpen = Some(open);
        table.xDelete = Some(delete);
        table.xAccess = Some(access);
        table.xFullPathname = Some(full_path);
        // SAFETY: the table is never freed.
        let code = unsafe { ffi::sqlite3_vfs_register(Box::leak(Box::new(table)), 1) };
        assert_eq!(code, ffi::SQLITE_OK, "SQLite takes a table of files");
    });
}

static METHODS: sqlite3_io_methods = sqlite3_io_methods {
    iVersion: 2,
    xClose: Some(close),
    xRead: Some(read),
    xWrite: Some(write),
    xTruncate: Some(truncate),
    xSync: Some(sync),
    xFileSize: Some(file_size),
    xLock: Some(lock),
    xUnlock: Some(unlock),
    xCheckReservedLock: Some(check_reserved_lock),
    xFileControl: Some(file_control),
    xSectorSize: Some(sector_size),
    xDeviceCharacteristics: Some(device_characteristics),
    xShmMap: Some(shm_map),
    xShmLock: Some(shm_lock),
    xShmBarrier: Some(shm_barrier),
    xShmUnmap: Some(shm_unmap),
    xFetch: None,
    xUnfetch: None,
};

/// The table that was the default, for what is not ours.
unsafe fn base<'a>(vfs: *mut sqlite3_vfs) -> (&'a sqlite3_vfs, *mut sqlite3_vfs) {
    // SAFETY: SQLite calls with the table that `register` gave it, whose data is a table that is never freed.
    unsafe {
        let base = (*vfs).pAppData.cast::<sqlite3_vfs>();
        (&*base, base)
    }
}

/// Who serves this path, and the path.
unsafe fn served<'a>(path: *const c_char) -> Option<(Arc<dyn Files>, &'a str)> {
    if path.is_null() {
        return None;
    }
    // SAFETY: SQLite's paths end with a zero and outlive the call.
    let path = unsafe { CStr::from_ptr(path) }.to_str().ok()?;
    Some((server(path)?, path))
}

unsafe extern "C" fn open(
    vfs: *mut sqlite3_vfs,
    path: *const c_char,
    file: *mut sqlite3_file,
    flags: c_int,
    flags_out: *mut c_int,
) -> c_int {
    // SAFETY: SQLite's path, or null.
    let Some((files, path)) = (unsafe { served(path) }) else {
        // SAFETY: SQLite's own arguments, for a table that it had made itself; the handle has room for either.
        return unsafe {
            let (table, base) = base(vfs);
            table.xOpen.map_or(ffi::SQLITE_CANTOPEN, |open| open(base, path, file, flags, flags_out))
        };
    };
    let is = |flag| flags & flag != 0;
    let is_journal = is(ffi::SQLITE_OPEN_WAL | ffi::SQLITE_OPEN_MAIN_JOURNAL | ffi::SQLITE_OPEN_SUPER_JOURNAL);
    let how = How { create: is(ffi::SQLITE_OPEN_CREATE), exclusive: is(ffi::SQLITE_OPEN_EXCLUSIVE), is_journal };
    let opened = files.open(path, how);
    let code = if opened.is_ok() { ffi::SQLITE_OK } else { ffi::SQLITE_CANTOPEN };
    let open = opened.map(|file| Box::into_raw(Box::new(Open { file, regions: Vec::new() })));
    // Without methods it is not closed.
    let methods = if open.is_ok() { &raw const METHODS } else { ptr::null() };
    let base = sqlite3_file { pMethods: methods };
    // SAFETY: SQLite hands as many bytes as the table asked for, aligned for any pointer.
    unsafe { file.cast::<Handle>().write(Handle { base, open: open.unwrap_or(ptr::null_mut()) }) };
    if !flags_out.is_null() {
        // SAFETY: SQLite's own number to fill in.
        unsafe { *flags_out = flags };
    }
    code
}

unsafe extern "C" fn delete(vfs: *mut sqlite3_vfs, path: *const c_char, sync: c_int) -> c_int {
    // SAFETY: SQLite's path.
    let Some((files, name)) = (unsafe { served(path) }) else {
        // SAFETY: as in `open`.
        return unsafe {
            let (table, base) = base(vfs);
            table.xDelete.map_or(ffi::SQLITE_IOERR, |delete| delete(base, path, sync))
        };
    };
    match files.delete(name, sync != 0) {
        Ok(()) => ffi::SQLITE_OK,
        Err(Refusal::Missing) => ffi::SQLITE_IOERR_DELETE_NOENT,
        Err(_) => ffi::SQLITE_IOERR_DELETE,
    }
}

unsafe extern "C" fn access(vfs: *mut sqlite3_vfs, path: *const c_char, flags: c_int, found: *mut c_int) -> c_int {
    // SAFETY: SQLite's path.
    let Some((files, name)) = (unsafe { served(path) }) else {
        // SAFETY: as in `open`.
        return unsafe {
            let (table, base) = base(vfs);
            table.xAccess.map_or(ffi::SQLITE_IOERR, |access| access(base, path, flags, found))
        };
    };
    // To SQLite's own VFS for Unix an empty file is none where it asks whether there is one.
    let size_min = u64::from(flags == ffi::SQLITE_ACCESS_EXISTS);
    let is_there = files.size(name).is_some_and(|size| size >= size_min);
    // SAFETY: SQLite's own number to fill in.
    unsafe { *found = c_int::from(is_there) };
    ffi::SQLITE_OK
}

unsafe extern "C" fn full_path(vfs: *mut sqlite3_vfs, path: *const c_char, room: c_int, full: *mut c_char) -> c_int {
    // SAFETY: SQLite's path.
    let Some((_, name)) = (unsafe { served(path) }) else {
        // SAFETY: as in `open`.
        return unsafe {
            let (table, base) = base(vfs);
            table.xFullPathname.map_or(ffi::SQLITE_CANTOPEN, |full_path| full_path(base, path, room, full))
        };
    };
    if name.len() as c_int >= room {
        return ffi::SQLITE_CANTOPEN;
    }
    // SAFETY: the path with its zero fits into what SQLite handed, as was looked.
    unsafe { ptr::copy_nonoverlapping(path, full, name.len() + 1) };
    ffi::SQLITE_OK
}

/// What is behind a handle.
unsafe fn behind<'a>(file: *mut sqlite3_file) -> &'a mut Open {
    // SAFETY: SQLite calls a file's methods between a successful `open` and `close`, one at a time.
    unsafe { &mut *(*file.cast::<Handle>()).open }
}

fn code(outcome: Result<()>, broken: c_int) -> c_int {
    match outcome {
        Ok(()) => ffi::SQLITE_OK,
        Err(Refusal::Busy) => ffi::SQLITE_BUSY,
        Err(Refusal::Missing | Refusal::Broken) => broken,
    }
}

/// Stores an answer where SQLite wants it.
unsafe fn fill<T>(outcome: Result<T>, to: *mut T, broken: c_int) -> c_int {
    // SAFETY: the caller's, who has it from SQLite.
    code(outcome.map(|value| unsafe { to.write(value) }), broken)
}

unsafe extern "C" fn close(file: *mut sqlite3_file) -> c_int {
    // SAFETY: SQLite closes once; what was boxed in `open` is freed here.
    drop(unsafe { Box::from_raw((*file.cast::<Handle>()).open) });
    ffi::SQLITE_OK
}

unsafe extern "C" fn read(file: *mut sqlite3_file, to: *mut c_void, count: c_int, at: sqlite3_int64) -> c_int {
    // SAFETY: SQLite's buffer of `count` bytes, which it gives nobody else meanwhile.
    let (open, bytes) = unsafe { (behind(file), slice::from_raw_parts_mut(to.cast::<u8>(), count as usize)) };
    match open.file.read(at as u64, bytes) {
        Ok(read) if read == bytes.len() => ffi::SQLITE_OK,
        Ok(read) => {
            bytes[read..].fill(0);
            ffi::SQLITE_IOERR_SHORT_READ
        }
        Err(_) => ffi::SQLITE_IOERR_READ,
    }
}

unsafe extern "C" fn write(file: *mut sqlite3_file, from: *const c_void, count: c_int, at: sqlite3_int64) -> c_int {
    // SAFETY: SQLite's buffer of `count` bytes, which nobody writes meanwhile.
    let (open, bytes) = unsafe { (behind(file), slice::from_raw_parts(from.cast::<u8>(), count as usize)) };
    code(open.file.write(at as u64, bytes), ffi::SQLITE_IOERR_WRITE)
}

unsafe extern "C" fn truncate(file: *mut sqlite3_file, size: sqlite3_int64) -> c_int {
    // SAFETY: SQLite's file.
    let open = unsafe { behind(file) };
    code(open.file.set_size(size as u64), ffi::SQLITE_IOERR_TRUNCATE)
}

unsafe extern "C" fn sync(file: *mut sqlite3_file, _flags: c_int) -> c_int {
    // SAFETY: SQLite's file.
    let open = unsafe { behind(file) };
    code(open.file.sync(), ffi::SQLITE_IOERR_FSYNC)
}

unsafe extern "C" fn file_size(file: *mut sqlite3_file, size: *mut sqlite3_int64) -> c_int {
    // SAFETY: SQLite's file, and its own number to fill in.
    unsafe { fill(behind(file).file.size().map(|size| size as sqlite3_int64), size, ffi::SQLITE_IOERR_FSTAT) }
}

fn lock_of(level: c_int) -> Lock {
    match level {
        ffi::SQLITE_LOCK_NONE => Lock::None,
        ffi::SQLITE_LOCK_SHARED => Lock::Shared,
        ffi::SQLITE_LOCK_RESERVED => Lock::Reserved,
        ffi::SQLITE_LOCK_PENDING => Lock::Pending,
        _ => Lock::Exclusive,
    }
}

unsafe extern "C" fn lock(file: *mut sqlite3_file, level: c_int) -> c_int {
    // SAFETY: SQLite's file.
    let open = unsafe { behind(file) };
    code(open.file.lock(lock_of(level)), ffi::SQLITE_IOERR_LOCK)
}

unsafe extern "C" fn unlock(file: *mut sqlite3_file, level: c_int) -> c_int {
    // SAFETY: SQLite's file.
    let open = unsafe { behind(file) };
    code(open.file.unlock(lock_of(level)), ffi::SQLITE_IOERR_UNLOCK)
}

unsafe extern "C" fn check_reserved_lock(file: *mut sqlite3_file, found: *mut c_int) -> c_int {
    // SAFETY: SQLite's file, and its own number to fill in.
    unsafe { fill(behind(file).file.is_reserved().map(c_int::from), found, ffi::SQLITE_IOERR_CHECKRESERVEDLOCK) }
}

unsafe extern "C" fn file_control(_: *mut sqlite3_file, _op: c_int, _argument: *mut c_void) -> c_int {
    ffi::SQLITE_NOTFOUND
}

/// What SQLite takes a real disk for, so that it writes here as it does there.
unsafe extern "C" fn sector_size(_: *mut sqlite3_file) -> c_int {
    4_096
}

/// As [`sector_size`]: bytes beside those that are written stay as they are when the power goes.
unsafe extern "C" fn device_characteristics(_: *mut sqlite3_file) -> c_int {
    ffi::SQLITE_IOCAP_POWERSAFE_OVERWRITE
}

unsafe extern "C" fn shm_map(
    file: *mut sqlite3_file,
    index: c_int,
    bytes: c_int,
    extend: c_int,
    start: *mut *mut c_void,
) -> c_int {
    // SAFETY: SQLite's file.
    let open = unsafe { behind(file) };
    let region = open.file.region(index as usize, bytes as usize, extend != 0).map(|region| {
        let address = region.as_ref().map_or(ptr::null_mut(), |region| region.start().cast());
        open.regions.extend(region);
        address
    });
    // SAFETY: SQLite's own pointer to fill in; what it points to is held until `shm_unmap` or `close`.
    unsafe { fill(region, start, ffi::SQLITE_IOERR_SHMMAP) }
}

unsafe extern "C" fn shm_lock(file: *mut sqlite3_file, first: c_int, count: c_int, flags: c_int) -> c_int {
    // SAFETY: SQLite's file.
    let open = unsafe { behind(file) };
    let slots: Range<usize> = first as usize..(first + count) as usize;
    let lock = if flags & ffi::SQLITE_SHM_SHARED != 0 { SlotLock::Shared } else { SlotLock::Exclusive };
    let outcome = if flags & ffi::SQLITE_SHM_UNLOCK != 0 {
        open.file.unlock_slots(slots)
    } else {
        open.file.lock_slots(slots, lock)
    };
    code(outcome, ffi::SQLITE_IOERR_SHMLOCK)
}

unsafe extern "C" fn shm_barrier(_: *mut sqlite3_file) {
    fence(Ordering::SeqCst);
}

unsafe extern "C" fn shm_unmap(file: *mut sqlite3_file, _delete: c_int) -> c_int {
    // SAFETY: SQLite's file; it uses no address of a region after this.
    let open = unsafe { behind(file) };
    open.file.leave_regions();
    open.regions.clear();
    ffi::SQLITE_OK
}
