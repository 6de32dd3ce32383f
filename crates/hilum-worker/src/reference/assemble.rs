//! Table rows and files, put together to cases.

use super::objects::{Looked, Object, look_at_all};
use super::table::{Row, Table};
use super::{LabelOrigin, ReadFile, ReadSet, ReferenceError, SetSource, TableColumns};
use crate::SiteKey;
use hilum_validate::case_list::CASE_LIST_FORMAT;
use hilum_validate::{CaseList, Exposure, Independence, ListedCase, ListedInstance, ReferenceLabel};
use std::collections::{BTreeMap, HashMap};
use std::path::{Component, Path, PathBuf};

/// What the list is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    Reference,
    Training,
}

/// Places of the columns in the table.
struct Places {
    file: Option<usize>,
    label: Option<usize>,
    patient: Option<usize>,
    case: Option<usize>,
    groups: Vec<(String, Option<usize>)>,
    labelled_at: Option<usize>,
    label_source: Option<usize>,
    exposure: Option<usize>,
    independence: Option<usize>,
}

impl Places {
    fn of(columns: &TableColumns, purpose: Purpose, table: &Table, problems: &mut Vec<String>) -> Places {
        let file = table.required(&columns.file, "the file (--file-column names another)", problems);
        let label = match purpose {
            Purpose::Reference => table.required(&columns.label, "the label (--label-column names another)", problems),
            Purpose::Training => None,
        };
        let mut stated =
            |name: &Option<String>, what: &str| name.as_ref().and_then(|name| table.required(name, what, problems));
        let patient = match &columns.patient {
            None => table.column("patient_id"),
            stated_name => stated(stated_name, "the patient"),
        };
        let case = stated(&columns.case, "the case id");
        let labelled_at = stated(&columns.labelled_at, "the label's time");
        let label_source = stated(&columns.label_source, "the label's source");
        let exposure = stated(&columns.exposure, "the exposure");
        let independence = stated(&columns.independence, "the independence class");
        let group = |name: &String| (name.clone(), table.required(name, "a group", problems));
        let groups = columns.groups.iter().map(group).collect();
        Places { file, label, patient, case, groups, labelled_at, label_source, exposure, independence }
    }
}

/// A file with what its row says; a training set without a table has no row.
struct Entry<'a> {
    path: &'a Path,
    object: &'a Object,
    row: Option<&'a Row>,
}

pub(super) fn read(
    source: &SetSource<'_>,
    key: &SiteKey,
    purpose: Purpose,
    read: &(dyn Fn() + Sync),
) -> Result<ReadSet, ReferenceError> {
    let mut problems = Vec::new();
    let looked = look_at_all(source.files, read)?;
    let table = source.table.map(|path| Table::read(path, &mut problems)).transpose()?;
    let places = table.as_ref().map(|table| Places::of(&source.columns, purpose, table, &mut problems));
    let entries = match (&table, &places) {
        (Some(table), Some(places)) => match_rows(source, table, places, &looked, &mut problems)?,
        _ => every_object(source.files, &looked, &mut problems),
    };
    let synthetic = entries.iter().filter(|entry| entry.object.synthetic && !source.synthetic_data);
    problems.extend(synthetic.map(|entry| {
        let path = entry.path.display();
        format!("{path}: it is marked Synthetic Data = YES; leave it out, or say --synthetic-data if that is meant")
    }));
    duplicates(&entries, &mut problems);
    let mut assembly = Assembly { source, key, purpose, places: places.as_ref(), problems, n_other_patient: 0 };
    let (cases, files) = assembly.cases(&entries);
    let Assembly { mut problems, n_other_patient, .. } = assembly;
    let list = CaseList {
        format: CASE_LIST_FORMAT,
        name: source.name.clone(),
        synthetic_data: source.synthetic_data,
        columns: source.columns.groups.clone(),
        cases,
    };
    problems.extend(list.problems());
    if !problems.is_empty() {
        return Err(ReferenceError::Problems(problems));
    }
    let mut warnings = if purpose == Purpose::Reference { list.warnings() } else { Vec::new() };
    if 0 < n_other_patient {
        warnings.push(format!(
            "objects whose Patient ID is not the patient of the table: {n_other_patient}; the table's was taken, so check \
             that the rows belong to their files"
        ));
    }
    Ok(ReadSet { list, files, warnings })
}

