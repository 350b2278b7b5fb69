//! Files of customers, and what a careful reader of them gets.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

use naru_campaign::file::detect::Encoding;
use naru_campaign::file::generate::{self, Customers};

use crate::Result;

/// The id of the template that most messages have.
pub const TEMPLATE: &str = "order-confirmed";
/// The same text on the second channel.
pub const TEMPLATE_BESIDE: &str = "order-confirmed-beside";
/// The same text as an advertisement.
pub const AD: &str = "sale";
/// A code that somebody waits for.
pub const AUTH: &str = "code";

/// Writes `rows` generated customers to a CSV file in UTF-8, and returns its path.
pub fn file(folder: &Path, rows: u64, seed: u64) -> Result<PathBuf> {
    let path = folder.join(format!("customers-{rows}-{seed}.csv"));
    let written = File::create(&path)
        .and_then(|file| generate::write_csv(BufWriter::with_capacity(1 << 20, file), rows, seed, Encoding::Utf8));
    written.map_err(|e| format!("could not write {}: {e}", path.display()))?;
    Ok(path)
}

/// Writes the templates of these customers to a folder that `naru template push` takes.
pub fn templates(folder: &Path) -> Result<PathBuf> {
    let template = toml::Table::try_from(generate::template()).map_err(|e| e.to_string())?;
    let ad = format!("(광고)[나루] {}\n무료거부 0800000000", generate::template().body);
    let changes: [(&str, &[(&str, &str)]); 4] = [
        (TEMPLATE, &[]),
        (TEMPLATE_BESIDE, &[("channel", "alimtalk")]),
        (AD, &[("purpose", "ad"), ("body", &ad)]),
        (AUTH, &[("purpose", "auth"), ("body", "[나루] 인증번호는 #{번호}입니다.")]),
    ];
    let folder = folder.join("templates");
    let failed = |e: std::io::Error| format!("could not write to {}: {e}", folder.display());
    std::fs::create_dir_all(&folder).map_err(failed)?;
    for (id, changes) in changes {
        let mut template = template.clone();
        let changes = changes.iter().copied().chain([("id", id)]);
        template.extend(changes.map(|(key, value)| (key.to_owned(), value.into())));
        std::fs::write(folder.join(format!("{id}.toml")), template.to_string()).map_err(failed)?;
    }
    Ok(folder)
}

/// Writes the consents of the customers of [`file`] to a file that `naru consent import` takes.
pub fn consents(folder: &Path, rows: u64, seed: u64) -> Result<PathBuf> {
    let path = folder.join(format!("consents-{rows}-{seed}.csv"));
    let write = || {
        let mut file = BufWriter::with_capacity(1 << 20, File::create(&path)?);
        writeln!(file, "address,channel,night,given_at,evidence")?;
        Customers::new(rows, seed).try_for_each(|it| writeln!(file, "{},sms,1,2026-01-31,form", it.to))?;
        file.flush()
    };
    write().map_err(|e| format!("could not write {}: {e}", path.display()))?;
    Ok(path)
}

/// Seconds that the csv crate takes to read and parse the file, its fields checked to be UTF-8 and thrown away.
pub fn parse_s(path: &Path) -> Result<f64> {
    let read = || -> std::result::Result<f64, csv::Error> {
        let start = Instant::now();
        let mut reader = csv::ReaderBuilder::new().buffer_capacity(1 << 16).from_path(path)?;
        let mut record = csv::StringRecord::new();
        let mut bytes = 0;
        while reader.read_record(&mut record)? {
            bytes += record.iter().map(str::len).sum::<usize>();
        }
        std::hint::black_box(bytes);
        Ok(start.elapsed().as_secs_f64())
    };
    read().map_err(|e| format!("could not parse {}: {e}", path.display()))
}

/// The single messages of an API call, as bodies.
pub fn api_bodies(count: u64, seed: u64) -> Vec<Vec<u8>> {
    let body = |it: generate::Customer| {
        let variables = serde_json::json!({ "이름": it.name, "상품": it.product, "금액": it.amount, "날짜": it.date });
        let item =
            serde_json::json!({ "template": TEMPLATE, "to": it.to, "customer": it.customer, "variables": variables });
        item.to_string().into_bytes()
    };
    Customers::new(count, seed).map(body).collect()
}

