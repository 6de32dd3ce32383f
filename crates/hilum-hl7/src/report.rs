//! Reports of an ORU^R01: one for every OBR with what follows it (HL7 v2.5.1 section 7.3.1).

use crate::{Hl7Error, Message, Segment};
use hilum_monitor::report::ReportStatus;
use hilum_store::labels::{NewReport, ReportSource};
use hilum_types::{Digest, Phi, Timestamp, Uid};
use std::sync::Arc;

/// A report with its text.
#[derive(Debug, Clone, PartialEq)]
pub struct ReportText {
    /// What is entered once the text is durable.
    pub report: NewReport,
    /// The text.
    pub text: Phi<String>,
}

/// Where the accession number stands: IPC-1 (IHE), OBR-18 (IHE RAD TF-2 4.1), OBR-3.
const ACCESSION_OF_OBR: [usize; 2] = [18, 3];

/// OBR segments of one message.
const REQUESTS_MAX: usize = 500;
/// Identifiers of one patient.
const PATIENT_IDS_MAX: usize = 50;
/// Characters of a patient identifier, and of what names the message and its sender.
const NAME_CHARS_MAX: usize = 250;
/// Lines of text in one message.
const LINES_MAX: usize = 20_000;
/// Coded results of one report.
const CODES_MAX: usize = 500;

#[derive(Default)]
struct Group<'a> {
    obr: Option<Segment<'a>>,
    patients: Arc<[String]>,
    accession: String,
    study: Option<Uid>,
    lines: Vec<String>,
    codes: Vec<String>,
    statuses: Vec<String>,
}

/// The reports of a message; none when it only tells how an order stands.
///
/// # Errors
/// [`Hl7Error::MessageType`], [`Hl7Error::NoControlId`], [`Hl7Error::NoReport`], [`Hl7Error::NoStatus`],
/// [`Hl7Error::TooLarge`].
pub fn reports(message: &Message, peer: &str, bytes: &[u8], now: Timestamp) -> Result<Vec<ReportText>, Hl7Error> {
    let header = message.header();
    if (header.component(9, 1).as_str(), header.component(9, 2).as_str()) != ("ORU", "R01") {
        return Err(Hl7Error::MessageType);
    }
    let (sender, control) = (header.component(3, 1), header.component(10, 1));
    if control.is_empty() {
        return Err(Hl7Error::NoControlId);
    }
    // Every report repeats them.
    bounded(sender.len().max(control.len()), NAME_CHARS_MAX, "250 bytes in MSH-3 or MSH-10")?;
    let groups = groups(message)?;
    if groups.is_empty() {
        return Err(Hl7Error::NoReport);
    }
    let content = Digest::of(bytes);
    let mut all = Vec::new();
    for (number, group) in groups.iter().enumerate() {
        let Some(status) = status(group)? else { continue };
        let report = NewReport {
            origin: Phi::new(format!("hl7|{peer}|{sender}|{control}|{number}")),
            content,
            series: Phi::new(series(group, peer)),
            accession_number: Phi::new(accession(group)),
            patient_ids: Phi::new(group.patients.to_vec()),
            study_instance_uid: group.study.clone(),
            status,
            codes: group.codes.clone(),
            blob: Digest::of(&[]),
            size: 0,
            peer: peer.to_owned(),
            source: ReportSource::Hl7,
            reported_at: reported_at(group, now),
        };
        all.push(ReportText { report, text: Phi::new(group.lines.join("\n")) });
    }
    Ok(all)
}

fn bounded(n: usize, n_max: usize, what: &'static str) -> Result<(), Hl7Error> {
    if n_max < n { Err(Hl7Error::TooLarge(what)) } else { Ok(()) }
}

/// OBR by OBR what belongs to it. A PID begins the next PATIENT_RESULT: what follows is about that patient only.
fn groups(message: &Message) -> Result<Vec<Group<'_>>, Hl7Error> {
    let (mut patients, mut groups, mut n_lines) = (Arc::<[String]>::default(), Vec::<Group<'_>>::new(), 0);
    for segment in message.segments() {
        match (segment.name(), groups.last_mut()) {
            ("PID", _) => patients = patient_ids(segment)?,
            ("OBR", _) => {
                bounded(groups.len() + 1, REQUESTS_MAX, "500 OBR segments")?;
                groups.push(Group { obr: Some(segment), patients: patients.clone(), ..Group::default() });
            }
            ("IPC", Some(group)) => {
                group.accession = segment.component(1, 1);
                group.study = segment.component(3, 1).parse().ok();
            }
            ("OBX", Some(group)) => {
                let n_before = group.lines.len();
                observation(segment, group, LINES_MAX - n_lines)?;
                n_lines += group.lines.len() - n_before;
            }
            _ => {}
        }
    }
    // An OBR without observations beside one that has some is only the order of it.
    if groups.iter().any(|group| !group.statuses.is_empty()) {
        groups.retain(|group| !group.statuses.is_empty());
    }
    Ok(groups)
}