fn every_object<'a>(files: &'a [PathBuf], looked: &'a [Looked], problems: &mut Vec<String>) -> Vec<Entry<'a>> {
    let mut entries = Vec::new();
    for (path, looked) in files.iter().zip(looked) {
        match looked {
            Looked::NotDicom => {}
            Looked::Broken(why) => problems.push(format!("{}: {why}", path.display())),
            Looked::Object(object) => entries.push(Entry { path, object, row: None }),
        }
    }
    entries
}

/// Every row with its file. Files that no row names, not even one that was left out, are a problem of their own.
fn match_rows<'a>(
    source: &SetSource<'a>,
    table: &'a Table,
    places: &Places,
    looked: &'a [Looked],
    problems: &mut Vec<String>,
) -> Result<Vec<Entry<'a>>, ReferenceError> {
    let only: Vec<(Option<usize>, &str)> = source
        .only
        .iter()
        .map(|(column, value)| (table.required(column, "--where", problems), value.as_str()))
        .collect();
    let canonical = |path: &Path| {
        let failed = |source| ReferenceError::File { what: "look at", path: path.to_owned(), source };
        path.canonicalize().map_err(failed)
    };
    let root = canonical(source.folder)?;
    let beside = source.table.and_then(Path::parent).filter(|parent| !parent.as_os_str().is_empty());
    let beside = canonical(beside.unwrap_or(Path::new(".")))?;
    let index: HashMap<PathBuf, usize> = source
        .files
        .iter()
        .enumerate()
        .map(|(index, path)| (root.join(path.strip_prefix(source.folder).unwrap_or(path)), index))
        .collect();
    let mut named: HashMap<usize, u64> = HashMap::new();
    let mut entries = Vec::new();
    for row in &table.rows {
        let wanted = only.iter().all(|(column, value)| row.cell(*column).unwrap_or_default() == *value);
        let line = row.line;
        let Some(text) = row.cell(places.file) else {
            if wanted && places.file.is_some() {
                problems.push(format!("line {line}: it names no file"));
            }
            continue;
        };
        let relative = Path::new(text);
        let plain = |part: Component<'_>| matches!(part, Component::Normal(_) | Component::CurDir);
        let inside = relative.components().all(plain);
        let found =
            inside.then(|| [&root, &beside].iter().find_map(|folder| index.get(&folder.join(relative)))).flatten();
        match (found, wanted) {
            (None, false) => {}
            (Some(index), false) => {
                named.entry(*index).or_insert(line);
            }
            (None, true) if !inside => problems.push(format!("line {line}: {text:?} leads out of the folder")),
            (None, true) => problems.push(format!("line {line}: there is no file {text:?}")),
            (Some(index), true) => {
                if let Some(earlier) = named.insert(*index, line) {
                    problems.push(format!("line {line}: {text:?} is named by line {earlier} as well; remove one"));
                    continue;
                }
                let path = &source.files[*index];
                match &looked[*index] {
                    Looked::NotDicom => problems.push(format!("line {line}: {text:?} is not a DICOM file")),
                    Looked::Broken(why) => problems.push(format!("line {line}: {text:?}: {why}")),
                    Looked::Object(object) => entries.push(Entry { path, object, row: Some(row) }),
                }
            }
        }
    }
    if !source.ignore_unlisted {
        let listed = |index: &usize| named.contains_key(index) || matches!(looked[*index], Looked::NotDicom);
        for index in (0..looked.len()).filter(|index| !listed(index)) {
            problems.push(format!(
                "{}: the table does not name it; add a row, or say --ignore-unlisted",
                source.files[index].display()
            ));
        }
    }
    Ok(entries)
}

/// Two files with one SOP Instance UID are two versions of an image, and nobody can say which is meant.
fn duplicates(entries: &[Entry<'_>], problems: &mut Vec<String>) {
    let mut seen: HashMap<&hilum_types::Uid, &Path> = HashMap::new();
    for entry in entries {
        if let Some(earlier) = seen.insert(&entry.object.sop_instance_uid, entry.path) {
            problems.push(format!(
                "{} and {} have the same SOP Instance UID; keep one",
                earlier.display(),
                entry.path.display()
            ));
        }
    }
}

struct Assembly<'a> {
    source: &'a SetSource<'a>,
    key: &'a SiteKey,
    purpose: Purpose,
    places: Option<&'a Places>,
    problems: Vec<String>,
    n_other_patient: usize,
}

