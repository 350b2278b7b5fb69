//! Customers that are nobody: as many as are asked for, the same for the same seed. For the demo, benches and tests.
//!
//! Every tenth customer has 3 to 20 rows under one customer number, each with an address of its own, scattered over
//! several frames' worth of rows; the others have one. Addresses never repeat. Names are put together from syllables.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fmt::Write as _;
use std::io::{self, Write};

use naru_dispatch::message::{Channel, Purpose};
use naru_dispatch::template::TemplateText;

use super::detect::Encoding;

/// The columns of a generated file.
pub const COLUMNS: [&str; 6] = ["휴대폰", "고객번호", "이름", "상품", "금액", "날짜"];

/// Rows of one file at most: there are as many numbers under 010.
pub const ROWS_MAX: u64 = 100_000_000;

/// One row in so many belongs to a customer who has more of them, counted in customers.
const REPEATED_EVERY: u64 = 10;
/// Between two rows of one customer, at most: a few frames.
const APART_ROWS_MAX: u64 = 4_000;

const FAMILY: [&str; 16] =
    ["김", "이", "박", "최", "정", "강", "조", "윤", "장", "임", "한", "오", "서", "신", "권", "황"];
const GIVEN: [&str; 24] = [
    "민", "서", "지", "현", "수", "예", "준", "윤", "하", "은", "도", "연", "우", "진", "재", "영", "성", "경", "혜",
    "태", "주", "원", "아", "인",
];
const KIND: [&str; 8] = ["린넨", "캐시미어", "오버핏", "클래식", "데일리", "프리미엄", "라이트", "와이드"];
const PRODUCT: [&str; 8] = ["셔츠", "니트", "팬츠", "원피스", "재킷", "스니커즈", "토트백", "머플러"];

/// A generated customer's row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Customer {
    /// A mobile number with hyphens.
    pub to: String,
    /// The customer's number.
    pub customer: String,
    /// A name.
    pub name: String,
    /// What was bought.
    pub product: String,
    /// For how much, with its commas.
    pub amount: String,
    /// On which day.
    pub date: String,
}

/// Generates customers.
pub struct Customers {
    rows: u64,
    row: u64,
    customers: u64,
    /// Rows that customers who already had one will have: when at the earliest, and whose.
    due: BinaryHeap<Reverse<(u64, u64)>>,
    random: Random,
    first: u64,
}

impl Customers {
    /// `rows` of them, at most [`ROWS_MAX`].
    pub fn new(rows: u64, seed: u64) -> Customers {
        let mut random = Random(seed);
        let first = random.next() % ROWS_MAX;
        Customers { rows: rows.min(ROWS_MAX), row: 0, customers: 0, due: BinaryHeap::new(), random, first }
    }

    fn next_customer(&mut self) -> u64 {
        let left = self.rows - self.row;
        if let Some(&Reverse((row, customer))) = self.due.peek()
            && (row <= self.row || self.due.len() as u64 >= left)
        {
            self.due.pop();
            return customer;
        }
        self.customers += 1;
        let more = 2 + self.random.next() % 18;
        // Whoever has several rows has all of them in the file.
        if self.customers.is_multiple_of(REPEATED_EVERY) && self.due.len() as u64 + more < left {
            let mut row = self.row;
            for _ in 0..more {
                row += 1 + self.random.next() % APART_ROWS_MAX;
                self.due.push(Reverse((row, self.customers)));
            }
        }
        self.customers
    }

