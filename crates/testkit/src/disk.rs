//! A disk in memory that loses power: below SQLite, with what a real one keeps and what it may lose.
//!
//! A killed process leaves what it wrote in the kernel's memory, so a kill does not show whether an acknowledgement came
//! after the sync that covers it. A power cut does. Here every write is remembered until its file is synced, and a cut
//! keeps what was synced and of the rest what a seed decides: nothing, all, the first so many sectors, or any of them, a
//! write torn in the midst among them; a file may have grown without the bytes that made it grow; a name that was made or
//! removed since its folder was synced may be there or not. Connections that were open fail from then on, as a machine
//! without power does nothing more, and what is opened after [`Disk::power_on`] finds what survived.
//!
//! A change must keep this: nothing is lost that was synced, or no test could blame what lost it.

mod content;
mod folder;
mod locks;
mod state;

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use naru_testvfs::Mount;

use crate::random::Random;
use state::{Files, Fuse, State};

/// What SQLite opens in one folder.
pub struct Disk {
    state: Arc<Mutex<State>>,
    seed: u64,
    _mount: Mount,
}

impl Disk {
    /// An empty disk below `folder`; the folder's other files are real.
    pub fn mount(folder: &Path, seed: u64) -> Disk {
        let state = Arc::new(Mutex::new(State::new(Random::new(seed))));
        let mount = Mount::new(folder, Arc::new(Files(state.clone())));
        Disk { state, seed, _mount: mount }
    }

    /// Cuts the power now.
    pub fn cut(&self) {
        self.state().cut();
    }

    /// Cuts the power at the `nth` change from now: in the midst of that write, sync, or making or removing of a file.
    pub fn cut_at(&self, nth: u64) {
        self.state().fuse = Some(Fuse { left: nth.max(1), in_sync: false });
    }

    /// As [`Disk::cut_at`], counting syncs alone: all is written that is waited for, and how much of it is kept is open.
    pub fn cut_in_sync(&self, nth: u64) {
        self.state().fuse = Some(Fuse { left: nth.max(1), in_sync: true });
    }

    /// Whether it has power.
    pub fn is_on(&self) -> bool {
        self.state().is_on
    }

    /// Lets it be used again after a cut.
    pub fn power_on(&self) {
        let mut state = self.state();
        state.is_on = true;
        state.fuse = None;
    }

    /// Writes, syncs, and files made or removed, so far.
    pub fn changes(&self) -> u64 {
        self.state().changes
    }

    /// From now on a sync says that it is done and does nothing: a disk that lies, or a program that leaves it out.
    pub fn ignore_syncs(&self) {
        self.state().obeys_sync = false;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the disk in memory had the seed {}", self.seed);
        }
    }
}

#[cfg(test)]
mod tests {
    use sqlx::{Connection, Executor, SqliteConnection};

    use crate::database::{Engine, database};

    #[tokio::test]
    async fn sqlite_works_on_it_as_on_any_other() {
        let database = database(Engine::Memory).await;
        let disk = database.disk().unwrap();
        let url = format!("{}?mode=rwc", database.url());
        let mut first = SqliteConnection::connect(&url).await.unwrap();
        first.execute("PRAGMA journal_mode = WAL; CREATE TABLE number (n)").await.unwrap();
        let mut second = SqliteConnection::connect(&url).await.unwrap();
        second.execute("INSERT INTO number VALUES (1)").await.unwrap();
        second.execute("BEGIN; INSERT INTO number VALUES (2)").await.unwrap();
        first.execute("PRAGMA busy_timeout = 1").await.unwrap();
        first.execute("INSERT INTO number VALUES (3)").await.unwrap_err();
        let count = "SELECT COUNT(*) FROM number";
        assert_eq!(sqlx::query_scalar::<_, i64>(count).fetch_one(&mut first).await.unwrap(), 1);
        assert_eq!(std::fs::read_dir(database.folder()).unwrap().count(), 0, "nothing of it is a real file");

        disk.cut();
        second.execute("COMMIT").await.unwrap_err();
        sqlx::query(count).fetch_one(&mut first).await.unwrap_err();
        SqliteConnection::connect(&url).await.unwrap_err();

        // Whoever had it open before finds nothing, whoever comes now finds what was synced.
        disk.power_on();
        second.execute("COMMIT").await.unwrap_err();
        let mut third = SqliteConnection::connect(&url).await.unwrap();
        assert_eq!(sqlx::query_scalar::<_, i64>(count).fetch_one(&mut third).await.unwrap(), 1);
        for conn in [first, second, third] {
            let _ = conn.close().await;
        }
    }
}
