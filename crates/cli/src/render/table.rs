//! Columns that line up, whatever colours the cells have.

use unicode_width::UnicodeWidthStr;

/// Lines of `rows`, each column as wide as its widest cell, two spaces between.
pub fn lines(rows: &[Vec<String>]) -> Vec<String> {
    let columns = rows.iter().map(Vec::len).max().unwrap_or_default();
    let widths: Vec<usize> = (0..columns)
        .map(|column| {
            rows.iter()
                .filter_map(|row| row.get(column))
                .map(|cell| width(cell))
                .max()
                .unwrap_or_default()
        })
        .collect();
    rows.iter()
        .map(|row| {
            let cells = row.iter().zip(&widths).map(|(cell, width_of_column)| {
                format!("{cell}{}", " ".repeat(width_of_column.saturating_sub(width(cell))))
            });
            cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
        })
        .collect()
}

/// Columns that a text takes on a terminal, colour codes apart.
pub fn width(text: &str) -> usize {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("\u{1b}[") {
        plain.push_str(before);
        rest = after.split_once('m').map_or("", |(_, after)| after);
    }
    plain.push_str(rest);
    plain.width()
}

/// The text cut to `columns`, colours ended.
pub fn clip(text: &str, columns: usize) -> String {
    let (mut clipped, mut used, mut in_code) = (String::with_capacity(text.len()), 0, false);
    for c in text.chars() {
        if c == '\u{1b}' {
            in_code = true;
        }
        if !in_code {
            used += unicode_width::UnicodeWidthChar::width(c).unwrap_or_default();
            if used > columns {
                clipped.push_str("\u{1b}[0m");
                return clipped;
            }
        }
        clipped.push(c);
        in_code &= c != 'm';
    }
    clipped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_take_no_room() {
        let rows = vec![
            vec!["\u{1b}[32mok\u{1b}[0m".to_owned(), "x".to_owned()],
            vec!["long".to_owned(), "y".to_owned()],
        ];
        assert_eq!(lines(&rows), ["\u{1b}[32mok\u{1b}[0m    x", "long  y"]);
    }

    #[test]
    fn clips_what_is_seen() {
        assert_eq!(clip("\u{1b}[32mgreen\u{1b}[0m", 3), "\u{1b}[32mgre\u{1b}[0m");
        assert_eq!(clip("abc", 3), "abc");
    }
}
