-- The first loop: studies, gate decisions, inference, results, deliveries, deployments, audit.
-- One text for SQLite and PostgreSQL: text keys, BIGINT microseconds since 1970, JSON as TEXT, no vendor types.

-- The single row that every act locks first: acts are serial on both back ends, and the chain has one end.
CREATE TABLE audit_head (
    id BIGINT PRIMARY KEY,
    seq BIGINT NOT NULL,
    hash TEXT NOT NULL
);
INSERT INTO audit_head (id, seq, hash)
VALUES (1, 0, '0000000000000000000000000000000000000000000000000000000000000000');

CREATE TABLE audit (
    seq BIGINT PRIMARY KEY,
    at BIGINT NOT NULL,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    outcome TEXT NOT NULL,
    subject_kind TEXT NOT NULL,
    subject_id TEXT NOT NULL,
    detail TEXT NOT NULL,
    prev_hash TEXT NOT NULL,
    hash TEXT NOT NULL
);

-- Every blob that some row names; the sweep compares it with the folder.
CREATE TABLE blob (
    digest TEXT PRIMARY KEY,
    size BIGINT NOT NULL
);

CREATE TABLE study (
    study_key TEXT PRIMARY KEY,
    study_instance_uid TEXT NOT NULL UNIQUE,
    accession_number TEXT NOT NULL,
    modality TEXT NOT NULL,
    first_header TEXT NOT NULL,
    n_instances BIGINT NOT NULL,
    n_instances_expected BIGINT,
    revision BIGINT NOT NULL,
    state TEXT NOT NULL,
    first_received_at BIGINT NOT NULL,
    last_received_at BIGINT NOT NULL,
    due_at BIGINT
);
CREATE INDEX study_by_accession ON study (accession_number);
CREATE INDEX study_due ON study (due_at) WHERE due_at IS NOT NULL;

-- Announced numbers of instances, also of studies of which nothing came yet.
CREATE TABLE study_announced (
    study_instance_uid TEXT PRIMARY KEY,
    n_instances BIGINT NOT NULL
);

-- Version 1 came first and is current; higher versions conflict with it.
CREATE TABLE instance (
    instance_key TEXT PRIMARY KEY,
    study_key TEXT NOT NULL REFERENCES study (study_key),
    sop_instance_uid TEXT NOT NULL,
    version BIGINT NOT NULL,
    revision BIGINT NOT NULL,
    header TEXT NOT NULL,
    blob TEXT NOT NULL,
    content TEXT NOT NULL,
    size BIGINT NOT NULL,
    peer TEXT NOT NULL,
    source TEXT NOT NULL,
    received_at BIGINT NOT NULL,
    UNIQUE (sop_instance_uid, version)
);
CREATE INDEX instance_by_study ON instance (study_key, revision);

CREATE TABLE quarantine (
    quarantine_key TEXT PRIMARY KEY,
    reason TEXT NOT NULL,
    blob TEXT NOT NULL,
    size BIGINT NOT NULL,
    peer TEXT NOT NULL,
    source TEXT NOT NULL,
    received_at BIGINT NOT NULL
);

CREATE TABLE study_revision (
    study_key TEXT NOT NULL REFERENCES study (study_key),
    revision BIGINT NOT NULL,
    instance_set TEXT NOT NULL,
    n_instances BIGINT NOT NULL,
    completed_by TEXT NOT NULL,
    completed_at BIGINT NOT NULL,
    day TEXT NOT NULL,
    PRIMARY KEY (study_key, revision)
);
CREATE INDEX study_revision_by_day ON study_revision (day);

-- The books: which deployments owe a disposition for which study revision (MV-20).
CREATE TABLE arrival (
    study_key TEXT NOT NULL,
    revision BIGINT NOT NULL,
    deployment TEXT NOT NULL,
    day TEXT NOT NULL,
    PRIMARY KEY (study_key, revision, deployment)
);
CREATE INDEX arrival_by_day ON arrival (day);

CREATE TABLE disposition (
    study_key TEXT NOT NULL,
    revision BIGINT NOT NULL,
    deployment TEXT NOT NULL,
    disposition TEXT NOT NULL,
    reason TEXT,
    decided_at BIGINT NOT NULL,
    PRIMARY KEY (study_key, revision, deployment)
);

