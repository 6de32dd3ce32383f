//! All numbers together: what a comparison of the last four weeks with the reference says, for whoever asks.

use super::Moment;
use crate::api::together::{SEED, in_words};
use crate::words::{count, grouped, sentence};
use hilum_monitor::sketch::Span;
use hilum_monitor::together::{Compared, DESCRIBES, Method, TogetherError};
use hilum_store::StoreError;
use hilum_store::together_report::{TogetherQuery, TogetherReport, TogetherSide, TogetherState};
use hilum_types::Timestamp;

/// From here down a p-value is said to be beyond chance.
const BEYOND_CHANCE: f64 = 0.05;

pub(super) struct TogetherPanel {
    /// Sentences, one paragraph each; none: nobody asked.
    pub(super) said: Vec<String>,
}

/// What the page asks: the last days of the version in use.
pub(super) fn query(method: Method, now: Timestamp) -> TogetherQuery {
    let (reference, seed) = ((None, None), u64::from(SEED));
    TogetherQuery { from: None, until: now.plus_micros(1), package: None, group: None, reference, method, seed }
}

impl TogetherPanel {
    pub(super) fn not_asked() -> TogetherPanel {
        TogetherPanel { said: vec![] }
    }

    /// What there is to say of it, or why it could not be made.
    pub(super) fn of(state: Result<&TogetherState, &StoreError>) -> TogetherPanel {
        let said = match state {
            Ok(TogetherState::Compared(report)) => compared(report),
            Ok(TogetherState::TooLittle(why)) | Err(StoreError::Refused { why, .. }) => {
                vec![format!("{}.", sentence(why))]
            }
            Err(_) => {
                vec!["They could not be compared, so nothing is known; the log of the server says why.".to_owned()]
            }
        };
        TogetherPanel { said }
    }
}

fn compared(report: &TogetherReport) -> Vec<String> {
    let (method, permutations) = (report.options.method, report.options.permutations);
    let n_made = [&report.together.inputs, &report.together.outputs].into_iter().filter(|one| one.is_ok()).count();
    let corrected = if n_made == 1 { "" } else { ", and p is corrected for being one of two (Holm)" };
    vec![
        format!("{} beside the reference, {}.", side(&report.current, report), side(&report.reference, report)),
        format!("What went in: {}.", said(&report.together.inputs, method)),
        format!("What came out: {}.", said(&report.together.outputs, method)),
        format!(
            "Chance is found by dealing the studies out anew {} times{corrected}. {}.",
            grouped(u64::from(permutations)),
            sentence(DESCRIBES)
        ),
    ]
}

fn side(side: &TogetherSide, report: &TogetherReport) -> String {
    let Span { from, until } = side.span;
    let days = format!("{} to {}", Moment::of(from).day, Moment::of(until.plus_micros(-1)).day);
    let measured = count(side.n_studies, "measured study", "measured studies");
    if side.n_drawn == side.n_studies {
        return format!("{days} ({measured})");
    }
    format!("{days} ({measured}, of which {} were drawn with seed {})", grouped(side.n_drawn), report.options.seed)
}

fn said(compared: &Result<Compared, TogetherError>, method: Method) -> String {
    let found = match compared {
        Ok(found) => found,
        Err(error) => return format!("not compared, {}", in_words(error)),
    };
    let verdict =
        if found.p_adjusted <= BEYOND_CHANCE { "not as in the reference" } else { "no difference beyond chance" };
    let value = match method {
        Method::Mmd => format!("squared maximum mean discrepancy {:.4}", found.value),
        Method::C2st => format!("a classifier tells them apart with an AUROC of {:.2}", found.value),
    };
    let numbers = count(found.names.len() as u64, "number", "numbers together");
    let n = format!("n = {} and {}", grouped(found.n_current), grouped(found.n_reference));
    let left_out = match found.left_out.len() as u64 {
        0 => String::new(),
        n => format!("; {} left out", count(n, "number is", "numbers are")),
    };
    format!("{verdict}; {numbers}, {value}, p = {:.3}, {n} ({}){left_out}", found.p_adjusted, found.method)
}

