//! Seam: catalog, blobs and job queue on SQLite or PostgreSQL and local files.
