//! Times of many operations of one kind, and what is said of them.

use std::time::Duration;

use super::report::Figure;

/// Times of operations, and how long they took together.
#[derive(Debug, Default)]
pub(super) struct Samples {
    each_ns: Vec<u32>,
    took: Duration,
}

impl Samples {
    /// One more operation that took so long; beyond 4 s it counts as 4 s.
    pub(super) fn add(&mut self, each: Duration) {
        let each_ns = u32::try_from(each.as_nanos()).unwrap_or(u32::MAX);
        self.each_ns.push(each_ns);
    }

    /// Everything of `other`.
    pub(super) fn append(&mut self, mut other: Samples) {
        self.each_ns.append(&mut other.each_ns);
    }

    /// All of them together took so long; sorts them.
    pub(super) fn end(mut self, took: Duration) -> Self {
        self.each_ns.sort_unstable();
        self.took = took;
        self
    }

    /// How long they took together, ms.
    pub(super) fn took_ms(&self) -> f64 {
        self.took.as_secs_f64() * 1_000.0
    }

    /// Operations a second.
    pub(super) fn rate(&self) -> f64 {
        let count = u32::try_from(self.each_ns.len()).unwrap_or(u32::MAX);
        f64::from(count) / self.took.as_secs_f64()
    }

    /// The time that so many of a hundred do not exceed, us.
    pub(super) fn percentile_us(&self, percent: usize) -> f64 {
        let last = self.each_ns.len().saturating_sub(1);
        let place = last.saturating_mul(percent) / 100;
        let each_ns = self.each_ns.get(place).copied();
        each_ns.map_or(f64::NAN, |each_ns| f64::from(each_ns) / 1_000.0)
    }

    /// Rate, median and 99th percentile.
    pub(super) fn figures(&self, unit: &'static str) -> Vec<Figure> {
        let mut figures = vec![Figure::new("rate", self.rate(), unit)];
        figures.extend(self.latencies());
        figures
    }

    /// Median and 99th percentile.
    pub(super) fn latencies(&self) -> [Figure; 2] {
        [
            Figure::new("p50", self.percentile_us(50), "us"),
            Figure::new("p99", self.percentile_us(99), "us"),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_and_rate_are_those_of_all_samples() {
        let mut half = Samples::default();
        let mut samples = Samples::default();
        for us in (0..=100).rev() {
            let part = if us % 2 == 0 { &mut half } else { &mut samples };
            part.add(Duration::from_micros(us));
        }
        samples.append(half);
        let samples = samples.end(Duration::from_secs(1));
        let check = |found: f64, expect: f64| assert!((found - expect).abs() < 1e-9, "{found}");
        check(samples.rate(), 101.0);
        check(samples.percentile_us(0), 0.0);
        check(samples.percentile_us(50), 50.0);
        check(samples.percentile_us(99), 99.0);
        assert!(Samples::default().percentile_us(50).is_nan());
    }
}
