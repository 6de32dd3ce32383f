//! Invented people and the order under which they are examined.

use crate::draw::Draw;
use hilum_types::Timestamp;

/// Patient's Sex (0010,0040).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Sex {
    /// Female.
    Female,
    /// Male.
    Male,
    /// Other.
    Other,
}

impl Sex {
    /// The code string of (0010,0040).
    pub fn code(self) -> &'static str {
        match self {
            Sex::Female => "F",
            Sex::Male => "M",
            Sex::Other => "O",
        }
    }
}

/// Who is examined, why and when. Nobody of these exists: names are made of syllables.
#[derive(Debug, Clone, PartialEq)]
pub struct Subject {
    /// Patient ID (0010,0020).
    pub patient_id: String,
    /// Issuer of Patient ID (0010,0021).
    pub issuer: String,
    /// Patient's Name (0010,0010), any Unicode; the objects are written in UTF-8.
    pub name: String,
    /// Patient's Sex.
    pub sex: Sex,
    /// Age in years at the study.
    pub age_years: u16,
    /// Accession Number (0008,0050), at most 16 characters.
    pub accession: String,
    /// Study ID (0020,0010), at most 16 characters.
    pub study_id: String,
    /// Referring Physician's Name (0008,0090).
    pub referring: String,
    /// When the study takes place.
    pub at: Timestamp,
}

const SURNAME: [&str; 24] = [
    "Vel", "Tar", "Mor", "Ost", "Brin", "Kal", "Dur", "Lem", "Sor", "Hav", "Nor", "Pel", "Ruv", "Ald", "Fen", "Gor",
    "Ilm", "Jor", "Wes", "Zan", "Quil", "Eld", "Cas", "Und",
];
const SURNAME_END: [&str; 12] =
    ["mark", "vik", "ander", "holt", "essa", "ington", "ova", "ridge", "stad", "uren", "well", "yan"];
const GIVEN: [&str; 12] = ["Ar", "Bel", "Cor", "Dal", "El", "Fi", "Il", "Jor", "Ka", "Li", "Mer", "Ti"];
const GIVEN_FEMALE: [&str; 6] = ["ina", "issa", "ara", "enne", "ola", "ia"];
const GIVEN_MALE: [&str; 6] = ["an", "ek", "or", "imir", "us", "in"];

impl Subject {
    /// The invented person of `seed`, examined at `at`; adults from 20 to 94 years, half of them women.
    pub fn seeded(seed: u64, at: Timestamp) -> Subject {
        let mut draw = Draw::new(seed, "subject");
        let sex = if draw.chance(0.5) { Sex::Female } else { Sex::Male };
        let ends = if sex == Sex::Female { GIVEN_FEMALE } else { GIVEN_MALE };
        let family = format!("{}{}", SURNAME[draw.index(24)], SURNAME_END[draw.index(12)]);
        let given = format!("{}{}", GIVEN[draw.index(12)], ends[draw.index(6)]);
        let age = 20.0 + 75.0 * (0.5 * draw.unit() + 0.5 * draw.unit());
        let number = draw.bits() % 100_000_000;
        Subject {
            patient_id: format!("PH{number:08}"),
            issuer: "HILUM-PHANTOM".into(),
            name: format!("{family}^{given}"),
            sex,
            age_years: age as u16,
            accession: format!("A{:012}", draw.bits() % 1_000_000_000_000),
            study_id: format!("S{:06}", draw.bits() % 1_000_000),
            referring: format!("{}{}^Dr", SURNAME[draw.index(24)], SURNAME_END[draw.index(12)]),
            at,
        }
    }

    /// Study Date and Study Time in UTC.
    pub(crate) fn study_date_time(&self) -> (String, String) {
        self.at.dicom_date_time()
    }

    /// Patient's Birth Date (0010,0030): the study's day, `age_years` earlier (28 February for a leap day).
    pub(crate) fn birth_date(&self) -> String {
        let (date, _) = self.study_date_time();
        let year = date[..4].parse::<i32>().unwrap_or(2000) - i32::from(self.age_years);
        let day = if &date[4..] == "0229" { "0228" } else { &date[4..] };
        format!("{year:04}{day}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_are_the_same_for_a_seed_and_the_age_fits_the_birth_date() {
        let at: Timestamp = "2026-11-23T09:00:00Z".parse().unwrap();
        let subject = Subject::seeded(5, at);
        assert_eq!(subject, Subject::seeded(5, at));
        assert_ne!(subject.patient_id, Subject::seeded(6, at).patient_id);
        let year: u16 = subject.birth_date()[..4].parse().unwrap();
        assert_eq!(2026 - year, subject.age_years);
        assert!(subject.accession.len() <= 16 && subject.study_id.len() <= 16);
    }
}
