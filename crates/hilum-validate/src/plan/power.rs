use super::Needed;
use crate::figures::Settings;
use crate::judge::worse_by;
use crate::protocol::{Comparator, Metric};
use crate::report::SubgroupRule;
use crate::text;
use hilum_stats::StatsError;
use hilum_stats::power::{
    AurocPair, ProportionPair, auroc_difference_standard_error, binormal_auroc_standard_error, power_auroc,
    power_no_drop, power_no_drop_proportion, power_noninferiority_auroc, power_noninferiority_paired, power_proportion,
    sample_size_auroc, sample_size_noninferiority_auroc, sample_size_noninferiority_paired, sample_size_proportion,
};

/// Value assumed of a champion of which nothing is known.
const CHAMPION_ASSUMED: f64 = 0.9;

/// Steps of the search for the value that a model must truly have.
const BISECTIONS: u32 = 40;

/// Sizes of a group that are looked at for the rule for few, which ends at 50 unless a protocol says otherwise.
const FEW_SEARCHED: u64 = 200;

/// What a gate asks, with what is assumed of a good model.
pub(super) struct Question {
    pub(super) metric: Metric,
    pub(super) comparator: Comparator,
    /// Floor, for an absolute gate.
    pub(super) reference: f64,
    /// Margin, for a comparison or a group with few cases.
    pub(super) margin: f64,
    pub(super) alpha: f64,
    pub(super) expected: Option<f64>,
    /// The champion's value on these cases.
    pub(super) champion: Option<f64>,
    pub(super) rule: SubgroupRule,
}

/// Power, what it rests on, and what it would take.
pub(super) struct Power {
    pub(super) value: Option<f64>,
    pub(super) assumption: String,
    pub(super) needed: Option<Needed>,
}

impl Power {
    pub(super) fn unknown(why: &str) -> Power {
        Power { value: None, assumption: why.to_owned(), needed: None }
    }
}

/// All, positive and negative cases, in the protocol's unit.
type InUnit = (u64, u64, u64);

/// `few` cases of the rarer kind, and the other kind at the share that it has now.
fn scaled(few: u64, (_, positives, negatives): InUnit) -> Needed {
    let of = |n: u64| (few as f64 * n as f64 / positives.min(negatives).max(1) as f64).ceil() as u64;
    Needed { positives: of(positives), negatives: of(negatives) }
}

impl Question {
    pub(super) fn power(&self, n: InUnit, settings: &Settings<'_>) -> Power {
        if matches!(self.rule, SubgroupRule::TooFew | SubgroupRule::NotJudged) {
            return Power::unknown("there are too few cases for any power");
        }
        match (self.comparator, self.metric) {
            (
                Comparator::Absolute,
                Metric::Auroc | Metric::Sensitivity | Metric::Specificity | Metric::Completeness,
            ) => self.absolute(n, settings),
            (Comparator::Champion, Metric::Auroc | Metric::Sensitivity | Metric::Specificity) => {
                self.comparison(n, settings)
            }
            _ => Power::unknown("the power of this figure has no closed form; it is not known before the run"),
        }
    }

    fn absolute(&self, n: InUnit, settings: &Settings<'_>) -> Power {
        let title = self.metric.title_within();
        let at_least = settings.protocol.power.at_least;
        let Some(expected) = self.expected else {
            let mut assumption = "no `expected` value is stated".to_owned();
            if let Some(value) = self.passing_value(n, settings) {
                let share = text::percent(at_least);
                assumption.push_str(&format!("; a model whose true {title} is {value:.3} passes with {share}"));
            }
            return Power { value: None, assumption, needed: None };
        };
        let assumption = format!("a true {title} of {}", text::limit(expected));
        match self.absolute_power(expected, n, settings) {
            Ok(value) => {
                Power { value: Some(value), assumption, needed: self.absolute_needed(expected, n, settings).ok() }
            }
            Err(why) => Power { value: None, assumption: format!("{assumption}: {why}"), needed: None },
        }
    }

    fn absolute_power(&self, expected: f64, n: InUnit, settings: &Settings<'_>) -> Result<f64, StatsError> {
        let (all, positives, negatives) = n;
        let interval = settings.proportion_interval();
        let few = self.rule == SubgroupRule::NoDrop;
        if self.metric == Metric::Auroc && few {
            let error = binormal_auroc_standard_error(expected, positives, negatives)?;
            return power_no_drop(expected - self.reference, self.margin, error, self.alpha);
        }
        if self.metric == Metric::Auroc {
            return power_auroc(expected, self.reference, positives, negatives, self.alpha);
        }
        let n = self.of_metric(all, positives, negatives);
        if few {
            return power_no_drop_proportion(n, expected, self.reference, self.margin, self.alpha, interval);
        }
        power_proportion(n, expected, self.reference, self.alpha, interval)
    }

    fn of_metric(&self, all: u64, positives: u64, negatives: u64) -> u64 {
        match self.metric {
            Metric::Sensitivity => positives,
            Metric::Specificity => negatives,
            _ => all,
        }
    }