/// PID-3. Every report of the patient repeats them, so that they are few and short.
fn patient_ids(segment: Segment<'_>) -> Result<Arc<[String]>, Hl7Error> {
    let mut ids = Vec::new();
    for id in segment.repetitions(3).map(|id| segment.part(id, 1)).filter(|id| !id.is_empty()) {
        bounded(id.len(), NAME_CHARS_MAX, "250 bytes in an identifier of PID-3")?;
        bounded(ids.len() + 1, PATIENT_IDS_MAX, "50 identifiers in PID-3")?;
        ids.push(id);
    }
    Ok(ids.into())
}

fn observation(segment: Segment<'_>, group: &mut Group<'_>, lines_left: usize) -> Result<(), Hl7Error> {
    group.statuses.push(segment.component(11, 1));
    let value_type = segment.component(2, 1);
    let lines_max = group.lines.len() + lines_left;
    for value in segment.repetitions(5) {
        match value_type.as_str() {
            "CE" | "CWE" | "CNE" | "CF" => {
                let (code, scheme) = (segment.part(value, 1), segment.part(value, 3));
                if !code.is_empty() {
                    bounded(group.codes.len() + 1, CODES_MAX, "500 coded results in one report")?;
                    group.codes.push(if scheme.is_empty() { code } else { format!("{scheme}|{code}") });
                }
                group.lines.push(segment.part(value, 2));
            }
            "TX" | "FT" | "ST" | "" => group.lines.push(segment.unescaped(value)),
            // A document inside, a reference, a number: nothing that is read.
            _ => return Ok(()),
        }
        bounded(group.lines.len(), lines_max, "20000 lines of text")?;
    }
    Ok(())
}

/// OBR-25 (table 0123); where that says nothing, OBX-11 (table 0085). `None`: no report yet.
fn status(group: &Group<'_>) -> Result<Option<ReportStatus>, Hl7Error> {
    let stated = group.obr.map(|obr| obr.component(25, 1)).unwrap_or_default();
    match stated.as_str() {
        "O" | "I" | "S" | "Y" | "Z" => return Ok(None),
        // "Some, but not all, results available": in OBX-11 the same letter says amended.
        "A" => return Ok(Some(ReportStatus::Preliminary)),
        "" => {}
        other => return ReportStatus::from_hl7(other).map(Some).ok_or(Hl7Error::NoStatus),
    }
    let of_lines: Option<Vec<ReportStatus>> =
        group.statuses.iter().map(|status| ReportStatus::from_hl7(status)).collect();
    let of_lines = of_lines.filter(|all| !all.is_empty()).ok_or(Hl7Error::NoStatus)?;
    let has = |status| of_lines.contains(&status);
    Ok(Some(if has(ReportStatus::Preliminary) {
        ReportStatus::Preliminary
    } else if of_lines.iter().all(|status| *status == ReportStatus::Cancelled) {
        ReportStatus::Cancelled
    } else if has(ReportStatus::Corrected) || has(ReportStatus::Cancelled) {
        ReportStatus::Corrected
    } else {
        ReportStatus::Final
    }))
}

fn accession(group: &Group<'_>) -> String {
    let of_obr = |field| group.obr.map(|obr| obr.component(field, 1)).unwrap_or_default();
    let mut places = std::iter::once(group.accession.clone()).chain(ACCESSION_OF_OBR.map(of_obr));
    places.find(|number| !number.is_empty()).unwrap_or_default()
}

/// Versions of one report share the filler order number (OBR-3); where there is none, the accession number.
fn series(group: &Group<'_>, peer: &str) -> String {
    let filler = group.obr.map(|obr| obr.component(3, 1)).unwrap_or_default();
    let name = if filler.is_empty() { accession(group) } else { filler };
    format!("hl7|{peer}|{name}")
}

/// OBR-22, when it states its offset from UTC and is not in the future. A local time without one could make a report
/// look older than the result that its author had seen; then the time of receipt counts.
fn reported_at(group: &Group<'_>, now: Timestamp) -> Timestamp {
    let stated = group.obr.map(|obr| obr.component(22, 1)).unwrap_or_default();
    time(&stated).filter(|at| *at <= now).unwrap_or(now)
}