/// A call with a code for each of these customers.
pub fn auth_bodies(count: u64, seed: u64) -> Vec<Vec<u8>> {
    let body = |it: generate::Customer| serde_json::json!({ "template": AUTH, "to": it.to, "variables": { "번호": "271828" } });
    Customers::new(count, seed).map(|it| body(it).to_string().into_bytes()).collect()
}

/// One message as it leaves: the address and the rendered text.
pub struct Rendered {
    /// Digits only.
    pub to: String,
    /// What the customer reads.
    pub text: String,
}

/// Subject of every message.
pub const SUBJECT: &str = "주문이 확인되었습니다";

/// What the customers' messages look like when they leave.
pub fn rendered(count: u64, seed: u64) -> Vec<Rendered> {
    let body = generate::template().body;
    let render = |it: generate::Customer| {
        let text = body
            .replace("#{이름}", &it.name)
            .replace("#{상품}", &it.product)
            .replace("#{금액}", &it.amount)
            .replace("#{날짜}", &it.date);
        Rendered { to: it.to.replace('-', ""), text }
    };
    Customers::new(count, seed).map(render).collect()
}

/// Who stands where in a generated file, for customers with several rows.
pub struct Order {
    /// By address: its row, and its customer.
    places: HashMap<u64, (u32, u32)>,
}

impl Order {
    /// The order of the rows of `rows` customers of `seed`.
    pub fn of(rows: u64, seed: u64) -> Order {
        let number = |text: &str| digits(text) as u32;
        let mut count: HashMap<u32, u32> = HashMap::new();
        Customers::new(rows, seed).for_each(|it| *count.entry(number(&it.customer)).or_default() += 1);
        let rows = Customers::new(rows, seed).enumerate();
        let places = rows.map(|(row, it)| (digits(&it.to), (row as u32, number(&it.customer))));
        Order { places: places.filter(|(_, (_, customer))| count[customer] > 1).collect() }
    }

    /// How many rows belong to customers who have several.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Counts the messages that came before an earlier one of the same customer.
    pub fn inversions<'a>(&self, arrived: impl Iterator<Item = &'a str>) -> u64 {
        let mut last: HashMap<u32, u32> = HashMap::new();
        let mut inversions = 0;
        for (row, customer) in arrived.filter_map(|to| self.places.get(&digits(to))) {
            let last = last.entry(*customer).or_insert(*row);
            inversions += u64::from(*row < *last);
            *last = (*last).max(*row);
        }
        inversions
    }
}

fn digits(text: &str) -> u64 {
    text.bytes().filter(u8::is_ascii_digit).fold(0, |number, digit| number * 10 + u64::from(digit - b'0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_overtook_is_counted() {
        let rows = 1_000;
        let order = Order::of(rows, 1);
        let to: Vec<String> = Customers::new(rows, 1).map(|it| it.to.replace('-', "")).collect();
        assert!(order.len() > 100);
        assert_eq!(order.inversions(to.iter().map(String::as_str)), 0);
        let customers: Vec<String> = Customers::new(rows, 1).map(|it| it.customer).collect();
        let later = (1..).find(|at| customers[..*at].contains(&customers[*at])).unwrap();
        let earlier = customers.iter().position(|it| *it == customers[later]).unwrap();
        let mut swapped = to.clone();
        swapped.swap(earlier, later);
        assert!(order.inversions(swapped.iter().map(String::as_str)) >= 1);
    }

    #[test]
    fn a_rendered_message_is_the_one_naru_renders() {
        let rendered = rendered(1_000, 1);
        let bytes: usize = rendered.iter().map(|it| it.text.len()).sum();
        assert_eq!(bytes.div_ceil(1_000), 444);
        assert!(rendered.iter().all(|it| !it.text.contains('#') && it.to.len() == 11));
        assert_eq!(generate::template().subject.as_deref(), Some(SUBJECT));
        assert_eq!(generate::template().id, TEMPLATE);
    }
}
