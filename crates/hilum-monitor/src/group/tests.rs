use super::*;
use hilum_types::Phi;

fn header(attributes: &[(&str, &[&str])]) -> InstanceHeader {
    let uid = |text: &str| text.parse::<hilum_types::Uid>().unwrap();
    let values = |values: &[&str]| Phi::new(values.iter().map(|value| (*value).to_owned()).collect::<Vec<String>>());
    InstanceHeader {
        sop_instance_uid: uid("1.2.3"),
        sop_class_uid: uid("1.2.840.10008.5.1.4.1.1.1"),
        transfer_syntax_uid: uid("1.2.840.10008.1.2.1"),
        study_instance_uid: uid("1.2"),
        series_instance_uid: uid("1.3"),
        attributes: attributes.iter().map(|(keyword, v)| ((*keyword).to_owned(), values(v))).collect(),
    }
}

#[test]
fn mv_23_another_software_version_is_another_group_and_another_case_is_not() {
    let group = |software: &[&str], maker: &str| {
        AcquisitionGroup::of(&header(&[
            (attribute::MANUFACTURER, &[maker]),
            (attribute::MANUFACTURER_MODEL_NAME, &["Ysio Max"]),
            (attribute::DEVICE_SERIAL_NUMBER, &["4711"]),
            (attribute::STATION_NAME, &["DX2"]),
            (attribute::SOFTWARE_VERSIONS, software),
        ]))
    };
    let first = group(&["VB10", "P3"], "Siemens  Healthineers ");
    assert_eq!(first.to_string(), "Siemens Healthineers Ysio Max, device 4711, software VB10, P3");
    assert_eq!(first.key(), group(&["vb10", "P3"], "SIEMENS HEALTHINEERS").key());
    assert_ne!(first.key(), group(&["VB20", "P3"], "Siemens Healthineers").key());
    assert_eq!(first.key().len(), 16);
    let nothing = AcquisitionGroup::of(&header(&[]));
    assert_eq!((nothing.to_string().as_str(), nothing.attributes().len()), ("not stated", 0));
    let again: AcquisitionGroup = serde_json::from_str(&serde_json::to_string(&first).unwrap()).unwrap();
    assert_eq!(again, first);
}

#[test]
fn a_value_that_moves_from_one_attribute_to_the_next_is_another_group() {
    let of = |keyword| AcquisitionGroup::of(&header(&[(keyword, &["A"])])).key();
    assert_ne!(of(attribute::MANUFACTURER), of(attribute::MANUFACTURER_MODEL_NAME));
}

#[test]
fn attributes_name_no_person() {
    let found = attributes(&header(&[
        (attribute::PATIENT_NAME, &["Doe^Jane"]),
        (attribute::PATIENT_ID, &["4"]),
        (attribute::PATIENT_AGE, &["047Y"]),
        (attribute::PATIENT_SEX, &["F"]),
        (attribute::DEVICE_SERIAL_NUMBER, &["4711"]),
        (attribute::VIEW_POSITION, &["PA"]),
    ]));
    let told: Vec<String> = found.iter().filter(|(k, _)| *k != "group").map(|(k, v)| format!("{k}={v}")).collect();
    assert_eq!(told, ["age_band=40-49", "device=4711", "sex=F", "station=4711", "view=PA"]);
    let band = |age: &str| attributes(&header(&[(attribute::PATIENT_AGE, &[age])])).get("age_band").cloned();
    let bands = ["000D", "011M", "099Y", "089Y", "Y", "abcY", "12", "é"].map(band);
    let expected = [Some("0-9"), Some("0-9"), Some("90+"), Some("80-89"), None, None, None, None];
    assert_eq!(bands, expected.map(|band| band.map(str::to_owned)));
}

/// The date and the time of the study decide, then those of the acquisition; what is none of either is not stated.
#[test]
fn the_part_of_the_week_and_of_the_day_are_attributes() {
    let parts = |attributes: &[(&str, &[&str])]| {
        let found = super::attributes(&header(attributes));
        let part = |name: &str| found.get(name).cloned().unwrap_or_default();
        format!("{} {}", part("weekpart"), part("daypart"))
    };
    let study = |date: &str, time: &str| parts(&[(attribute::STUDY_DATE, &[date]), (attribute::STUDY_TIME, &[time])]);
    assert_eq!(study("20261127", "065959.999"), "weekday night", "a Friday");
    assert_eq!(study("20261128", "07"), "weekend day");
    assert_eq!(study("2026.11.29", "185959"), "weekend day");
    assert_eq!(study("20261130", "19:00:00"), "weekday night");
    assert_eq!(study("20240229", "0000"), "weekday night", "a Thursday");
    assert_eq!(study("20000101", "2359"), "weekend night");
    for (date, time) in [("20260229", "24"), ("20261301", "7"), ("00000000", "ab"), ("2026112", ""), ("é0261127", "é")]
    {
        assert_eq!(study(date, time), " ", "{date} {time}");
    }
    let acquired = [(attribute::ACQUISITION_DATE, ["20261128"]), (attribute::ACQUISITION_TIME, ["030000"])];
    let [date, time] = acquired.each_ref().map(|(keyword, values)| (*keyword, values.as_slice()));
    let of = |values: &[(&str, &[&str])]| parts(values);
    assert_eq!(of(&[date, time]), "weekend night");
    let stated = (attribute::STUDY_DATE, ["20261127"].as_slice());
    assert_eq!(of(&[date, time, stated]), "weekday night");
}
