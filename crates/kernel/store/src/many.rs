//! Statements over many rows. Each statement is a trip to the database and back, so rows go together; each text is
//! prepared once a connection, which remembers a hundred of them, so they go in powers of two and not in every number.

/// Parameters of one statement: SQLite's driver looks each up by its name, one after another, so that long lists cost
/// more than they save.
const PARAMETERS_MAX: usize = 128;

/// `rows` in pieces of 1, 2, 4 and so on, each small enough for one statement with `columns` parameters a row.
pub fn pieces<T>(rows: &[T], columns: usize) -> impl Iterator<Item = &[T]> {
    let mut rest = rows;
    std::iter::from_fn(move || {
        let most = rest.len().min(PARAMETERS_MAX / columns).checked_ilog2()?;
        let (piece, later) = rest.split_at(1 << most);
        rest = later;
        Some(piece)
    })
}

/// As [`pieces`], but each as large as it may be: for texts that are not remembered.
pub fn full_pieces<T>(rows: &[T], columns: usize) -> impl Iterator<Item = &[T]> {
    rows.chunks(PARAMETERS_MAX / columns)
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
    fn pieces_are_powers_of_two_that_fit() {
        let sizes = |rows: usize, columns| pieces(&vec![(); rows], columns).map(<[()]>::len).collect::<Vec<_>>();
        assert_eq!(sizes(0, 8), []);
        assert_eq!(sizes(7, 8), [4, 2, 1]);
        assert_eq!(sizes(37, 8), [16, 16, 4, 1]);
        assert_eq!(sizes(9, 15), [8, 1]);
        assert_eq!(full_pieces(&[(); 9], 15).map(<[()]>::len).collect::<Vec<_>>(), [8, 1]);
    }

    #[test]
    fn parameters_are_numbered_on() {
        assert_eq!(values(0, 1, 1), "($1)");
        assert_eq!(values(2, 2, 2), "($3, $4), ($5, $6)");
        assert_eq!(any_of(4, 2, &["a", "b"]), "(a = $5 AND b = $6) OR (a = $7 AND b = $8)");
    }
}
