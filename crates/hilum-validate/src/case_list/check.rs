use super::{CASE_LIST_FORMAT, CaseList, ListedCase};
use crate::Exposure;
use hilum_types::Independence;
use hilum_types::{Digest, Timestamp};
use std::collections::{BTreeMap, BTreeSet};

/// Longest label, column name or column value, in characters.
const TEXT_CHARS_MAX: usize = 200;

impl CaseList {
    /// Everything that keeps the list from being used, each with its remedy; empty when it can be.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if self.format != CASE_LIST_FORMAT {
            problems.push(format!("format is {}, this version of Hilum reads {CASE_LIST_FORMAT}", self.format));
        }
        let letters = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_' | b'.');
        if self.name.is_empty() || 64 < self.name.len() || !self.name.bytes().all(letters) {
            problems.push("the name must be 1 to 64 lower-case letters, digits, '-', '_' or '.'".to_owned());
        }
        if self.cases.is_empty() {
            problems.push("there is no case; a list without one proves nothing".to_owned());
        }
        let mut ids = BTreeSet::new();
        for case in &self.cases {
            if !ids.insert(case.id.as_str()) {
                problems.push(format!("case {:?} is there twice; give every case an id of its own", case.id));
            }
            case.problems(&mut problems);
        }
        self.object_problems(&mut problems);
        for (one, other) in self.twins() {
            if label_of(one) != label_of(other) {
                problems.push(format!(
                    "cases {:?} and {:?} are the same image with different labels; correct or remove one",
                    one.id, other.id
                ));
            }
        }
        problems
    }

    /// What a reader should know of the list although it can be used.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        let count = |wanted: &dyn Fn(&ListedCase) -> bool| self.cases.iter().filter(|case| wanted(case)).count();
        let without_patient = count(&|case| case.patient.is_none());
        if 0 < without_patient {
            warnings.push(format!(
                "cases without a stated patient: {without_patient}; each counts as a patient of its own, and overlap with \
                 training sets is found by image only"
            ));
        }
        let without_label = count(&|case| case.label.is_none());
        if 0 < without_label {
            warnings.push(format!("cases without a label: {without_label}; they are not analysed"));
        }
        let exposed =
            count(&|case| case.label.as_ref().is_some_and(|label| label.effective_exposure() == Exposure::Exposed));
        if 0 < exposed {
            warnings.push(format!(
                "labels that depend on the output of a model: {exposed}; they are left out of every accuracy figure (MV-25)"
            ));
        }
        let unknown =
            count(&|case| case.label.as_ref().is_some_and(|label| label.effective_exposure() == Exposure::Unknown));
        if 0 < unknown {
            warnings.push(format!(
                "labels of which it is not recorded whether the labeller had seen the output of a model: {unknown}; reports say so"
            ));
        }
        let twins = self.twins();
        if !twins.is_empty() {
            let named: Vec<String> = twins.iter().map(|(a, b)| format!("{} = {}", a.id, b.id)).collect();
            warnings.push(format!("pairs of cases that are the same image: {}; {}", twins.len(), named.join(", ")));
        }
        let across = twins.iter().filter(|(a, b)| a.patient.is_some() && b.patient.is_some() && a.patient != b.patient);
        let across: Vec<String> = across.map(|(a, b)| format!("{} = {}", a.id, b.id)).collect();
        if !across.is_empty() {
            warnings.push(format!(
                "the same image under two patients ({}): the grouping by patient is not to be relied on there",
                across.join(", ")
            ));
        }
        warnings
    }

    /// One object belongs to one case.
    fn object_problems(&self, problems: &mut Vec<String>) {
        let mut owners: BTreeMap<Digest, &str> = BTreeMap::new();
        for case in &self.cases {
            for object in case.instances.iter().filter_map(|instance| instance.object) {
                if let Some(owner) = owners.insert(object, &case.id) {
                    problems.push(format!("the same file is in cases {owner:?} and {:?}; keep it in one", case.id));
                }
            }
        }
    }

    /// Pairs of cases with the same images, each with the first that has them.
    fn twins(&self) -> Vec<(&ListedCase, &ListedCase)> {
        let mut first: BTreeMap<Vec<Digest>, &ListedCase> = BTreeMap::new();
        let mut twins = Vec::new();
        for case in &self.cases {
            let mut pixels: Vec<Digest> = case.instances.iter().map(|instance| instance.pixels).collect();
            pixels.sort_unstable();
            match first.get(&pixels) {
                Some(earlier) => twins.push((*earlier, case)),
                None => {
                    first.insert(pixels, case);
                }
            }
        }
        twins
    }
}

