use super::criterion::Direction;
use super::{AcceptanceProtocol, Comparator, Criterion, Metric, OperatingPoint, PROTOCOL_FORMAT, Subgroup};
use std::collections::BTreeSet;

/// Keys of the file that mean nothing, each with its place. What was understood is written out again; a key that is then
/// missing was not understood.
pub(super) fn unknown_keys(given: &toml::Table, understood: &AcceptanceProtocol) -> Vec<String> {
    let mut unknown = Vec::new();
    match toml::Table::try_from(understood) {
        Ok(known) => compare("", given, &known, &mut unknown),
        Err(error) => unknown.push(format!("the protocol cannot be written out again: {error}")),
    }
    unknown
}

fn compare(place: &str, given: &toml::Table, known: &toml::Table, unknown: &mut Vec<String>) {
    for (key, value) in given {
        match (value, known.get(key)) {
            (_, None) => unknown.push(format!(
                "key `{place}{key}` is unknown; correct its spelling or remove it (docs/guides/acceptance-protocol.md lists the keys)"
            )),
            (toml::Value::Table(given), Some(toml::Value::Table(known))) => {
                compare(&format!("{place}{key}."), given, known, unknown);
            }
            (toml::Value::Array(given), Some(toml::Value::Array(known))) => {
                for (index, pair) in given.iter().zip(known).enumerate() {
                    if let (toml::Value::Table(given), toml::Value::Table(known)) = pair {
                        compare(&format!("{place}{key}[{index}]."), given, known, unknown);
                    }
                }
            }
            _ => {}
        }
    }
}

impl AcceptanceProtocol {
    /// Everything that contradicts itself, each with its remedy; empty when the protocol can be used.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if self.format != PROTOCOL_FORMAT {
            problems.push(format!("format is {}, this version of Hilum reads {PROTOCOL_FORMAT}", self.format));
        }
        let letters = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_' | b'.');
        if self.name.is_empty() || 64 < self.name.len() || !self.name.bytes().all(letters) {
            problems.push("name must be 1 to 64 lower-case letters, digits, '-', '_' or '.'".to_owned());
        }
        if self.version == 0 {
            problems.push("version is 0; versions count from 1".to_owned());
        }
        if self.purpose.trim().is_empty() {
            problems.push("purpose is empty; say in a sentence what the model shall be good for".to_owned());
        }
        self.target_problems(&mut problems);
        self.number_problems(&mut problems);
        self.criterion_problems(&mut problems);
        for subgroup in &self.subgroups {
            subgroup.problems(&mut problems);
        }
        problems
    }

    fn target_problems(&self, problems: &mut Vec<String>) {
        let Some(measures_only) = self.measures_only() else { return };
        if self.target.finding.trim().is_empty() {
            problems.push("target.finding is empty; name the finding as the package's manifest does".to_owned());
        }
        if !measures_only && (self.target.positive.is_empty() || self.target.negative.is_empty()) {
            problems.push("target.positive and target.negative must each list at least one reference label".to_owned());
        }
        let positive: BTreeSet<_> = self.target.positive.iter().collect();
        for both in self.target.negative.iter().filter(|label| positive.contains(label)) {
            problems.push(format!("label {both:?} is in target.positive and target.negative; keep it in one"));
        }
    }

    /// Whether nothing but segmentation measures is asked for; `None` without any criterion.
    pub(crate) fn measures_only(&self) -> Option<bool> {
        let mut metrics =
            self.criteria.iter().map(|c| c.metric).chain(self.subgroups.iter().map(|s| s.metric)).peekable();
        metrics.peek()?;
        Some(metrics.all(|metric| metric.is_measure() || metric == Metric::Completeness))
    }

    fn number_problems(&self, problems: &mut Vec<String>) {
        if let OperatingPoint::Stated { threshold } = self.operating_point
            && !threshold.is_finite()
        {
            problems.push("operating_point.threshold must be a finite number".to_owned());
        }
        let rules = &self.subgroup_rules;
        let whole = [
            ("interval.bootstrap_resamples", u64::from(self.interval.bootstrap_resamples), 200, 100_000),
            ("calibration.bins", u64::from(self.calibration.bins), 2, 50),
            ("report.failure_cases", u64::from(self.report.failure_cases), 0, 100),
            ("subgroup_rules.drop_from", rules.drop_from, 25, rules.non_inferiority_from),
            ("subgroup_rules.non_inferiority_from", rules.non_inferiority_from, 50, 1_000_000),
        ];
        for (key, value, low, high) in whole {
            if !(low..=high).contains(&value) {
                problems.push(format!("{key} is {value}; it must be in {low} to {high}"));
            }
        }
        let reals = [
            ("interval.level", self.interval.level, 0.5, 0.999),
            ("power.at_least", self.power.at_least, 0.5, 0.99),
            ("power.correlation", self.power.correlation, 0.0, 0.99),
        ];
        for (key, value, low, high) in reals {
            if !(low..=high).contains(&value) {
                problems.push(format!("{key} is {value}; it must be in {low} to {high}"));
            }
        }
    }

    fn criterion_problems(&self, problems: &mut Vec<String>) {
        if self.criteria.is_empty() {
            problems.push("there is no [[criterion]]; a protocol without one accepts everything".to_owned());
        }
        let mut names = BTreeSet::new();
        for criterion in &self.criteria {
            if !names.insert(criterion.name.as_str()) {
                problems.push(format!("two criteria are named {:?}; rename one", criterion.name));
            }
            criterion.problems(problems);
        }
        let mut columns = BTreeSet::new();
        for subgroup in &self.subgroups {
            if !columns.insert((subgroup.attribute.as_str(), subgroup.metric)) {
                problems.push(format!(
                    "subgroup {:?} is declared twice for {}; keep one",
                    subgroup.attribute, subgroup.metric
                ));
            }
        }
    }
}

