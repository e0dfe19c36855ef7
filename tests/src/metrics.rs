//! The server's telemetry about itself, as its Prometheus text says it.

use std::collections::BTreeMap;

/// All series of one scrape.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Metrics(BTreeMap<String, f64>);

impl Metrics {
    /// Reads Prometheus text. Lines that are no series are passed over.
    pub fn parse(text: &str) -> Self {
        let series = text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| {
            let (name, value) = line.rsplit_once(' ')?;
            Some((name.to_owned(), value.parse().ok()?))
        });
        Metrics(series.collect())
    }

    /// The sum of the series of this name whose labels include all of `labels`, each as `key="value"`; 0 when there is none.
    pub fn sum(&self, name: &str, labels: &[&str]) -> f64 {
        let wanted = |series: &str| {
            let (own, rest) = series.split_once('{').unwrap_or((series, ""));
            own == name && labels.iter().all(|label| rest.contains(label))
        };
        self.0.iter().filter(|(series, _)| wanted(series)).map(|(_, value)| value).sum()
    }

    /// A counter or gauge of whole numbers.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "counts of tests are small")]
    pub fn count(&self, name: &str, labels: &[&str]) -> u64 {
        self.sum(name, labels).round() as u64
    }

    /// Elements of a kind that entered an ingest queue.
    pub fn accepted(&self, kind: &str) -> u64 {
        self.count("skylark_accepted_total", &[&format!("kind=\"{kind}\"")])
    }

    /// Elements of a kind for which the store has answered.
    pub fn stored(&self, kind: &str) -> u64 {
        self.count("skylark_stored_total", &[&format!("kind=\"{kind}\"")])
    }

    /// Elements that were refused for this reason, of every kind and at every stage.
    pub fn refused(&self, reason: &str) -> u64 {
        self.count("skylark_refused_total", &[&format!("reason=\"{reason}\"")])
    }

    /// Elements that are neither stored nor refused yet.
    pub fn in_flight(&self) -> u64 {
        self.count("skylark_in_flight", &[])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_are_found_by_name_and_labels() {
        let text = "# HELP x_total What.\nx_total{kind=\"a\",reason=\"r\"} 2.0\nx_total{kind=\"b\",reason=\"r\"} 3\ny 7\n# EOF\n";
        let metrics = Metrics::parse(text);
        assert_eq!(metrics.count("x_total", &[]), 5);
        assert_eq!(metrics.count("x_total", &["kind=\"b\""]), 3);
        assert_eq!(metrics.count("x_total", &["kind=\"b\"", "reason=\"q\""]), 0);
        assert_eq!(metrics.count("y", &[]), 7);
        assert_eq!(metrics.count("z", &[]), 0);
    }
}