fn label_of(case: &ListedCase) -> Option<&str> {
    case.label.as_ref().map(|label| label.value.as_str())
}

fn is_line(text: &str, chars_max: usize) -> bool {
    !text.trim().is_empty() && text.chars().count() <= chars_max && !text.chars().any(char::is_control)
}

impl ListedCase {
    fn problems(&self, problems: &mut Vec<String>) {
        let id = &self.id;
        if !is_line(id, 128) {
            problems.push(format!("case id {id:?} is not 1 to 128 printable characters"));
        }
        let mut add = |problem: String| problems.push(format!("case {id:?}: {problem}"));
        if self.instances.is_empty() {
            add("it has no image".to_owned());
        }
        for (column, value) in &self.columns {
            if !is_line(column, TEXT_CHARS_MAX) || !is_line(value, TEXT_CHARS_MAX) {
                add(format!("column {column:?} does not hold one line of 1 to {TEXT_CHARS_MAX} characters"));
            }
        }
        let Some(label) = &self.label else { return };
        let texts = [
            ("label", Some(&label.value)),
            ("label source", Some(&label.source)),
            ("extractor", label.extractor.as_ref()),
        ];
        for (what, text) in texts {
            if text.is_some_and(|text| !is_line(text, TEXT_CHARS_MAX)) {
                add(format!("its {what} is not one line of 1 to {TEXT_CHARS_MAX} characters"));
            }
        }
        if let Some(at) = &label.labelled_at
            && !is_day(at)
            && at.parse::<Timestamp>().is_err()
        {
            add(format!(
                "the label's time {at:?} is neither a day such as 2026-05-03 nor a time such as 2026-05-03T14:00:00Z"
            ));
        }
        let contradiction = match (label.exposure, label.independence) {
            (Exposure::Unexposed, Some(class)) => class != Independence::Unexposed,
            (Exposure::Exposed, Some(class)) => class == Independence::Unexposed,
            _ => false,
        };
        if contradiction {
            let class = label.independence.map_or("", Independence::name);
            add(format!("exposure and independence class {class} contradict each other; correct one of them"));
        }
    }
}

