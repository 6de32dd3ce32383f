-- Labels that come late: what people and reports say is true, final reports, the random audit sample.

-- Only ever added to: a later label supersedes an earlier one in figures as of later times (MV-27). `origin` names the
-- message or act it came by, so that a repetition adds nothing; `content` is the digest of what was said under it.
CREATE TABLE label (
    label_key TEXT PRIMARY KEY,
    origin TEXT NOT NULL UNIQUE,
    content TEXT NOT NULL,
    study_key TEXT NOT NULL REFERENCES study (study_key),
    revision BIGINT NOT NULL,
    deployment TEXT NOT NULL,
    package TEXT NOT NULL,
    finding TEXT NOT NULL,
    label TEXT NOT NULL,
    comment TEXT,
    report_key TEXT,
    recorded_at BIGINT NOT NULL
);
CREATE INDEX label_by_study ON label (study_key, label_key);
CREATE INDEX label_by_deployment ON label (deployment, label_key);

-- What somebody said of a result that is not known here (AV-19): kept, flagged, and in no figure.
CREATE TABLE label_set_aside (
    label_key TEXT PRIMARY KEY,
    origin TEXT NOT NULL UNIQUE,
    content TEXT NOT NULL,
    told TEXT NOT NULL,
    reason TEXT NOT NULL,
    by_whom TEXT NOT NULL,
    recorded_at BIGINT NOT NULL
);

-- Who has saved a first impression, and may see the result since then (reading mode after_first_read).
CREATE TABLE first_read (
    study_key TEXT NOT NULL,
    revision BIGINT NOT NULL,
    deployment TEXT NOT NULL,
    reader TEXT NOT NULL,
    read_at BIGINT NOT NULL,
    PRIMARY KEY (study_key, revision, deployment, reader)
);

-- Reports as they came, every version; the text is a blob. `series` names the report whose versions belong together, and
-- of these the last final one is current. `reason` says why one belongs to no study here.
CREATE TABLE report (
    report_key TEXT PRIMARY KEY,
    origin TEXT NOT NULL UNIQUE,
    content TEXT NOT NULL,
    series TEXT NOT NULL,
    accession_number TEXT NOT NULL,
    patient_ids TEXT NOT NULL,
    status TEXT NOT NULL,
    codes TEXT NOT NULL,
    blob TEXT NOT NULL,
    size BIGINT NOT NULL,
    peer TEXT NOT NULL,
    source TEXT NOT NULL,
    reported_at BIGINT NOT NULL,
    received_at BIGINT NOT NULL,
    study_key TEXT,
    reason TEXT,
    reason_code TEXT NOT NULL,
    is_current BIGINT NOT NULL
);
CREATE INDEX report_by_series ON report (series);
CREATE INDEX report_by_study ON report (study_key) WHERE study_key IS NOT NULL;
CREATE INDEX report_unlinked ON report (reason_code, accession_number) WHERE study_key IS NULL;
CREATE INDEX report_by_time ON report (received_at);

-- Which current report was read for which result, so that each is read once.
CREATE TABLE report_reading (
    report_key TEXT NOT NULL REFERENCES report (report_key),
    deployment TEXT NOT NULL,
    revision BIGINT NOT NULL,
    n_labels BIGINT NOT NULL,
    read_at BIGINT NOT NULL,
    PRIMARY KEY (report_key, deployment, revision)
);
CREATE INDEX inference_by_finish ON inference (finished_at);

-- Cases drawn by lot for adjudication (MV-26), entered in the act that ends the study. Probability is a decimal text.
CREATE TABLE audit_sample (
    study_key TEXT NOT NULL,
    revision BIGINT NOT NULL,
    deployment TEXT NOT NULL,
    stratum TEXT NOT NULL,
    probability TEXT NOT NULL,
    seed TEXT NOT NULL,
    drawn_at BIGINT NOT NULL,
    PRIMARY KEY (study_key, revision, deployment)
);
CREATE INDEX audit_sample_by_deployment ON audit_sample (deployment, drawn_at);
