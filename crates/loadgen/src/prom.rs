//! Prometheus text, as far as counters need it.

use std::collections::BTreeMap;

/// Values by series as they are written: `name{key="value",…}`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Scrape(BTreeMap<String, f64>);

impl Scrape {
    /// Reads a page. Comments and lines that are no sample are passed over, timestamps too.
    pub(crate) fn parse(text: &str) -> Self {
        Scrape(text.lines().filter_map(sample).map(|(series, value)| (series.to_owned(), value)).collect())
    }

    /// The sum of all series of this name that have all these labels.
    pub(crate) fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let fits = |series: &str| {
            let (of, rest) = series.split_once('{').unwrap_or((series, ""));
            of == name && labels.iter().all(|&(key, value)| label(rest, key) == Some(value))
        };
        self.0.iter().filter(|(series, _)| fits(series)).map(|(_, value)| value).sum()
    }

    /// The sum as a count. Counters are whole and small enough for a float to be exact.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "counters are whole and not negative")]
    pub(crate) fn count(&self, name: &str, labels: &[(&str, &str)]) -> u64 {
        self.sum(name, labels).round() as u64
    }

    /// What every series that ends in `_total` grew by since `before`, where it grew.
    pub(crate) fn growth(&self, before: &Scrape) -> BTreeMap<String, f64> {
        let totals =
            self.0.iter().filter(|(series, _)| series.split('{').next().is_some_and(|n| n.ends_with("_total")));
        let growth = totals.map(|(series, value)| (series.clone(), value - before.0.get(series).unwrap_or(&0.0)));
        growth.filter(|(_, grown)| *grown != 0.0).collect()
    }
}

fn sample(line: &str) -> Option<(&str, f64)> {
    if line.starts_with('#') {
        return None;
    }
    let end = match line.rfind('}') {
        Some(brace) => brace + 1,
        None => line.find(' ')?,
    };
    let (series, rest) = line.split_at_checked(end)?;
    Some((series, rest.split_whitespace().next()?.parse().ok()?))
}

/// The value of a label in `key="value",…}`. Values with a quote or a comma in them are not read, and not met in our own labels.
fn label<'a>(labels: &'a str, key: &str) -> Option<&'a str> {
    let pairs = labels.trim_end_matches('}').split(',').filter_map(|pair| pair.split_once('='));
    pairs.filter(|(name, _)| name.trim() == key).map(|(_, value)| value.trim_matches('"')).next()
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEFORE: &str = r#"
# HELP skylark_accepted Elements.
# TYPE skylark_accepted counter
skylark_accepted_total{kind="segment"} 10
skylark_accepted_total{kind="log"} 4
skylark_refused_total{stage="receive",kind="segment",reason="malformed"} 1
skylark_refused_total{stage="store",kind="segment",reason="store"} 2
skylark_refused_total{stage="store",kind="log",reason="store"} 3
skylark_commit_seconds_total 0.5
process_open_fds 12 1700000000000
"#;

    #[test]
    fn sums_are_over_the_series_with_all_labels() {
        let scrape = Scrape::parse(BEFORE);
        for (name, labels, expected) in [
            ("skylark_accepted_total", &[("kind", "segment")][..], 10.0),
            ("skylark_accepted_total", &[], 14.0),
            ("skylark_refused_total", &[("kind", "segment"), ("stage", "store")], 2.0),
            ("skylark_refused_total", &[("kind", "segment")], 3.0),
            ("skylark_refused_total", &[("kind", "jvm")], 0.0),
            ("skylark_commit_seconds_total", &[], 0.5),
            ("process_open_fds", &[], 12.0),
            ("skylark_accepted", &[], 0.0),
        ] {
            assert_eq!(scrape.sum(name, labels), expected, "{name} {labels:?}");
        }
    }

    #[test]
    fn growth_is_of_counters_that_grew_those_that_are_new_among_them() {
        let after = BEFORE.replace(" 10\n", " 25\n").replace(" 12 ", " 99 ") + "skylark_stored_total{kind=\"log\"} 4\n";
        let grown = Scrape::parse(&after).growth(&Scrape::parse(BEFORE));
        let expected =
            [("skylark_accepted_total{kind=\"segment\"}", 15.0), ("skylark_stored_total{kind=\"log\"}", 4.0)];
        assert_eq!(grown, expected.map(|(series, n)| (series.to_owned(), n)).into());
    }
}
