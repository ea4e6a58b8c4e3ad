//! Tables: a head, aligned columns, two spaces between them.

use super::clean;
use super::tone::Tone;

/// A cell.
#[derive(Clone, Debug)]
pub(crate) struct Cell {
    text: String,
    tone: Tone,
}

impl Cell {
    /// A cell in a tone.
    pub(crate) fn new(text: &str, tone: Tone) -> Self {
        Self {
            text: clean(text),
            tone,
        }
    }
}

impl<T: ToString> From<T> for Cell {
    fn from(text: T) -> Self {
        Self::new(&text.to_string(), Tone::Plain)
    }
}

/// A table.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    heads: &'static [&'static str],
    rows: Vec<Vec<Cell>>,
}

impl Table {
    /// A table with these columns.
    pub(crate) fn new(heads: &'static [&'static str]) -> Self {
        Self {
            heads,
            rows: Vec::new(),
        }
    }

    /// Adds a row: one cell for each column.
    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = Cell>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// The table as lines.
    pub(crate) fn render(&self, is_colored: bool) -> String {
        let length = |text: &str| text.chars().count();
        let widths: Vec<usize> = self
            .heads
            .iter()
            .enumerate()
            .map(|(column, head)| {
                let cells = self.rows.iter().filter_map(|row| row.get(column));
                cells
                    .map(|cell| length(&cell.text))
                    .max()
                    .unwrap_or(0)
                    .max(length(head))
            })
            .collect();
        let heads: Vec<Cell> = self
            .heads
            .iter()
            .map(|head| Cell::new(head, Tone::Faint))
            .collect();
        let mut lines = String::new();
        for row in std::iter::once(&heads).chain(&self.rows) {
            let mut line = String::new();
            for (cell, width) in row.iter().zip(&widths) {
                let padding = " ".repeat(width.saturating_sub(length(&cell.text)) + 2);
                let text = if is_colored {
                    cell.tone.paint(&cell.text)
                } else {
                    cell.text.clone()
                };
                line.push_str(&text);
                line.push_str(&padding);
            }
            lines.push_str(line.trim_end());
            lines.push('\n');
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let mut table = Table::new(&["NAME", "N"]);
        table.row(["ä".into(), 12.into()]);
        table.row([Cell::new("longer\n", Tone::Good), 3.into()]);
        let lines = table.render(false);
        assert_eq!(lines, "NAME         N\nä            12\nlonger\\u{a}  3\n");
        assert!(
            table
                .render(true)
                .contains("\u{1b}[32mlonger\\u{a}\u{1b}[0m  3")
        );
    }
}