#[cfg(test)]
mod tests {
    use super::*;
    use hilum_monitor::together::{LeftOut, Together, TogetherOptions, WhyLeftOut};
    use hilum_types::Digest;

    fn side(from: i64, n_studies: u64, n_drawn: u64) -> TogetherSide {
        let day = |n: i64| Timestamp::from_micros(0).plus_seconds(n * 86_400);
        TogetherSide { span: Span { from: day(from), until: day(from + 28) }, n_studies, n_drawn }
    }

    fn report(method: Method, outputs: Result<Compared, TogetherError>) -> TogetherState {
        let inputs = Compared {
            value: 0.012_345,
            p: 0.001,
            p_adjusted: 0.002,
            n_reference: 2000,
            n_current: 812,
            method: "mmd2/rbf-permutation".to_owned(),
            names: vec!["noise".to_owned(), "sharpness".to_owned()],
            incomplete: vec![],
            left_out: vec![LeftOut { name: "bits".to_owned(), why: WhyLeftOut::Same }],
        };
        TogetherState::Compared(Box::new(TogetherReport {
            deployment: "cxr".to_owned(),
            package: Digest::of(b"v1"),
            group: None,
            options: TogetherOptions::new(method, 1),
            as_of: Timestamp::from_micros(0),
            reference: side(0, 8123, 2000),
            current: side(28, 812, 812),
            together: Together { inputs: Ok(inputs), outputs },
        }))
    }

    #[test]
    fn a_comparison_is_said_with_value_p_n_and_method() {
        let none = Err(TogetherError::TooFew { of: "an output", n_reference: 3, n_current: 4 });
        let said = TogetherPanel::of(Ok(&report(Method::Mmd, none))).said.join("\n").replace('\u{202f}', " ");
        let told = "29 Jan 1970 to 25 Feb 1970 (812 measured studies) beside the reference, 1 Jan 1970 to 28 Jan 1970 \
                    (8 123 measured studies, of which 2 000 were drawn with seed 1).\n\
                    What went in: not as in the reference; 2 numbers together, squared maximum mean discrepancy \
                    0.0123, p = 0.002, n = 812 and 2 000 (mmd2/rbf-permutation); 1 number is left out.\n\
                    What came out: not compared, 3 studies of the reference and 4 of the period have an output; 50 are \
                    needed on either side.\n\
                    Chance is found by dealing the studies out anew 999 times. It describes and ranks";
        assert!(said.starts_with(told) && said.ends_with("it stops nothing: stop rules do."), "{said}");
        let same = Compared {
            value: 0.512,
            p: 0.4,
            p_adjusted: 0.4,
            n_reference: 60,
            n_current: 50,
            method: "c2st/logistic-permutation".to_owned(),
            names: vec!["score:nodule".to_owned()],
            incomplete: vec![],
            left_out: vec![],
        };
        let said = TogetherPanel::of(Ok(&report(Method::C2st, Ok(same)))).said;
        let told = "What came out: no difference beyond chance; 1 number, a classifier tells them apart with an AUROC \
                    of 0.51, p = 0.400, n = 50 and 60 (c2st/logistic-permutation).";
        assert_eq!(said[2], told);
        assert!(said[3].contains("199 times, and p is corrected for being one of two (Holm)."), "{said:?}");
        let refused = StoreError::Refused { what: "compare", why: "more than 9 study revisions".to_owned() };
        assert_eq!(TogetherPanel::of(Err(&refused)).said, ["More than 9 study revisions."]);
        let unmade = TogetherPanel::of(Err(&StoreError::ShuttingDown)).said;
        assert!(unmade[0].contains("the log of the server says why"), "{unmade:?}");
    }
}
