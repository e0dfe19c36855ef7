//! Language models: who offers them, and what their tokens cost about (`config/gen-ai-config.yml`).

use foldhash::fast::RandomState;
use hashbrown::HashMap;
use serde::Deserialize;

/// Who offers a model that nobody lists.
const UNKNOWN: &str = "unknown";

/// The price list as its file has it, in SkyWalking's form.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct PriceFile {
    /// For people: when somebody last looked.
    #[serde(default)]
    pub last_updated: Option<String>,
    /// The providers.
    pub providers: Vec<Provider>,
}

/// One provider of the file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Provider {
    /// Its name, which is the service's.
    pub provider: String,
    /// What the names of its models begin with.
    #[serde(default)]
    pub prefix_match: Option<Vec<String>>,
    /// The models whose price is known.
    #[serde(default)]
    pub models: Option<Vec<Model>>,
}

/// One model of the file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Model {
    /// What its name begins with.
    pub name: String,
    /// What its other names begin with.
    #[serde(default)]
    pub aliases: Option<Vec<String>>,
    /// Price of a million tokens in.
    #[serde(default)]
    pub input_estimated_cost_per_m: f64,
    /// Price of a million tokens out.
    #[serde(default)]
    pub output_estimated_cost_per_m: f64,
}

/// The price list, ready to be asked. [`Prices::default`] knows nobody.
#[derive(Clone, Debug, Default)]
pub struct Prices {
    providers: Prefixes<Box<str>>,
    prices: Prefixes<Price>,
}

/// What a token costs in millionths of the currency, which is what a million cost in the currency.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Price {
    input: f64,
    output: f64,
}

impl Prices {
    /// Checks a file and makes it ready.
    ///
    /// # Errors
    /// Every problem, each as a sentence: a name or a prefix that is blank, a price that is negative or no number.
    pub fn new(file: PriceFile) -> Result<Self, Vec<String>> {
        let mut prices = Prices::default();
        let mut problems = Vec::new();
        for Provider { provider, prefix_match, models } in file.providers {
            if provider.trim().is_empty() {
                problems.push("a provider has no name".to_owned());
            }
            for prefix in prefix_match.unwrap_or_default() {
                if prefix.is_empty() {
                    problems.push(format!("provider {provider}: a prefix is empty"));
                }
                prices.providers.insert(&prefix, provider.as_str().into());
            }
            for model in models.unwrap_or_default() {
                let price =
                    Price { input: model.input_estimated_cost_per_m, output: model.output_estimated_cost_per_m };
                if ![price.input, price.output].iter().all(|price| price.is_finite() && *price >= 0.0) {
                    problems.push(format!("model {}: a price must be a number of at least 0", model.name));
                }
                for name in model.aliases.iter().flatten().chain([&model.name]) {
                    if name.is_empty() {
                        problems.push(format!("provider {provider}: a model has no name"));
                    }
                    prices.prices.insert(name, price);
                }
            }
        }
        if problems.is_empty() { Ok(prices) } else { Err(problems) }
    }

    /// Who offers a model, by the longest prefix of its name.
    pub(crate) fn provider(&self, model: &str) -> &str {
        self.providers.longest(model).map_or(UNKNOWN, |provider| provider)
    }

    /// About what so many tokens cost, in millionths of the currency; 0 where the model has no price.
    #[expect(clippy::cast_precision_loss, reason = "an estimate")]
    #[expect(clippy::cast_possible_truncation, reason = "the cast saturates")]
    pub(crate) fn cost(&self, model: &str, input_tokens: i64, output_tokens: i64) -> i64 {
        let Price { input, output } = self.prices.longest(model).copied().unwrap_or_default();
        // Halves go up, as the reference rounds.
        (input * input_tokens as f64 + output * output_tokens as f64 + 0.5).floor() as i64
    }
}

/// Values by what a name begins with.
#[derive(Clone, Debug)]
struct Prefixes<T> {
    by_prefix: HashMap<Box<str>, T, RandomState>,
    longest: usize,
}

impl<T> Default for Prefixes<T> {
    fn default() -> Self {
        Prefixes { by_prefix: HashMap::default(), longest: 0 }
    }
}

impl<T> Prefixes<T> {
    fn insert(&mut self, prefix: &str, value: T) {
        self.longest = self.longest.max(prefix.len());
        self.by_prefix.insert(prefix.into(), value);
    }

    /// The value of the longest prefix. A name may be as long as it likes: no more of it is looked at than any prefix has.
    fn longest(&self, name: &str) -> Option<&T> {
        let ends = (1..=self.longest.min(name.len())).rev();
        ends.filter_map(|end| name.get(..end)).find_map(|prefix| self.by_prefix.get(prefix))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model(name: &str, aliases: &[&str], input: f64, output: f64) -> Model {
        Model {
            name: name.to_owned(),
            aliases: Some(aliases.iter().map(|&alias| alias.to_owned()).collect()),
            input_estimated_cost_per_m: input,
            output_estimated_cost_per_m: output,
        }
    }

    fn provider(name: &str, prefixes: &[&str], models: Vec<Model>) -> Provider {
        let prefix_match = Some(prefixes.iter().map(|&prefix| prefix.to_owned()).collect());
        Provider { provider: name.to_owned(), prefix_match, models: Some(models) }
    }

    fn file(providers: Vec<Provider>) -> PriceFile {
        PriceFile { last_updated: None, providers }
    }

    #[test]
    fn the_longest_prefix_decides() {
        let prices = Prices::new(file(vec![
            provider("openai", &["gpt"], vec![model("gpt-4o", &[], 2.5, 10.0), model("gpt-4o-mini", &[], 0.15, 0.6)]),
            provider("local", &["gpt-oss", "ü"], vec![model("x", &["gpt-oss-1"], 1.0, 0.0)]),
        ]))
        .unwrap();
        let provider = |name| prices.provider(name);
        assert_eq!(
            ["gpt-4o-2024", "gpt-oss-1b", "gp", "", "übermodell"].map(provider),
            ["openai", "local", "unknown", "unknown", "local"]
        );
        assert_eq!(prices.cost("gpt-4o-2024-08-06", 1_000, 100), 3_500);
        assert_eq!(prices.cost("gpt-4o-mini-2024", 10, 0), 2, "1.5 rounds up");
        assert_eq!(prices.cost("gpt-oss-1b", 7, 7), 7);
        assert_eq!(prices.cost("gpt-3", 7, 7), 0);
        assert_eq!(prices.cost("gpt-4o", i64::MAX, i64::MAX), i64::MAX);
        assert_eq!(Prices::default().provider("gpt"), "unknown");
    }

    #[test]
    fn every_problem_is_told() {
        let problems = Prices::new(file(vec![
            provider(" ", &[""], vec![]),
            provider("p", &[], vec![model("", &[], -1.0, 1.0), model("m", &[""], 1.0, f64::NAN)]),
        ]))
        .unwrap_err();
        assert_eq!(
            problems,
            [
                "a provider has no name",
                "provider  : a prefix is empty",
                "model : a price must be a number of at least 0",
                "provider p: a model has no name",
                "model m: a price must be a number of at least 0",
                "provider p: a model has no name"
            ]
        );
    }
}
