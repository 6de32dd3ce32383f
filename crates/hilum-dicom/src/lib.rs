//! Core: bounded reading, text, pixels and encoding; the only importer of dicom-rs objects.