    fn pick(&mut self, list: &[&'static str]) -> &'static str {
        list[self.random.next() as usize % list.len()]
    }
}

impl Iterator for Customers {
    type Item = Customer;

    fn next(&mut self) -> Option<Customer> {
        if self.row == self.rows {
            return None;
        }
        let customer = self.next_customer();
        // A step that shares no divisor with the count of numbers meets each of them once.
        let number = (self.first + self.row * 61_803_399) % ROWS_MAX;
        self.row += 1;
        let thousands = 5 + self.random.next() % 295;
        let day = self.random.next() % 28 + 1;
        Some(Customer {
            to: format!("010-{:04}-{:04}", number / 10_000, number % 10_000),
            customer: format!("C{customer:08}"),
            name: [self.pick(&FAMILY), self.pick(&GIVEN), self.pick(&GIVEN)].concat(),
            product: format!("{} {}", self.pick(&KIND), self.pick(&PRODUCT)),
            amount: format!("{thousands},900"),
            date: format!("12월 {day}일"),
        })
    }
}

/// Writes a file of `rows` customers as Excel would: CRLF, no mark, amounts in quotation marks for their comma.
pub fn write_csv(mut out: impl Write, rows: u64, seed: u64, encoding: Encoding) -> io::Result<()> {
    let mut text = COLUMNS.join(",") + "\r\n";
    for customer in Customers::new(rows, seed) {
        let Customer { to, customer, name, product, amount, date } = customer;
        let written = write!(text, "{to},{customer},{name},{product},\"{amount}\",{date}\r\n");
        written.expect("memory takes what is written to it");
        if text.len() >= WRITE_BYTES {
            out.write_all(&encoding.decoder().encode(&text).0)?;
            text.clear();
        }
    }
    out.write_all(&encoding.decoder().encode(&text).0)?;
    out.flush()
}

/// Written at once.
const WRITE_BYTES: usize = 64 * 1024;

/// A text to go with these columns, 444 bytes in UTF-8 once it is filled in: an order's confirmation.
pub fn template() -> TemplateText {
    TemplateText {
        id: "order-confirmed".to_owned(),
        channel: Channel::Sms,
        purpose: Purpose::Info,
        subject: Some("주문이 확인되었습니다".to_owned()),
        body: BODY.to_owned(),
        long: true,
    }
}

const BODY: &str = "\
#{이름}님, 주문해 주셔서 고맙습니다.

상품: #{상품}
금액: #{금액}원
도착 예정: #{날짜}

상품은 출고 전에 한 번 더 살펴보고 포장합니다. 출고되면 운송장 번호를 문자로 알려 드립니다. 배송지는 출고 전까지 \
마이페이지에서 바꾸실 수 있고, 받으신 뒤 7일 안에는 교환과 반품이 됩니다.

궁금한 점은 고객센터로 연락해 주세요.";

/// SplitMix64: small, seeded, and good enough to pick names with.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{HashMap, HashSet};

    use naru_dispatch::template::Template;

    use super::*;

    #[test]
    fn one_customer_in_ten_has_several_rows_far_apart() {
        let rows: Vec<Customer> = Customers::new(100_000, 1).collect();
        assert_eq!(rows.len(), 100_000);
        assert_eq!(rows.iter().map(|row| &row.to).collect::<HashSet<_>>().len(), 100_000);
        let mut places: HashMap<&str, Vec<usize>> = HashMap::new();
        for (place, row) in rows.iter().enumerate() {
            places.entry(&row.customer).or_default().push(place);
        }
        let repeated: Vec<&Vec<usize>> = places.values().filter(|places| places.len() > 1).collect();
        assert!(repeated.iter().all(|places| (3..=20).contains(&places.len())));
        let share = repeated.len() as f64 / places.len() as f64;
        assert!((0.09..=0.1).contains(&share), "{share}");
        let scattered = repeated.iter().filter(|places| places[places.len() - 1] - places[0] > 1_000);
        assert!(scattered.count() > repeated.len() * 9 / 10);
    }

    #[test]
    fn a_seed_gives_the_same_customers_again() {
        let three = |seed| Customers::new(3, seed).collect::<Vec<_>>();
        assert_eq!(three(5), three(5));
        assert_ne!(three(5), three(6));
        // No row too many where the last customers are cut off, and none at all where none is asked for.
        assert_eq!(Customers::new(17, 1).count(), 17);
        assert_eq!(Customers::new(0, 1).count(), 0);
    }

    #[test]
    fn the_text_has_444_bytes_once_it_is_filled_in() {
        let template = Template::new(template(), 1).unwrap();
        assert_eq!(template.variables, ["이름", "상품", "금액", "날짜"]);
        let bodies = Customers::new(10_000, 1).map(|row| {
            let values = [row.name.as_str(), &row.product, &row.amount, &row.date];
            assert_eq!(template.fault(&values), None);
            template.body(&values).len()
        });
        assert_eq!(bodies.sum::<usize>().div_ceil(10_000), 444);
    }

    #[test]
    fn every_letter_of_a_generated_file_fits_cp949() {
        let mut out = Vec::new();
        write_csv(&mut out, 1_000, 1, Encoding::Cp949).unwrap();
        let (text, _, broken) = encoding_rs::EUC_KR.decode(&out);
        assert!(!broken);
        assert_eq!(text.lines().count(), 1_001);
    }
}
