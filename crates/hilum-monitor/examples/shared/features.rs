//! Features as the example `image_features` prints them.

use crate::halves::Features;

/// The studies of a file, without the features of these names.
pub(crate) fn read(path: &str, without: &[String]) -> Result<Vec<Features>, String> {
    let text = std::fs::read_to_string(path).map_err(|e| format!("{path}: {e}"))?;
    let mut lines = text.lines();
    let names: Vec<&str> = lines.next().unwrap_or_default().split(',').skip(1).collect();
    let row = |line: &str| {
        let values = line.split(',').skip(1).map(str::parse::<f64>);
        let pairs = names.iter().zip(values).filter(|(name, _)| !without.iter().any(|left_out| left_out == **name));
        pairs.map(|(name, value)| Ok(((*name).to_owned(), value.map_err(|e| format!("{path}: {e}"))?))).collect()
    };
    lines.map(row).collect()
}
