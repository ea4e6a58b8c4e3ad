//! What a measurement says: figures with names and units, its floor, and their ratio.

use serde::Serialize;

use super::machine::Machine;
use crate::failure::Failure;
use crate::output::Output;
use crate::output::table::{Cell, Table};
use crate::output::tone::Tone;

/// One figure.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Figure {
    pub(super) name: &'static str,
    pub(super) value: f64,
    pub(super) unit: &'static str,
}

impl Figure {
    pub(super) fn new(name: &'static str, value: impl Into<f64>, unit: &'static str) -> Self {
        Self {
            name,
            value: value.into(),
            unit,
        }
    }
}

/// One measurement.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    pub(super) workload: &'static str,
    pub(super) setting: Vec<Figure>,
    pub(super) machine: Machine,
    pub(super) floor: Vec<Figure>,
    pub(super) figures: Vec<Figure>,
    pub(super) ratio: Vec<Figure>,
}

impl Report {
    /// Prints it for people.
    pub(super) fn tell(&self, output: Output) -> Result<(), Failure> {
        let setting: Vec<String> = self.setting.iter().map(told).collect();
        let head = [&[self.workload.to_owned()], setting.as_slice()].concat();
        output.line(&output.paint(Tone::Name, &head.join(" · ")))?;
        output.list(&[self], "", |reports| {
            let mut table = Table::new(&["", "FIGURE", "VALUE", "UNIT"]);
            for report in reports {
                report.rows(&mut table);
            }
            table
        })
    }

    fn rows(&self, table: &mut Table) {
        let parts = [
            ("floor", Tone::Faint, &self.floor),
            ("ours", Tone::Plain, &self.figures),
            ("ratio", Tone::Good, &self.ratio),
        ];
        for (part, tone, figures) in parts {
            for figure in figures {
                table.row([
                    Cell::new(part, tone),
                    Cell::new(figure.name, Tone::Plain),
                    Cell::new(&number(figure.value), tone),
                    Cell::new(figure.unit, Tone::Faint),
                ]);
            }
        }
    }
}

/// The figure called `name`; not a number when there is none.
pub(super) fn value(figures: &[Figure], name: &str) -> f64 {
    let found = figures.iter().find(|figure| figure.name == name);
    found.map_or(f64::NAN, |figure| figure.value)
}

/// For each figure of the first round, the median over all `rounds`.
pub(super) fn medians(rounds: &[Vec<Figure>]) -> Vec<Figure> {
    let first = rounds.first().map_or(&[][..], Vec::as_slice);
    first
        .iter()
        .map(|figure| {
            let mut values: Vec<f64> = rounds
                .iter()
                .map(|round| value(round, figure.name))
                .collect();
            Figure {
                value: median(&mut values),
                ..figure.clone()
            }
        })
        .collect()
}

/// The value in the middle; of two, their mean.
fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    let upper = values.get(middle).copied().unwrap_or(f64::NAN);
    match values.get(middle.wrapping_sub(1)) {
        Some(lower) if values.len().is_multiple_of(2) => f64::midpoint(*lower, upper),
        _ => upper,
    }
}

fn told(figure: &Figure) -> String {
    format!("{} {}", number(figure.value), figure.unit)
}

/// Three digits that count, for people.
fn number(value: f64) -> String {
    match value.abs() {
        0.0 => "0".to_owned(),
        size if size < 0.1 => format!("{value:.3}"),
        size if size < 10.0 => {
            let text = format!("{value:.2}");
            text.strip_suffix(".00").unwrap_or(&text).to_owned()
        }
        size if size < 100.0 => {
            let text = format!("{value:.1}");
            text.strip_suffix(".0").unwrap_or(&text).to_owned()
        }
        _ => format!("{value:.0}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_median_is_the_middle_or_between_the_two_in_the_middle() {
        let check = |values: &[f64], expect: f64| {
            let found = median(&mut values.to_vec());
            assert!((found - expect).abs() < 1e-9, "{values:?}: {found}");
        };
        check(&[7.0], 7.0);
        check(&[3.0, 1.0, 2.0], 2.0);
        check(&[4.0, 1.0, 3.0, 2.0], 2.5);
        assert!(median(&mut []).is_nan());
    }

    #[test]
    fn medians_are_taken_name_by_name() {
        let round = |rate: f64, p99: f64| {
            vec![
                Figure::new("rate", rate, "/s"),
                Figure::new("p99", p99, "us"),
            ]
        };
        let found = medians(&[round(1.0, 9.0), round(3.0, 7.0), round(2.0, 8.0)]);
        assert_eq!(found, round(2.0, 8.0));
    }

    #[test]
    fn people_read_three_digits() {
        let check = |value: f64, expect: &str| assert_eq!(number(value), expect);
        check(0.0, "0");
        check(0.0123, "0.012");
        check(1.0, "1");
        check(1.234, "1.23");
        check(20.0, "20");
        check(45.67, "45.7");
        check(82_345.6, "82346");
    }
}
