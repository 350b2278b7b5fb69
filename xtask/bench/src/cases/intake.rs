//! A million rows of a spreadsheet export to durable frames, while nothing leaves.

use crate::Result;
use crate::cases::{Bench, NOBODY};
use crate::customers;
use crate::disk;
use crate::house::{House, Lane};
use crate::report::{Row, grouped, median, megabytes};

const REACH_PER_SECOND: f64 = 300_000.0;

pub async fn measure(bench: &Bench) -> Result<Vec<Row>> {
    let (rows, runs) = (bench.pick(200_000, 1_000_000), bench.pick(1, 5));
    let file = customers::file(bench.folder(), rows, 1)?;
    let (mut took, mut cpu, mut parsed, mut copied) = (vec![], vec![], vec![], vec![]);
    let (mut peak_bytes, mut stored_bytes) = (0, 0);
    for _ in 0..runs {
        parsed.push(customers::parse_s(&file)?);
        copied.push(disk::copy_s(&file, bench.folder())?);
        let house = House::new(bench, NOBODY, &Lane::default())?;
        let sent = house.send(&file, "intake", &[]).await?;
        if sent.accepted != rows {
            return Err(format!("{rows} rows were generated and {} accepted", sent.accepted));
        }
        took.push(sent.took.as_secs_f64());
        cpu.push(sent.usage.cpu_s);
        peak_bytes = sent.usage.peak_bytes.max(peak_bytes);
        stored_bytes = house.store_bytes();
    }
    let per_second = |seconds: Vec<f64>| rows as f64 / median(seconds);
    let (figure, parse, copy) = (per_second(took), per_second(parsed), per_second(copied));
    let ceiling = parse.min(copy);
    Ok(vec![Row {
        what: format!("{}-row CSV to durable frames, validated and render-checked", grouped(rows as f64)),
        figure: format!("{}/s", grouped(figure)),
        reach: format!("{}/s", grouped(REACH_PER_SECOND)),
        ceiling: format!("{}/s", grouped(ceiling)),
        ratio: Some(figure / ceiling),
        reached: Some(figure >= REACH_PER_SECOND),
        conditions: format!(
            "`naru send` without a `serve`, from its start to its end, median of {runs}; {:.1} s of a processor, {} \
             resident at most, {:.1} bytes a message on disk. Ceiling: the lower of the csv crate reading and parsing \
             the file on one core ({}/s) and the file's {} written once more with fdatasync ({}/s)",
            median(cpu),
            megabytes(peak_bytes),
            stored_bytes as f64 / rows as f64,
            grouped(parse),
            megabytes(std::fs::metadata(&file).map_or(0, |it| it.len())),
            grouped(copy),
        ),
    }])
}
