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
    let started = Instant::now();
    let detected = detect(path)?;
    let looked_s = started.elapsed().as_secs_f64();
    println!("{:?}, {} bytes, looked through in {looked_s:.3} s", detected.format, detected.size_bytes);

    let template = Template::new(template(), 1)?;
    let plan = Plan::new(&template, &[])?;
    let mut checker = Checker::new(template, 1);
    let started = Instant::now();
    let mut reader = Reader::open(path, &detected, &plan, &std::env::temp_dir())?;
    let opened_s = started.elapsed().as_secs_f64();
    let mut row = reader.row();
    let (mut taken, mut refused) = (0u64, 0u64);
    while let Some(outcome) = reader.next(&mut row)? {
        match outcome.and_then(|()| checker.check(&row, 0).map(str::len)) {
            Ok(_) => taken += 1,
            Err(_) => refused += 1,
        }
    }
    let read_s = started.elapsed().as_secs_f64();
    let rows = (taken + refused) as f64;
    println!("opened in {opened_s:.3} s; {taken} rows taken, {refused} refused");
    println!("read and checked in {read_s:.3} s: {:.0} rows/s", rows / read_s);
    println!("looked through, read and checked: {:.0} rows/s", rows / (looked_s + read_s));
    Ok(())
}