CREATE TABLE gate_decision (
    seq BIGINT PRIMARY KEY,
    study_key TEXT NOT NULL,
    revision BIGINT NOT NULL,
    deployment TEXT NOT NULL,
    stage TEXT NOT NULL,
    verdict TEXT NOT NULL,
    decided_at BIGINT NOT NULL,
    reasons TEXT NOT NULL,
    detail TEXT NOT NULL
);
CREATE INDEX gate_decision_by_study ON gate_decision (study_key, seq);

CREATE TABLE job (
    job_key TEXT PRIMARY KEY,
    kind TEXT NOT NULL,
    dedup_key TEXT NOT NULL UNIQUE,
    study_key TEXT,
    revision BIGINT,
    deployment TEXT,
    delivery_key TEXT,
    payload TEXT NOT NULL,
    priority BIGINT NOT NULL,
    state TEXT NOT NULL,
    attempts BIGINT NOT NULL,
    due_at BIGINT NOT NULL,
    lease_owner TEXT,
    lease_until BIGINT,
    last_error TEXT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE INDEX job_live ON job (priority DESC, due_at) WHERE state IN ('queued', 'leased');
CREATE INDEX job_by_study ON job (study_key);
CREATE INDEX job_by_delivery ON job (delivery_key) WHERE delivery_key IS NOT NULL;

CREATE TABLE inference (
    study_key TEXT NOT NULL,
    revision BIGINT NOT NULL,
    deployment TEXT NOT NULL,
    package TEXT NOT NULL,
    record TEXT NOT NULL,
    started_at BIGINT NOT NULL,
    finished_at BIGINT NOT NULL,
    PRIMARY KEY (study_key, revision, deployment)
);

CREATE TABLE result (
    result_key TEXT PRIMARY KEY,
    study_key TEXT NOT NULL,
    revision BIGINT NOT NULL,
    deployment TEXT NOT NULL,
    kind TEXT NOT NULL,
    place BIGINT NOT NULL,
    sop_instance_uid TEXT NOT NULL UNIQUE,
    sop_class_uid TEXT NOT NULL,
    transfer_syntax_uid TEXT NOT NULL,
    blob TEXT NOT NULL,
    size BIGINT NOT NULL,
    released BIGINT NOT NULL,
    superseded_by BIGINT,
    created_at BIGINT NOT NULL,
    UNIQUE (study_key, revision, deployment, kind, place)
);

CREATE TABLE delivery (
    delivery_key TEXT PRIMARY KEY,
    result_key TEXT NOT NULL REFERENCES result (result_key),
    destination TEXT NOT NULL,
    state TEXT NOT NULL,
    attempts BIGINT NOT NULL,
    last_error TEXT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    delivered_at BIGINT,
    UNIQUE (result_key, destination)
);
CREATE INDEX delivery_by_state ON delivery (state, delivery_key);

CREATE TABLE package (
    digest TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    version TEXT NOT NULL,
    manifest TEXT NOT NULL,
    location TEXT NOT NULL,
    imported_at BIGINT NOT NULL
);

CREATE TABLE deployment (
    name TEXT PRIMARY KEY,
    spec TEXT NOT NULL,
    package TEXT NOT NULL REFERENCES package (digest),
    state TEXT NOT NULL,
    suspension TEXT,
    revision BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);

-- Every applied change, suspension and resumption.
CREATE TABLE deployment_change (
    name TEXT NOT NULL,
    revision BIGINT NOT NULL,
    spec TEXT NOT NULL,
    package TEXT NOT NULL,
    state TEXT NOT NULL,
    suspension TEXT,
    actor TEXT NOT NULL,
    changed_at BIGINT NOT NULL,
    PRIMARY KEY (name, revision)
);

-- An open alarm counts up instead of being raised twice; empty text stands for "no study", "no deployment".
CREATE TABLE alarm (
    alarm_key TEXT PRIMARY KEY,
    code TEXT NOT NULL,
    text TEXT NOT NULL,
    study_key TEXT NOT NULL,
    deployment TEXT NOT NULL,
    raised_at BIGINT NOT NULL,
    n_raised BIGINT NOT NULL,
    acknowledged_at BIGINT
);
CREATE UNIQUE INDEX alarm_open ON alarm (code, study_key, deployment) WHERE acknowledged_at IS NULL;

CREATE TABLE journey_event (
    study_key TEXT NOT NULL,
    seq BIGINT NOT NULL,
    at BIGINT NOT NULL,
    revision BIGINT NOT NULL,
    deployment TEXT,
    kind TEXT NOT NULL,
    text TEXT NOT NULL,
    PRIMARY KEY (study_key, seq)
);
