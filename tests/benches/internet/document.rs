//! The tables of docs/scale.md that are written by the benchmark, each between two comments that name it.

use std::fmt::Display;

/// The text with another table between the comments of this name.
pub(crate) fn replaced(text: &str, name: &str, table: &str) -> String {
    let (begin, end) =
        (format!("<!-- internet: {name} -->\n"), format!("\n<!-- internet: end of {name} -->"));
    let (before, rest) = text.split_once(&begin).expect("docs/scale.md has a place for each table");
    let (_, after) = rest.split_once(&end).expect("the place has an end");
    format!("{before}{begin}\n{table}{end}{after}")
}

/// A row of a table.
pub(crate) fn row<T: Display>(cells: impl IntoIterator<Item = T>) -> String {
    let cells: Vec<String> = cells.into_iter().map(|cell| cell.to_string()).collect();
    format!("| {} |\n", cells.join(" | "))
}

/// The rows above a table's body.
pub(crate) fn head(cells: &[&str]) -> String {
    format!("{}|{}\n", row(cells), "---|".repeat(cells.len()))
}

/// Two significant digits, with commas.
pub(crate) fn about(number: f64) -> String {
    if number < 10.0 {
        return format!("{number:.1}");
    }
    let unit = 10_f64.powf(number.log10().floor() - 1.0);
    let digits = format!("{:.0}", (number / unit).round() * unit);
    let mut grouped = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}