/// `YYYYMMDDHHMM[SS[.S...]]+ZZZZ` (section 2.A.22).
fn time(text: &str) -> Option<Timestamp> {
    let place = text.find(['+', '-'])?;
    let (stamp, offset) = text.split_at(place);
    let digits = stamp.split('.').next().unwrap_or_default();
    let (seconds, all) = (digits.get(12..14).unwrap_or("00"), stamp.is_ascii() && offset.len() == 5);
    if !all || digits.len() < 12 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let part = |range: std::ops::Range<usize>| digits.get(range).unwrap_or_default();
    let offset = format!("{}:{}", offset.get(..3)?, offset.get(3..)?);
    let text =
        format!("{}-{}-{}T{}:{}:{seconds}{offset}", part(0..4), part(4..6), part(6..8), part(8..10), part(10..12));
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_795_425_161_000_000;

    fn read(body: &str) -> String {
        let text = format!("MSH|^~\\&|RIS|H|||2026||ORU^R01|1|P|2.5\rPID|1||P1^^^H\r{body}");
        let message = Message::parse(text.as_bytes()).unwrap();
        match reports(&message, "ris", text.as_bytes(), Timestamp::from_micros(NOW)) {
            Err(error) => error.to_string(),
            Ok(all) => all
                .iter()
                .map(|one| {
                    let report = &one.report;
                    let (series, accession) = (report.series.reveal(), report.accession_number.reveal());
                    let (at, text) = (report.reported_at, one.text.reveal());
                    format!("{} {accession} [{series}] {:?} {at} {text:?}\n", report.status.name(), report.codes)
                })
                .collect(),
        }
    }

    #[test]
    fn reports_are_read_obr_by_obr() {
        insta::assert_snapshot!(read("OBR|1|PL|FI|||||||||||||||A1||||20261123101500+0200|||F\rOBX|1|TX|||No pneumonia.||||||F\rOBX|2|FT|||Heart\\.br\\normal.||||||F"), @r#"final A1 [hl7|ris|FI] [] 2026-11-23T08:15:00.000000Z "No pneumonia.\nHeart\nnormal.""#);
        insta::assert_snapshot!(read("OBR|1||FI1\rOBR|2||FI2|||||||||||||||||||20261123101500\rOBX|1|CWE|||233604007^Pneumonia^SCT||||||C"), @r#"corrected FI2 [hl7|ris|FI2] ["SCT|233604007"] 2026-11-23T09:12:41.000000Z "Pneumonia""#);
        insta::assert_snapshot!(read("OBR|1||FI\rOBX|1|TX|||a||||||P\rOBX|2|TX|||b||||||F"), @r#"preliminary FI [hl7|ris|FI] [] 2026-11-23T09:12:41.000000Z "a\nb""#);
        assert_eq!(read("OBR|1||FI||||||||||||||||||||||S"), "");
        assert!(read("OBX|1|TX|||a").contains("no OBR"));
        assert!(read("OBR|1||FI\rOBX|1|TX|||a").contains("OBR-25 and OBX-11"));
        let in_future = read("OBR|1||FI|||||||||||||||||||20991123101500+0000|||F\rOBX|1|TX|||a||||||F");
        assert!(in_future.contains("2026-11-23T09:12:41.000000Z"), "{in_future}");
    }

    fn message(body: &str) -> Result<Vec<ReportText>, Hl7Error> {
        let text = format!("MSH|^~\\&|RIS|H|||2026||ORU^R01|1|P|2.5\r{body}");
        let message = Message::parse(text.as_bytes()).unwrap();
        reports(&message, "ris", text.as_bytes(), Timestamp::from_micros(NOW))
    }

    #[test]
    fn a_patient_ends_where_the_next_begins() {
        let one = |patient: &str| format!("PID|1||{patient}\rOBR|1||F{patient}||||||||||||||||||||||F\rOBX|1|TX|||x\r");
        let read = message(&(one("P1~P2") + &one("P3"))).unwrap();
        let ids: Vec<_> = read.iter().map(|one| one.report.patient_ids.reveal().clone()).collect();
        assert_eq!(ids, [vec!["P1".to_owned(), "P2".to_owned()], vec!["P3".to_owned()]]);
    }

    /// What a message may make this side hold is bounded by counts, whatever it repeats.
    #[test]
    fn what_is_repeated_is_counted() {
        let requests = |n: usize| "OBR|1||F||||||||||||||||||||||F\r".repeat(n);
        let patients = |n: usize| format!("PID|1||{}\r", vec!["P"; n].join("~"));
        let lines = |n: usize| format!("OBX|1|TX|||{}\r", vec!["x"; n].join("~"));
        let codes = |n: usize| format!("OBX|1|CWE|||{}\r", vec!["1^a^S"; n].join("~"));
        assert_eq!(message(&(patients(50) + &requests(500))).unwrap().len(), 500);
        let most = message(&(requests(1) + &lines(20_000))).unwrap();
        assert_eq!(most[0].text.reveal().lines().count(), 20_000);
        for (body, what) in [
            (patients(51) + &requests(1), "50 identifiers"),
            (format!("PID|1||{}\r", "P".repeat(251)) + &requests(1), "250 bytes in an identifier"),
            (requests(501), "500 OBR"),
            (requests(1) + &lines(20_001), "20000 lines"),
            (requests(1) + &lines(15_000) + &requests(1) + &lines(15_000), "20000 lines"),
            (requests(1) + &codes(501), "500 coded results"),
        ] {
            let error = message(&body).unwrap_err();
            assert!(matches!(error, Hl7Error::TooLarge(_)) && error.to_string().contains(what), "{error}");
        }
        let named = "MSH|^~\\&|RIS|H|||2026||ORU^R01|".to_owned() + &"1".repeat(251) + "\r" + &requests(1);
        let read = Message::parse(named.as_bytes()).unwrap();
        let error = reports(&read, "ris", named.as_bytes(), Timestamp::from_micros(NOW)).unwrap_err();
        assert!(error.to_string().contains("MSH-10"), "{error}");
    }
}