impl Assembly<'_> {
    fn cases(&mut self, entries: &[Entry<'_>]) -> (Vec<ListedCase>, Vec<ReadFile>) {
        let mut cases: BTreeMap<String, (ListedCase, &hilum_types::Uid)> = BTreeMap::new();
        let mut files = Vec::new();
        for entry in entries {
            let place = entry.row.map_or_else(|| entry.path.display().to_string(), |row| format!("line {}", row.line));
            let case = self.case_of(entry, &place);
            let object = entry.object;
            files.push(ReadFile {
                path: entry.path.to_owned(),
                case: case.id.clone(),
                object: object.object,
                size: object.size,
            });
            match cases.get_mut(&case.id) {
                None => {
                    cases.insert(case.id.clone(), (case, &object.study_instance_uid));
                }
                Some((held, study)) => {
                    let same = |held: &ListedCase| {
                        (held.patient, &held.label, &held.columns) == (case.patient, &case.label, &case.columns)
                    };
                    if !same(held) {
                        let id = &case.id;
                        self.problems.push(format!("{place}: case {id:?} has another patient, label or group above"));
                    } else if *study != &object.study_instance_uid {
                        self.problems.push(format!("{place}: case {:?} has images of another study above", case.id));
                    } else {
                        held.instances.extend(case.instances);
                    }
                }
            }
        }
        let sorted = |(mut case, _): (ListedCase, _)| {
            case.instances.sort_by_key(|instance| (instance.object, instance.pixels));
            case
        };
        (cases.into_values().map(sorted).collect(), files)
    }

    fn case_of(&mut self, entry: &Entry<'_>, place: &str) -> ListedCase {
        let cell = |column: fn(&Places) -> Option<usize>| entry.row?.cell(column(self.places?)).map(str::to_owned);
        let of_object = entry.object.patient.as_ref().map(|id| id.reveal().trim().to_owned());
        let of_table = cell(|places| places.patient);
        if of_table.is_some() && of_object.is_some() && of_table != of_object {
            self.n_other_patient += 1;
        }
        let patient = of_table.or(of_object).and_then(|id| self.key.patient(&id));
        let object = entry.object.object;
        let id = cell(|places| places.case).unwrap_or_else(|| object.to_string()[..16].to_owned());
        let groups = self.places.map(|places| places.groups.as_slice()).unwrap_or_default();
        let group = |(name, place): &(String, Option<usize>)| Some((name.clone(), entry.row?.cell(*place)?.to_owned()));
        let columns = groups.iter().filter_map(group).collect();
        let kept = (self.purpose == Purpose::Reference).then_some(object);
        let label = match (self.purpose, entry.row, self.places) {
            (Purpose::Reference, Some(row), Some(places)) => {
                label_of(&self.source.origin, row, places, place, &mut self.problems)
            }
            _ => None,
        };
        let instances = vec![ListedInstance { object: kept, pixels: entry.object.pixels }];
        ListedCase { id, patient, instances, label, columns }
    }
}

fn label_of(
    origin: &LabelOrigin,
    row: &Row,
    places: &Places,
    place: &str,
    problems: &mut Vec<String>,
) -> Option<ReferenceLabel> {
    let value = row.cell(places.label)?.to_owned();
    let exposure = match row.cell(places.exposure) {
        None => origin.exposure,
        Some("unexposed") => Exposure::Unexposed,
        Some("exposed") => Exposure::Exposed,
        Some("unknown") => Exposure::Unknown,
        Some(other) => {
            problems.push(format!("{place}: exposure {other:?} is none of unexposed, exposed, unknown"));
            origin.exposure
        }
    };
    let independence = match row.cell(places.independence) {
        None => origin.independence,
        Some(text) => {
            let found = Independence::ALL.into_iter().find(|class| class.name() == text);
            if found.is_none() {
                let names = Independence::ALL.map(Independence::name).join(", ");
                problems.push(format!("{place}: independence class {text:?} is none of {names}"));
            }
            found
        }
    };
    let source = row.cell(places.label_source).or(origin.source.as_deref()).unwrap_or("not stated").to_owned();
    let labelled_at = row.cell(places.labelled_at).or(origin.labelled_at.as_deref()).map(str::to_owned);
    Some(ReferenceLabel { value, source, extractor: origin.extractor.clone(), labelled_at, exposure, independence })
}
