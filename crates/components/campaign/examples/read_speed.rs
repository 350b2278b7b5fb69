//! How fast a file is read and checked, on one core: `cargo run --release -p naru-campaign --example read_speed -- FILE`.
//!
//! With `--generate ROWS` (and `--cp949`) the file is written first. The template is the one of generated customers.

use std::fs::File;
use std::path::Path;
use std::time::Instant;

use naru_campaign::file::checker::Checker;
use naru_campaign::file::detect::{Encoding, detect};
use naru_campaign::file::generate::{template, write_csv};
use naru_campaign::file::plan::Plan;
use naru_campaign::file::reader::Reader;
use naru_core::failure::Failure;
use naru_dispatch::template::Template;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let Some(path) = args.iter().find(|arg| !arg.starts_with("--") && arg.parse::<u64>().is_err()) else {
        eprintln!("usage: read_speed FILE [--generate ROWS [--cp949]]");
        std::process::exit(2);
    };
    let rows = args.iter().position(|arg| arg == "--generate").and_then(|at| args.get(at + 1)?.parse().ok());
    let encoding = if args.iter().any(|arg| arg == "--cp949") { Encoding::Cp949 } else { Encoding::Utf8 };
    let written = rows.map_or(Ok(()), |rows| write_csv(File::create(path)?, rows, 1, encoding));
    if let Err(failure) = written.map_err(Failure::bug).and_then(|()| run(Path::new(path))) {
        eprintln!("{failure}");
        std::process::exit(1);
    }
}

fn run(path: &Path) -> Result<(), Failure> {
    let watch = Watch::start();
    let detected = detect(path)?;
    println!("{:?}, {} bytes; looked through: {}", detected.format, detected.size_bytes, watch.read(0));

    let template = Template::new(template(), 1)?;
    let plan = Plan::new(&template, &[])?;
    let mut checker = Checker::new(template, 1);
    let watch = Watch::start();
    let mut reader = Reader::open(path, &detected, &plan, &std::env::temp_dir())?;
    let mut row = reader.row();
    let (mut taken, mut refused) = (0u64, 0u64);
    while let Some(outcome) = reader.next(&mut row)? {
        match outcome.and_then(|()| checker.check(&row, 0).map(str::len)) {
            Ok(_) => taken += 1,
            Err(_) => refused += 1,
        }
    }
    println!("{taken} rows taken, {refused} refused; read and checked: {}", watch.read(taken + refused));
    Ok(())
}

/// Time by the wall and by the processor: on a machine with other work only the second tells how fast the code is.
struct Watch {
    wall: Instant,
    processor_s: Option<f64>,
}

impl Watch {
    fn start() -> Watch {
        Watch { wall: Instant::now(), processor_s: processor_s() }
    }

    fn read(&self, rows: u64) -> String {
        let per_s =
            |seconds: f64| if rows > 0 { format!(" ({:.0} rows/s)", rows as f64 / seconds) } else { String::new() };
        let wall_s = self.wall.elapsed().as_secs_f64();
        let processor = processor_s().zip(self.processor_s).map(|(now, then)| now - then);
        let processor = processor.map_or_else(String::new, |s| format!(", {s:.3} s of a core{}", per_s(s)));
        format!("{wall_s:.3} s{}{processor}", per_s(wall_s))
    }
}

/// Seconds this thread has run, where the system is Linux.
fn processor_s() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    Some(text.split(' ').next()?.parse::<f64>().ok()? / 1e9)
}
