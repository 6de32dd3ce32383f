//! Edge: DICOM upper layer, C-ECHO and C-STORE, as provider and as user, on tokio.