impl Criterion {
    fn problems(&self, problems: &mut Vec<String>) {
        let name = &self.name;
        if name.trim().is_empty() || 64 < name.chars().count() {
            problems.push("a criterion's name must have 1 to 64 characters".to_owned());
        }
        let mut add = |problem: &str| problems.push(format!("criterion {name:?}: {problem}"));
        match (self.comparator, self.metric.direction()) {
            (Comparator::Absolute, Direction::Within) => {
                match self.range {
                    Some([low, high]) if low.is_finite() && high.is_finite() && low < high => {}
                    _ => add("state `range = [lowest, highest]`, two increasing numbers"),
                }
                if self.threshold.is_some() {
                    add("`threshold` does not go with this metric; use `range`");
                }
            }
            (Comparator::Absolute, _) => {
                if self.threshold.is_none_or(|t| !t.is_finite()) {
                    add("state `threshold`, the value that is just good enough");
                }
                if self.range.is_some() {
                    add("`range` is for calibration slope and intercept; use `threshold`");
                }
            }
            (Comparator::Champion, _) => {
                if self.margin.is_none_or(|m| !(m.is_finite() && 0.0 <= m)) {
                    add("state `margin`, how much worse than the champion is still good enough, 0 or more");
                }
                if self.threshold.is_some() || self.range.is_some() {
                    add(
                        "`threshold` and `range` go with `comparator = \"absolute\"`; remove them or write a second criterion",
                    );
                }
                if !self.metric.is_paired() {
                    add("this metric is not compared between versions; use `comparator = \"absolute\"`");
                }
            }
        }
        if self.comparator == Comparator::Absolute && self.margin.is_some() {
            add("`margin` goes with `comparator = \"champion\"`; put it into the threshold");
        }
        if unit_metric(self.metric) && self.threshold.is_some_and(|t| !(0.0..=1.0).contains(&t)) {
            add("`threshold` must be in 0 to 1, not a percentage");
        }
        if self.alpha.is_some_and(|a| !(0.000_5..=0.25).contains(&a)) {
            add("`alpha` must be in 0.0005 to 0.25; it is one-sided, 0.025 is usual");
        }
        if !method_fits(self) {
            add("`method` does not fit the metric; leave it out, or use \"bootstrap\"");
        }
    }
}

fn unit_metric(metric: Metric) -> bool {
    metric.direction() != Direction::Within && !matches!(metric, Metric::Hd95Mm | Metric::AssdMm)
}

fn method_fits(criterion: &Criterion) -> bool {
    use super::Method;
    match criterion.method {
        Method::Auto | Method::Bootstrap => true,
        Method::Delong => criterion.metric == Metric::Auroc,
        Method::Proportion => criterion.metric.is_proportion(),
    }
}

impl Subgroup {
    fn problems(&self, problems: &mut Vec<String>) {
        let name = format!("subgroup {:?}", self.attribute);
        let mut add = |problem: &str| problems.push(format!("{name}: {problem}"));
        if self.attribute.trim().is_empty() {
            add("`attribute` is empty; name a column of the case list");
        }
        if self.metric.direction() == Direction::Within {
            add("calibration slope and intercept are not judged by subgroup; choose another metric");
        }
        if !(self.margin.is_finite() && 0.0 <= self.margin) {
            add("`margin` must be 0 or more");
        }
        match self.comparator {
            Comparator::Absolute if self.threshold.is_none_or(|t| !t.is_finite()) => {
                add("state `threshold`, the floor of each group");
            }
            Comparator::Champion if self.threshold.is_some() => {
                add("`threshold` goes with `comparator = \"absolute\"`; remove it");
            }
            Comparator::Champion if !self.metric.is_paired() => {
                add("this metric is not compared between versions; use `comparator = \"absolute\"`");
            }
            _ => {}
        }
        if self.alpha.is_some_and(|a| !(0.000_5..=0.25).contains(&a)) {
            add("`alpha` must be in 0.0005 to 0.25; it is one-sided, 0.025 is usual");
        }
        if self.bands.iter().any(|b| !b.is_finite()) || self.bands.windows(2).any(|pair| pair[1] <= pair[0]) {
            add("`bands` must be increasing numbers");
        }
        if !self.bands.is_empty() && !self.values.is_empty() {
            add("give `bands` for a numeric column or `values` for a named one, not both");
        }
    }
}