fn is_day(text: &str) -> bool {
    text.len() == 10 && format!("{text}T00:00:00Z").parse::<Timestamp>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::super::*;
    use hilum_types::Timestamp;

    fn case(id: &str, patient: &str, pixels: &str, label: &str) -> ListedCase {
        ListedCase {
            id: id.into(),
            patient: (!patient.is_empty()).then(|| Digest::of(patient.as_bytes())),
            instances: vec![ListedInstance {
                object: Some(Digest::of(id.as_bytes())),
                pixels: Digest::of(pixels.as_bytes()),
            }],
            label: (!label.is_empty()).then(|| ReferenceLabel {
                value: label.into(),
                source: "pathology".into(),
                extractor: None,
                labelled_at: Some("2026-05-03".into()),
                exposure: Exposure::Unexposed,
                independence: None,
            }),
            columns: BTreeMap::from([("sex".to_owned(), "F".to_owned())]),
        }
    }

    fn list(cases: Vec<ListedCase>) -> CaseList {
        let (name, columns) = ("chest".to_owned(), vec!["sex".to_owned()]);
        CaseList { format: CASE_LIST_FORMAT, name, synthetic_data: false, columns, cases }
    }

    fn recorded(list: &CaseList) -> Record {
        let new = list.reference_record("user:anna");
        let digest = new.digest();
        let NewRecord { kind, subject, body, author } = new;
        let created_at = Timestamp::from_micros(0);
        Record { digest, kind, subject, body, author, created_at, signatures: vec![] }
    }

    #[test]
    fn a_list_is_its_content_and_comes_back_whole() {
        let chest = list(vec![case("a", "p", "x", "sick"), case("b", "p", "y", "well"), case("c", "", "z", "")]);
        assert_eq!((chest.problems(), chest.n_patients()), (vec![], 1));
        let record = recorded(&chest);
        assert_eq!(record.digest, recorded(&chest).digest);
        assert_eq!(CaseList::from_record(&record).unwrap(), chest);
        let mut changed = record.clone();
        changed.body["cases"][0]["label"]["value"] = "well".into();
        let refusal = CaseList::from_record(&changed).unwrap_err().to_string();
        assert!(refusal.contains("its content no longer has its digest"), "{refusal}");
        let pending = chest.pending_cases();
        assert_eq!((pending[0].patient.len(), pending[2].patient.as_str()), (64, "case c"));
        assert!(pending.iter().all(|case| case.outcome == Outcome::Pending));
    }

    #[test]
    fn everything_wrong_is_told_at_once() {
        let mut wrong =
            list(vec![case("a", "p", "x", "sick"), case("a", "q", "x", "well"), case("", "p", "v", "sick")]);
        wrong.name = "Chest Films".into();
        wrong.cases[2].label.as_mut().unwrap().labelled_at = Some("May".into());
        wrong.cases[2].label.as_mut().unwrap().independence = Some(Independence::PostAction);
        wrong.cases[2].instances.clear();
        insta::assert_snapshot!(wrong.problems().join("\n"), @r#"
        the name must be 1 to 64 lower-case letters, digits, '-', '_' or '.'
        case "a" is there twice; give every case an id of its own
        case id "" is not 1 to 128 printable characters
        case "": it has no image
        case "": the label's time "May" is neither a day such as 2026-05-03 nor a time such as 2026-05-03T14:00:00Z
        case "": exposure and independence class post_action contradict each other; correct one of them
        the same file is in cases "a" and "a"; keep it in one
        cases "a" and "a" are the same image with different labels; correct or remove one
        "#);
    }

    /// MV-25: a label that depends on a model's output never enters an accuracy figure, whatever the other column says.
    #[test]
    fn the_stricter_of_exposure_and_independence_counts() {
        use Exposure::{Exposed, Unexposed, Unknown};
        let mut label = case("a", "p", "x", "sick").label.unwrap();
        let mut told = |exposure, independence| {
            (label.exposure, label.independence) = (exposure, independence);
            label.effective_exposure()
        };
        assert_eq!(told(Unknown, None), Unknown);
        assert_eq!(told(Unknown, Some(Independence::Unexposed)), Unexposed);
        for class in [Independence::IndirectlyExposed, Independence::DirectlyExposed, Independence::PostAction] {
            assert_eq!(told(Unknown, Some(class)), Exposed);
        }
        assert_eq!(told(Exposed, None), Exposed);
    }

    #[test]
    fn what_a_reader_should_know_is_said() {
        let mut twins = list(vec![case("a", "p", "x", "sick"), case("b", "q", "x", "sick"), case("c", "", "z", "")]);
        twins.cases[0].label.as_mut().unwrap().exposure = Exposure::Exposed;
        twins.cases[1].label.as_mut().unwrap().exposure = Exposure::Unknown;
        assert_eq!(twins.problems(), [""; 0]);
        insta::assert_snapshot!(twins.warnings().join("\n"), @r"
        cases without a stated patient: 1; each counts as a patient of its own, and overlap with training sets is found by image only
        cases without a label: 1; they are not analysed
        labels that depend on the output of a model: 1; they are left out of every accuracy figure (MV-25)
        labels of which it is not recorded whether the labeller had seen the output of a model: 1; reports say so
        pairs of cases that are the same image: 1; a = b
        the same image under two patients (a = b): the grouping by patient is not to be relied on there
        ");
    }
}
