//! Numbers and figures as words: one way of writing them, for sentences and for the page.

use crate::protocol::Metric;
use crate::report::Figure;
use hilum_types::Timestamp;

/// A figure's own number of decimals.
pub(crate) fn number(metric: Metric, value: f64) -> String {
    let decimals = if matches!(metric, Metric::Hd95Mm | Metric::AssdMm) { 2 } else { 3 };
    fixed(value, decimals)
}

/// A limit as its author wrote it, not padded.
pub(crate) fn limit(value: f64) -> String {
    let text = format!("{value:.4}");
    minus(text.trim_end_matches('0').trim_end_matches('.'))
}

/// So many decimals, a real minus sign, and no minus before zero.
pub(crate) fn fixed(value: f64, decimals: usize) -> String {
    minus(&format!("{value:.decimals$}"))
}

fn minus(text: &str) -> String {
    match text.strip_prefix('-') {
        Some(rest) if rest.chars().all(|c| matches!(c, '0' | '.')) => rest.to_owned(),
        Some(rest) => format!("\u{2212}{rest}"),
        None => text.to_owned(),
    }
}

/// `95 %`, `97.5 %`.
pub(crate) fn percent(share: f64) -> String {
    format!("{} %", limit(100.0 * share))
}

/// `0.958 (95 % interval 0.940 to 0.977)`.
pub(crate) fn with_interval(metric: Metric, figure: &Figure) -> String {
    let [value, lower, upper] = [figure.value, figure.lower, figure.upper].map(|value| number(metric, value));
    format!("{value} ({} interval {lower} to {upper})", percent(figure.level))
}

/// `1 case`, `1,200 cases`.
pub(crate) fn counted(n: u64, what: &str) -> String {
    format!("{} {what}{}", thousands(n), if n == 1 { "" } else { "s" })
}

/// `2026-11-24 10:30 UTC`.
pub(crate) fn minute(time: Timestamp) -> String {
    let text = time.to_string();
    format!("{} {} UTC", &text[..10], &text[11..16])
}

/// `12,345`.
pub(crate) fn thousands(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if 0 < place && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_one_way() {
        let written = [limit(0.9), limit(-0.05), limit(2.0), fixed(-0.0001, 3), percent(0.975), thousands(1_234_567)];
        assert_eq!(written, ["0.9", "\u{2212}0.05", "2", "0.000", "97.5 %", "1,234,567"]);
        assert_eq!(counted(1, "case"), "1 case");
    }
}
