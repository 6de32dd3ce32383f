-- Products that are DICOM nodes, their fixed cases, and algorithms seen in the traffic.

-- What comes by C-STORE from one of these AE titles is a product's answer, never a study of the site.
CREATE TABLE product_peer (
    ae_title TEXT NOT NULL,
    package TEXT NOT NULL REFERENCES package (digest),
    PRIMARY KEY (ae_title, package)
);

-- One question to a product: a study of a patient (study_key), or a fixed case (case_id) apart from every study.
-- It is open while its state is not 'closed' and the job that asked is queued or leased.
CREATE TABLE product_request (
    request_key TEXT PRIMARY KEY,
    job_key TEXT NOT NULL REFERENCES job (job_key),
    case_id TEXT NOT NULL,
    deployment TEXT NOT NULL,
    package TEXT NOT NULL,
    ae_title TEXT NOT NULL,
    study_key TEXT,
    revision BIGINT,
    study_instance_uid TEXT NOT NULL,
    subject TEXT NOT NULL,
    state TEXT NOT NULL,
    deadline_seconds BIGINT NOT NULL,
    quiet_seconds BIGINT NOT NULL,
    results_min BIGINT NOT NULL,
    series TEXT NOT NULL,
    problem TEXT,
    created_at BIGINT NOT NULL,
    sent_at BIGINT,
    last_answer_at BIGINT,
    UNIQUE (job_key, case_id)
);
CREATE INDEX product_request_by_study ON product_request (study_instance_uid, ae_title);

CREATE TABLE product_answer (
    request_key TEXT NOT NULL REFERENCES product_request (request_key),
    sop_instance_uid TEXT NOT NULL,
    header TEXT NOT NULL,
    blob TEXT NOT NULL,
    content TEXT NOT NULL,
    size BIGINT NOT NULL,
    received_at BIGINT NOT NULL,
    PRIMARY KEY (request_key, sop_instance_uid)
);
CREATE INDEX product_answer_by_uid ON product_answer (sop_instance_uid);

-- One run of the fixed cases of a deployment (MV-15); what it found is a record.
CREATE TABLE canary_run (
    deployment TEXT NOT NULL,
    number BIGINT NOT NULL,
    caused_by TEXT NOT NULL,
    started_at BIGINT NOT NULL,
    ended_at BIGINT,
    finding TEXT,
    record TEXT,
    PRIMARY KEY (deployment, number)
);

-- Algorithms that received objects name as their makers (GV-01).
CREATE TABLE algorithm_seen (
    algorithm_key TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    manufacturer TEXT NOT NULL,
    version TEXT NOT NULL,
    evidence TEXT NOT NULL,
    n_objects BIGINT NOT NULL,
    first_seen_at BIGINT NOT NULL,
    last_seen_at BIGINT NOT NULL
);

-- A sender that repeats what was set aside fills no list.
CREATE INDEX quarantine_by_blob ON quarantine (blob);
