/// Why a table was not written.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The Parquet file.
    #[error("the Parquet file cannot be written")]
    Parquet(#[from] parquet::errors::ParquetError),
    /// The CSV file.
    #[error("the CSV file cannot be written")]
    Csv(#[from] csv::Error),
    /// The end of the file.
    #[error("the end of the file cannot be written")]
    Flush(#[from] std::io::Error),
    /// A defect: the row does not have the columns of the table.
    #[error("a row does not have the columns of its table")]
    OtherTable,
}
