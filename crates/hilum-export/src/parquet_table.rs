use crate::Asked;
use crate::cell::Cell;
use crate::error::ExportError;
use hilum_types::Timestamp;
use parquet::basic::Compression;
use parquet::column::writer::ColumnWriter;
use parquet::data_type::ByteArray;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use std::io::Write;
use std::sync::Arc;

/// Rows of one group at most.
const ROWS_MAX: usize = 10_000;
/// Values of all columns of one group at most, so that studies with many features do not make a group large.
const VALUES_MAX: usize = 1_000_000;
/// Format of the tables, kept in the file; a column that is added does not change it.
const FORMAT: &str = "1";

/// A Parquet table that is being written: rows are gathered by column, and leave as a row group.
pub(crate) struct ParquetTable<W: Write + Send> {
    writer: SerializedFileWriter<W>,
    leaves: Vec<Leaf>,
    n_gathered: usize,
    n_rows: u64,
}

impl<W: Write + Send> ParquetTable<W> {
    pub(crate) fn new(out: W, schema: &str, asked: &Asked) -> Result<ParquetTable<W>, ExportError> {
        let schema = Arc::new(parse_message_type(schema)?);
        let said = |key: &str, value: String| KeyValue::new(format!("hilum.{key}"), value);
        let mut about = vec![
            said("format", FORMAT.to_owned()),
            said("deployment", asked.deployment.clone()),
            said("as_of", asked.as_of.to_string()),
        ];
        about.extend(asked.from.map(|from| said("from", from.to_string())));
        about.extend(asked.until.map(|until| said("until", until.to_string())));
        let properties = WriterProperties::builder()
            .set_compression(Compression::SNAPPY)
            .set_created_by(format!("hilum {}", env!("CARGO_PKG_VERSION")))
            .set_key_value_metadata(Some(about))
            .build();
        let writer = SerializedFileWriter::new(out, schema, Arc::new(properties))?;
        Ok(ParquetTable { writer, leaves: Vec::new(), n_gathered: 0, n_rows: 0 })
    }

    pub(crate) fn push(&mut self, cells: &[Cell<'_>]) -> Result<(), ExportError> {
        let mut place = Place { leaves: &mut self.leaves, next: 0 };
        for cell in cells {
            gather(&mut place, cell)?;
        }
        self.n_gathered += 1;
        self.n_rows += 1;
        let n_values: usize = self.leaves.iter().map(|leaf| leaf.definition.len()).sum();
        if ROWS_MAX <= self.n_gathered || VALUES_MAX <= n_values {
            self.write_group()?;
        }
        Ok(())
    }

    pub(crate) fn finish(mut self) -> Result<u64, ExportError> {
        self.write_group()?;
        self.writer.close()?;
        Ok(self.n_rows)
    }

    fn write_group(&mut self) -> Result<(), ExportError> {
        if self.n_gathered == 0 {
            return Ok(());
        }
        let mut group = self.writer.next_row_group()?;
        for leaf in &mut self.leaves {
            let mut column = group.next_column()?.ok_or(ExportError::OtherTable)?;
            leaf.write(column.untyped())?;
            column.close()?;
            leaf.clear();
        }
        if group.next_column()?.is_some() {
            return Err(ExportError::OtherTable);
        }
        group.close()?;
        self.n_gathered = 0;
        Ok(())
    }
}

/// A leaf of the schema: its values, and for each place how much of its path is there (definition) and at which depth it
/// repeats (repetition), as Parquet stores nested columns.
struct Leaf {
    values: Values,
    definition: Vec<i16>,
    repetition: Vec<i16>,
}

enum Values {
    Text(Vec<ByteArray>),
    Number(Vec<f64>),
    Whole(Vec<i64>),
    Flag(Vec<bool>),
}

impl Leaf {
    fn write(&self, column: &mut ColumnWriter<'_>) -> Result<(), ExportError> {
        let (definition, repetition) = (Some(self.definition.as_slice()), Some(self.repetition.as_slice()));
        match (&self.values, column) {
            (Values::Text(values), ColumnWriter::ByteArrayColumnWriter(column)) => {
                column.write_batch(values, definition, repetition)?
            }
            (Values::Number(values), ColumnWriter::DoubleColumnWriter(column)) => {
                column.write_batch(values, definition, repetition)?
            }
            (Values::Whole(values), ColumnWriter::Int64ColumnWriter(column)) => {
                column.write_batch(values, definition, repetition)?
            }
            (Values::Flag(values), ColumnWriter::BoolColumnWriter(column)) => {
                column.write_batch(values, definition, repetition)?
            }
            _ => return Err(ExportError::OtherTable),
        };
        Ok(())
    }