    fn absolute_needed(&self, expected: f64, n: InUnit, settings: &Settings<'_>) -> Result<Needed, StatsError> {
        let rules = &settings.protocol.subgroup_rules;
        let (reference, at_least) = if self.rule == SubgroupRule::NoDrop {
            if let Some(few) = self.few_needed(expected, n, settings) {
                return self.needed_at(few, n);
            }
            // More cases are judged by the rule for many, of which the margin is part of the floor.
            (worse_by(self.metric, self.reference, self.margin), rules.non_inferiority_from)
        } else {
            (self.reference, 0)
        };
        let (_, positives, negatives) = n;
        let (power, alpha) = (settings.protocol.power.at_least, self.alpha);
        if self.metric == Metric::Auroc {
            let ratio = negatives as f64 / positives.max(1) as f64;
            let (positives, negatives) = sample_size_auroc(expected, reference, ratio, alpha, power)?;
            if positives.min(negatives) < at_least {
                return self.needed_at(at_least, n);
            }
            return Ok(Needed { positives, negatives });
        }
        let cases = sample_size_proportion(expected, reference, alpha, power, settings.proportion_interval())?;
        self.needed_of_class(cases.max(at_least))
    }

    /// Fewest cases of the rarer kind that give the power under the rule for few, from which on it has it as far as that rule
    /// reaches.
    fn few_needed(&self, expected: f64, n: InUnit, settings: &Settings<'_>) -> Option<u64> {
        let rules = &settings.protocol.subgroup_rules;
        let at_least = settings.protocol.power.at_least;
        let counts = |few: u64| match self.metric {
            Metric::Auroc => {
                let Needed { positives, negatives } = scaled(few, n);
                (few, positives, negatives)
            }
            _ => (few, few, few),
        };
        let has_power =
            |few: &u64| self.absolute_power(expected, counts(*few), settings).is_ok_and(|power| at_least <= power);
        let last = rules.non_inferiority_from.saturating_sub(1);
        let first = rules.drop_from.max(last.saturating_sub(FEW_SEARCHED));
        (first..=last).rev().take_while(has_power).last()
    }

    /// So many cases of what the figure rests on.
    fn needed_at(&self, few: u64, n: InUnit) -> Result<Needed, StatsError> {
        if self.metric == Metric::Auroc { Ok(scaled(few, n)) } else { self.needed_of_class(few) }
    }

    fn needed_of_class(&self, n: u64) -> Result<Needed, StatsError> {
        match self.metric {
            Metric::Sensitivity => Ok(Needed { positives: n, negatives: 0 }),
            Metric::Specificity => Ok(Needed { positives: 0, negatives: n }),
            _ => Err(StatsError::Undefined { what: "sample size", why: "the figure rests on no class" }),
        }
    }

    /// The true value that passes with the power asked for.
    fn passing_value(&self, n: InUnit, settings: &Settings<'_>) -> Option<f64> {
        let at_least = settings.protocol.power.at_least;
        let passes = |value: f64| self.absolute_power(value, n, settings).is_ok_and(|power| at_least <= power);
        let (mut low, mut high) = (self.reference.max(0.01), 1.0 - 1e-6);
        if !passes(high) {
            return None;
        }
        for _ in 0..BISECTIONS {
            let middle = f64::midpoint(low, high);
            if passes(middle) { high = middle } else { low = middle }
        }
        Some(high)
    }

    fn comparison(&self, (_, positives, negatives): InUnit, settings: &Settings<'_>) -> Power {
        let rules = &settings.protocol.power;
        let champion = self.champion.or(self.expected).unwrap_or(CHAMPION_ASSUMED);
        let challenger = self.expected.unwrap_or(champion);
        let correlation = rules.correlation;
        let title = self.metric.title_within();
        let origin = if self.champion.is_some() { "the champion's on these cases" } else { "assumed" };
        let assumption = format!(
            "a true {title} of {} against {} ({origin}), scores correlated by {}",
            text::limit(challenger),
            text::limit(champion),
            text::limit(correlation)
        );
        let computed = if self.metric == Metric::Auroc {
            self.auroc_comparison(
                &AurocPair { challenger, champion, correlation },
                positives,
                negatives,
                rules.at_least,
            )
        } else {
            let n = self.of_metric(0, positives, negatives);
            self.call_comparison(
                &ProportionPair { first: challenger, second: champion, correlation },
                n,
                rules.at_least,
            )
        };
        match computed {
            Ok((value, needed)) => Power { value: Some(value), assumption, needed },
            Err(why) => Power { value: None, assumption: format!("{assumption}: {why}"), needed: None },
        }
    }

    fn auroc_comparison(
        &self,
        pair: &AurocPair,
        m: u64,
        n: u64,
        at_least: f64,
    ) -> Result<(f64, Option<Needed>), StatsError> {
        if self.rule == SubgroupRule::NoDrop {
            let error = auroc_difference_standard_error(pair, m, n)?;
            return Ok((power_no_drop(pair.challenger - pair.champion, self.margin, error, self.alpha)?, None));
        }
        let power = power_noninferiority_auroc(pair, self.margin, m, n, self.alpha)?;
        let ratio = n as f64 / m.max(1) as f64;
        let needed = sample_size_noninferiority_auroc(pair, self.margin, ratio, self.alpha, at_least).ok();
        Ok((power, needed.map(|(positives, negatives)| Needed { positives, negatives })))
    }

    fn call_comparison(
        &self,
        pair: &ProportionPair,
        n: u64,
        at_least: f64,
    ) -> Result<(f64, Option<Needed>), StatsError> {
        if self.rule == SubgroupRule::NoDrop {
            let error = pair.difference_standard_error(n)?;
            return Ok((power_no_drop(pair.first - pair.second, self.margin, error, self.alpha)?, None));
        }
        let power = power_noninferiority_paired(n, pair, self.margin, self.alpha)?;
        let needed = sample_size_noninferiority_paired(pair, self.margin, self.alpha, at_least);
        Ok((power, needed.and_then(|n| self.needed_of_class(n)).ok()))
    }
}
