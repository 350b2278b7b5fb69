//! Files of customers, as the campaign's room reads them to the engine.

use naru_core::clock::Millis;
use naru_core::failure::Failure;
use naru_core::id::Id;
use naru_dispatch::campaign::NewCampaign;
use naru_dispatch::import::{Begun, Done, Ending, Import};
use naru_dispatch::message::Purpose;

use crate::app::LANE;
use crate::life::{Life, phone, template_ref};

/// With texts of this length four messages fill a frame, so that a few hundred rows are many frames.
pub const QUARTER_FRAME: usize = 59_900;

/// A file on its way in.
pub struct File {
    pub name: &'static str,
    pub purpose: Purpose,
    pub stream: bool,
    /// Waits for a word when it is taken in.
    pub hold: bool,
    pub lane: &'static str,
    pub rows: Vec<Row>,
}

/// A line of it.
#[derive(Clone)]
pub struct Row {
    pub to: String,
    pub customer: Option<String>,
    pub expires_at: Option<Millis>,
    pub text: String,
    /// Refused by whoever reads the file: it counts as a line and never reaches the engine.
    pub refused: bool,
}

impl File {
    /// Rows to `count` numbers, each with a text of `bytes`.
    pub fn new(name: &'static str, count: usize, bytes: usize) -> File {
        let row = |n| Row { to: phone(n), customer: None, expires_at: None, text: "x".repeat(bytes), refused: false };
        File {
            name,
            purpose: Purpose::Info,
            stream: false,
            hold: false,
            lane: LANE,
            rows: (0..count).map(row).collect(),
        }
    }

    /// The key of the whole: the same file under the same name has the same.
    pub fn key(&self) -> [u8; 16] {
        xxhash_rust::xxh3::xxh3_128(self.name.as_bytes()).to_le_bytes()
    }

    /// The rows that are not refused.
    pub fn good(&self) -> usize {
        self.rows.iter().filter(|row| !row.refused).count()
    }

    /// Feeds the lines after those that are durable, up to `until`.
    pub fn feed(&self, import: &mut Import, until: usize) -> Result<(), Failure> {
        let done = import.lines_done as usize;
        self.feed_some(import, done, until)
    }

    fn feed_some(&self, import: &mut Import, from: usize, until: usize) -> Result<(), Failure> {
        let mut refused = self.refused(from.min(self.rows.len()));
        for (index, row) in self.rows.iter().enumerate().take(until).skip(from) {
            if row.refused {
                refused += 1;
                continue;
            }
            let progress = (index as u64 + 1, refused);
            let values = std::iter::once(row.text.as_str());
            import.push(&row.to, row.customer.as_deref(), row.expires_at, values, progress)?;
        }
        Ok(())
    }

    /// Feeds all that is missing, and the end.
    pub fn feed_all(&self, import: Import) -> Result<(), Failure> {
        let done = import.lines_done as usize;
        self.feed_rest(import, done)
    }

    /// Feeds the lines after the first `fed`, and the end.
    pub fn feed_rest(&self, mut import: Import, fed: usize) -> Result<(), Failure> {
        self.feed_some(&mut import, fed, self.rows.len())?;
        import.finish(self.rows.len() as u64, self.refused(self.rows.len()), String::new())
    }

    fn refused(&self, lines: usize) -> u64 {
        self.rows[..lines].iter().filter(|row| row.refused).count() as u64
    }

    fn campaign(&self, now: Millis) -> NewCampaign {
        NewCampaign {
            id: Id::new(now),
            name: self.name.to_owned(),
            template: self.purpose.name().to_owned(),
            version: 1,
            lane: self.lane.to_owned(),
            purpose: self.purpose,
            stream: self.stream,
            hold: self.hold,
            start_at: None,
            source: format!("{}.csv", self.name),
            created_at: now,
            created_by: "test".to_owned(),
        }
    }
}

impl Life {
    /// Begins to take a file in, or goes on with it.
    pub fn begin(&self, file: &File) -> Result<(Begun, Option<Ending>), Failure> {
        let new = file.campaign(self.ctx().clock().now_ms());
        self.wait(self.dispatch.import(file.key(), new, template_ref(file.purpose)))
    }

    /// Begins, where nothing speaks against it.
    pub fn open(&self, file: &File) -> (Import, Ending) {
        match self.begin(file).unwrap() {
            (Begun::Open(import), Some(ending)) => (import, ending),
            _ => panic!("{} was finished before", file.name),
        }
    }

    /// Takes a whole file in, or what is missing of it.
    pub fn take_in(&self, file: &File) -> Done {
        let (import, ending) = self.open(file);
        file.feed_all(import).unwrap();
        self.wait(ending.wait()).unwrap()
    }
}