    fn clear(&mut self) {
        match &mut self.values {
            Values::Text(values) => values.clear(),
            Values::Number(values) => values.clear(),
            Values::Whole(values) => values.clear(),
            Values::Flag(values) => values.clear(),
        }
        self.definition.clear();
        self.repetition.clear();
    }
}

/// One value for a leaf.
enum One<'a> {
    Text(&'a str),
    Number(f64),
    Whole(i64),
    Flag(bool),
}

/// Which leaf is filled next.
struct Place<'a> {
    leaves: &'a mut Vec<Leaf>,
    next: usize,
}

impl Place<'_> {
    /// The next leaf, which the first row makes.
    fn leaf(&mut self, empty: fn() -> Values) -> &mut Leaf {
        if self.next == self.leaves.len() {
            self.leaves.push(Leaf { values: empty(), definition: Vec::new(), repetition: Vec::new() });
        }
        self.next += 1;
        &mut self.leaves[self.next - 1]
    }
}

/// Put `value` at these levels; `None`: the levels alone, because the path ends before a value.
fn put(leaf: &mut Leaf, value: Option<One<'_>>, definition: i16, repetition: i16) -> Result<(), ExportError> {
    match (&mut leaf.values, value) {
        (_, None) => {}
        (Values::Text(values), Some(One::Text(text))) => values.push(ByteArray::from(text)),
        (Values::Number(values), Some(One::Number(number))) => values.push(number),
        (Values::Whole(values), Some(One::Whole(number))) => values.push(number),
        (Values::Flag(values), Some(One::Flag(flag))) => values.push(flag),
        _ => return Err(ExportError::OtherTable),
    }
    leaf.definition.push(definition);
    leaf.repetition.push(repetition);
    Ok(())
}

fn texts() -> Values {
    Values::Text(Vec::new())
}

fn numbers() -> Values {
    Values::Number(Vec::new())
}

fn wholes() -> Values {
    Values::Whole(Vec::new())
}

fn flags() -> Values {
    Values::Flag(Vec::new())
}

fn gather(place: &mut Place<'_>, cell: &Cell<'_>) -> Result<(), ExportError> {
    match cell {
        Cell::Text(text) => put(place.leaf(texts), Some(One::Text(text)), 0, 0),
        Cell::Digest(digest) => put(place.leaf(texts), Some(One::Text(&digest.to_string())), 0, 0),
        Cell::MaybeText(text) => put(place.leaf(texts), text.map(One::Text), text.is_some().into(), 0),
        Cell::Whole(number) => put(place.leaf(wholes), Some(One::Whole(*number)), 0, 0),
        Cell::Time(time) => put(place.leaf(wholes), Some(One::Whole(Timestamp::micros(*time))), 0, 0),
        Cell::Flag(flag) => put(place.leaf(flags), Some(One::Flag(*flag)), 0, 0),
        Cell::MaybeNumber(number) => put(place.leaf(numbers), number.map(One::Number), number.is_some().into(), 0),
        Cell::MaybeTexts(None) => put(place.leaf(texts), None, 0, 0),
        Cell::MaybeTexts(Some(list)) => {
            repeated(place.leaf(texts), list.iter().map(|text| (Some(One::Text(text)), 2)), 1)
        }
        Cell::TextMap(map) => {
            repeated(place.leaf(texts), map.keys().map(|key| (Some(One::Text(key)), 1)), 0)?;
            repeated(place.leaf(texts), map.values().map(|value| (Some(One::Text(value)), 1)), 0)
        }
        Cell::NumberMap(map) => {
            repeated(place.leaf(texts), map.keys().map(|key| (Some(One::Text(key)), 1)), 0)?;
            repeated(place.leaf(numbers), map.values().map(|value| (Some(One::Number(*value)), 1)), 0)
        }
        Cell::Outputs(map) => {
            repeated(place.leaf(texts), map.keys().map(|key| (Some(One::Text(key)), 1)), 0)?;
            let scores = map.values().map(|fact| (fact.score.map(One::Number), 1 + i16::from(fact.score.is_some())));
            repeated(place.leaf(numbers), scores, 0)?;
            let calls = map.values().map(|fact| (fact.present.map(One::Flag), 1 + i16::from(fact.present.is_some())));
            repeated(place.leaf(flags), calls, 0)
        }
    }
}

/// Entries of a map or list, each with its definition level; without any, the level that says it is empty.
fn repeated<'a>(
    leaf: &mut Leaf,
    entries: impl Iterator<Item = (Option<One<'a>>, i16)>,
    empty: i16,
) -> Result<(), ExportError> {
    let mut repetition = 0;
    for (value, definition) in entries {
        put(leaf, value, definition, repetition)?;
        repetition = 1;
    }
    if repetition == 0 { put(leaf, None, empty, 0) } else { Ok(()) }
}
