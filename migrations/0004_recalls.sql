-- Recalls (AV-11): which results are retracted by which signed record, and how far each study of a recall has come.

-- Who used which version when.
CREATE INDEX inference_by_package ON inference (package, finished_at);

-- The recall record that retracts the result; set once, never taken back.
ALTER TABLE result ADD COLUMN retracted_by TEXT;

-- Records that somebody began to carry out; ground and reason are copied from the record.
CREATE TABLE recall (
    record TEXT PRIMARY KEY REFERENCES record (digest),
    package TEXT NOT NULL,
    ground TEXT NOT NULL,
    reason TEXT NOT NULL,
    begun_by TEXT NOT NULL,
    begun_at BIGINT NOT NULL
);

-- One row per study of a record: `planned`, `retracted`, `noted`, `inside` (nothing had left) or `failed`.
CREATE TABLE recall_study (
    record TEXT NOT NULL REFERENCES recall (record),
    study_key TEXT NOT NULL,
    results TEXT NOT NULL,
    step TEXT NOT NULL,
    note TEXT REFERENCES result (result_key),
    failure TEXT,
    changed_at BIGINT NOT NULL,
    PRIMARY KEY (record, study_key)
);
CREATE INDEX recall_by_study ON recall_study (study_key);
