//! Statements over many rows. Each statement is a trip to the database and back, so rows go together.

use sqlx::any::AnyArguments;
use sqlx::query::Query;
use sqlx::{Any, AnyConnection, AssertSqlSafe};

/// Parameters of one statement: SQLite's driver looks each up by its name, one after another, so that long lists cost
/// more than they save.
const PARAMETERS_MAX: usize = 128;
/// Short texts come again and are kept prepared; there is room for a hundred.
const KEPT_BYTES_MAX: usize = 2_000;

/// `rows` in pieces that are small enough for one statement with `columns` parameters a row. To plan a text that it has
/// not seen costs SQLite less than a trip and PostgreSQL more: there they are of 1, 2, 4 and so on and not of every
/// number.
pub fn pieces<'r, T>(
    conn: &AnyConnection,
    rows: &'r [T],
    columns: usize,
) -> impl Iterator<Item = &'r [T]> + use<'r, T> {
    let all = is_sqlite(conn);
    let mut rest = rows;
    std::iter::from_fn(move || {
        let most = rest.len().min(PARAMETERS_MAX / columns);
        let power = 1 << most.checked_ilog2()?;
        let (piece, later) = rest.split_at(if all { most } else { power });
        rest = later;
        Some(piece)
    })
}

/// Whether several statements may go in one text.
pub(crate) fn is_sqlite(conn: &AnyConnection) -> bool {
    conn.backend_name() == "SQLite"
}

/// A query of a text made of [`values`] or [`any_of`], kept prepared where it may come again.
pub fn query<'q>(text: String) -> Query<'q, Any, AnyArguments> {
    query_with(text, AnyArguments::default())
}

pub(crate) fn query_with<'q>(text: String, arguments: AnyArguments) -> Query<'q, Any, AnyArguments> {
    let keep = text.len() <= KEPT_BYTES_MAX;
    sqlx::query_with(AssertSqlSafe(text), arguments).persistent(keep)
}

/// `($3, $4), ($5, $6)`: the parameters of two rows of two columns after the first two.
pub fn values(before: usize, rows: usize, columns: usize) -> String {
    let mut text = String::with_capacity(rows * columns * 6);
    for row in 0..rows {
        text += if row == 0 { "(" } else { ", (" };
        for column in 1..=columns {
            let comma = if column == 1 { "" } else { ", " };
            text += &format!("{comma}${}", before + row * columns + column);
        }
        text += ")";
    }
    text
}

/// `(a = $1 AND b = $2) OR (a = $3 AND b = $4)`: any of two rows by two columns. SQLite looks each up in an index, where
/// for `(a, b) IN (VALUES ...)` it goes through the table.
pub fn any_of(before: usize, rows: usize, columns: &[&str]) -> String {
    let row = |row: usize| {
        let numbered = columns.iter().zip(before + row * columns.len() + 1..);
        let terms: Vec<String> = numbered.map(|(column, number)| format!("{column} = ${number}")).collect();
        format!("({})", terms.join(" AND "))
    };
    (0..rows).map(row).collect::<Vec<_>>().join(" OR ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_numbered_on() {
        assert_eq!(values(0, 1, 1), "($1)");
        assert_eq!(values(2, 2, 2), "($3, $4), ($5, $6)");
        assert_eq!(any_of(4, 2, &["a", "b"]), "(a = $5 AND b = $6) OR (a = $7 AND b = $8)");
    }
}
