use hilum_export::{Asked, Format, Table};
use hilum_monitor::{Label, Observation, OutputFact};
use hilum_types::{Digest, Timestamp};
use parquet::file::reader::{FileReader, SerializedFileReader};
use serde_json::json;

pub(crate) fn at(seconds: i64) -> Timestamp {
    "2026-11-01T00:00:00Z".parse::<Timestamp>().unwrap().plus_seconds(seconds)
}

pub(crate) fn asked() -> Asked {
    Asked { deployment: "cxr".to_owned(), from: None, until: Some(at(86_400)), as_of: at(90_000) }
}

/// Every third study was not analysed, and every fifth gave no score; names are not ASCII.
pub(crate) fn observation(n: u32) -> Observation {
    let mut one = Observation::bare("cxr", Digest::of(b"v1"));
    one.study_key = format!("s{n:08}");
    one.revision = 1 + n % 2;
    (one.event_at, one.recorded_at) = (at(i64::from(n)), at(i64::from(n) + 60));
    one.attributes = [("station", "CT1"), ("software", "VB10, größer")].map(|(a, b)| (a.into(), b.into())).into();
    if n.is_multiple_of(3) {
        (one.disposition, one.reason_code) = ("withheld".into(), "envelope.outside".into());
        one.attributes.clear();
        one.outside_envelope = n.is_multiple_of(6).then(|| vec!["noise".to_owned(), "sharpness".to_owned()]);
        return one;
    }
    one.disposition = "analysed".into();
    one.features = [("noise", 0.1 + f64::from(n)), ("sharpness", -1e-300)].map(|(a, b)| (a.to_owned(), b)).into();
    let score = (!n.is_multiple_of(5)).then_some(0.25);
    let said = OutputFact { score, present: Some(n.is_multiple_of(2)) };
    one.outputs = [("nodule".to_owned(), said), ("pneumonia".to_owned(), OutputFact::default())].into();
    (one.seconds, one.visible, one.outside_envelope) = (Some(0.125), true, Some(vec![]));
    one
}

pub(crate) fn label(n: u32) -> Label {
    let place = n as usize % 3;
    let mut label = json!({
        "key": format!("l{n:08}"),
        "study_key": format!("s{n:08}"),
        "revision": 1,
        "deployment": "cxr",
        "finding": "nodule",
        "truth": (["present", "absent", "uncertain"][place]),
        "source": (["assessment", "report", "follow_up"][place]),
        "exposure": "unexposed",
        "event_at": at(i64::from(n)),
        "recorded_at": at(i64::from(n) + 3600),
        "by": "user:secretname",
    });
    if n.is_multiple_of(2) {
        label["agreement"] = json!("correct");
        label["independence"] = json!("indirectly_exposed");
    }
    if place == 1 {
        (label["extractor"], label["extractor_measured"]) = (json!("pneu@1"), json!(true));
    }
    if n.is_multiple_of(4) {
        label["inclusion_probability"] = json!(0.02);
    }
    serde_json::from_value(label).unwrap()
}

/// A year of a large hospital takes no more memory than a day: a group is written as soon as it is full.
#[test]
fn two_hundred_thousand_rows_are_written_in_groups_of_bounded_size() {
    let file = tempfile::tempfile().unwrap();
    let mut table = Table::new::<Observation>(file.try_clone().unwrap(), Format::Parquet, &asked()).unwrap();
    let (mut length_before, mut longest_silence, mut silence) = (0, 0, 0);
    for n in 0..200_000 {
        table.push(&observation(n)).unwrap();
        let length = file.metadata().unwrap().len();
        silence = if length == length_before { silence + 1 } else { 0 };
        (length_before, longest_silence) = (length, longest_silence.max(silence));
    }
    assert!(longest_silence < 10_000, "{longest_silence} rows were held back");
    assert_eq!(table.finish().unwrap(), 200_000);
    let reader = SerializedFileReader::new(file).unwrap();
    let groups = reader.metadata().row_groups();
    assert_eq!(groups.iter().map(|group| group.num_rows()).sum::<i64>(), 200_000);
    assert!(groups.iter().all(|group| group.num_rows() <= 10_000) && 20 <= groups.len(), "{} groups", groups.len());
}

/// Studies with very many features make short groups.
#[test]
fn wide_rows_make_short_groups() {
    let file = tempfile::tempfile().unwrap();
    let mut table = Table::new::<Observation>(file.try_clone().unwrap(), Format::Parquet, &asked()).unwrap();
    let mut wide = observation(1);
    wide.features = (0..100_000).map(|n| (format!("f{n}"), f64::from(n))).collect();
    for _ in 0..20 {
        table.push(&wide).unwrap();
    }
    table.finish().unwrap();
    let reader = SerializedFileReader::new(file).unwrap();
    assert!(reader.metadata().row_groups().iter().all(|group| group.num_rows() <= 5));
}

#[test]
fn a_table_says_what_it_was_asked_for_and_an_empty_one_can_be_read() {
    let file = tempfile::tempfile().unwrap();
    let table = Table::new::<Label>(file.try_clone().unwrap(), Format::Parquet, &asked()).unwrap();
    assert_eq!(table.finish().unwrap(), 0);
    let reader = SerializedFileReader::new(file).unwrap();
    let about = reader.metadata().file_metadata().key_value_metadata().unwrap().clone();
    let said: Vec<String> =
        about.iter().map(|one| format!("{}={}", one.key, one.value.as_deref().unwrap_or_default())).collect();
    assert_eq!(
        said,
        [
            "hilum.format=1",
            "hilum.deployment=cxr",
            "hilum.as_of=2026-11-02T01:00:00.000000Z",
            "hilum.until=2026-11-02T00:00:00.000000Z"
        ]
    );
}

#[test]
fn csv_has_the_same_columns_and_no_formula() {
    let mut one = observation(1);
    one.deployment = "=1+1".to_owned();
    let mut out = Vec::new();
    let mut table = Table::new::<Observation>(&mut out, Format::Csv, &asked()).unwrap();
    table.push(&one).unwrap();
    table.push(&observation(0)).unwrap();
    table.finish().unwrap();
    let package = Digest::of(b"v1");
    assert_eq!(
        String::from_utf8(out).unwrap(),
        format!(
            "study_key,revision,deployment,package,event_at,recorded_at,disposition,reason_code,visible,seconds,attributes,\
             features,outputs,outside_envelope\n\
             s00000001,2,'=1+1,{package},2026-11-01T00:00:01.000000Z,2026-11-01T00:01:01.000000Z,analysed,,true,0.125,\
             \"{{\"\"software\"\":\"\"VB10, größer\"\",\"\"station\"\":\"\"CT1\"\"}}\",\
             \"{{\"\"noise\"\":1.1,\"\"sharpness\"\":-1e-300}}\",\
             \"{{\"\"nodule\"\":{{\"\"present\"\":false,\"\"score\"\":0.25}},\"\"pneumonia\"\":{{\"\"present\"\":null,\"\"score\"\":null}}}}\",[]\n\
             s00000000,1,cxr,{package},2026-11-01T00:00:00.000000Z,2026-11-01T00:01:00.000000Z,withheld,envelope.outside,false,,{{}},{{}},{{}},\
             \"[\"\"noise\"\",\"\"sharpness\"\"]\"\n"
        )
    );
}

#[test]
fn rows_of_another_table_are_refused() {
    for format in [Format::Parquet, Format::Csv] {
        let mut table = Table::new::<Label>(Vec::new(), format, &asked()).unwrap();
        let refused = table.push(&observation(1)).is_err() || table.finish().is_err();
        assert!(refused, "{format:?}");
    }
}
