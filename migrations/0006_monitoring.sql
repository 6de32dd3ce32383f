-- What was observed, what was made of it, and what followed (ADR 0010).

-- One study revision that ended for one deployment, with everything measured of it. Rows are only ever added.
CREATE TABLE observation (
    study_key TEXT NOT NULL,
    revision BIGINT NOT NULL,
    deployment TEXT NOT NULL,
    package TEXT NOT NULL,
    event_at BIGINT NOT NULL,
    recorded_at BIGINT NOT NULL,
    disposition TEXT NOT NULL,
    reason_code TEXT NOT NULL,
    record TEXT NOT NULL,
    PRIMARY KEY (study_key, revision, deployment)
);
CREATE INDEX observation_by_version ON observation (deployment, package, recorded_at);
CREATE INDEX observation_by_event ON observation (deployment, event_at);

-- The order in which facts were entered, so that the fold can be repeated exactly: an observation, a label (by its key),
-- or a restart of the detectors.
CREATE TABLE monitor_fact (
    seq BIGINT PRIMARY KEY,
    deployment TEXT NOT NULL,
    kind TEXT NOT NULL,
    study_key TEXT NOT NULL,
    revision BIGINT NOT NULL,
    fact_key TEXT NOT NULL,
    recorded_at BIGINT NOT NULL
);
CREATE INDEX monitor_fact_by_deployment ON monitor_fact (deployment, seq);

-- The state of the fold, by version, rule and cut, written in the act that enters a fact. A restart removes the rows of a
-- version: they can be made again from the facts.
CREATE TABLE monitor_cell (
    deployment TEXT NOT NULL,
    package TEXT NOT NULL,
    rule TEXT NOT NULL,
    cut TEXT NOT NULL,
    state TEXT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (deployment, package, rule, cut)
);

-- Which classes of labels have been counted for a finding of a study revision: the first of a class counts, and is evidence.
CREATE TABLE label_counted (
    deployment TEXT NOT NULL,
    study_key TEXT NOT NULL,
    revision BIGINT NOT NULL,
    finding TEXT NOT NULL,
    class TEXT NOT NULL,
    label_key TEXT NOT NULL,
    package TEXT NOT NULL,
    event_at BIGINT NOT NULL,
    recorded_at BIGINT NOT NULL,
    PRIMARY KEY (deployment, study_key, revision, finding, class)
);
CREATE INDEX label_counted_by_event ON label_counted (deployment, package, event_at);

-- What the fold said, and what was done about it in the same act.
CREATE TABLE signal (
    seq BIGINT PRIMARY KEY,
    deployment TEXT NOT NULL,
    package TEXT NOT NULL,
    rule TEXT NOT NULL,
    cut TEXT NOT NULL,
    severity TEXT NOT NULL,
    action TEXT NOT NULL,
    at BIGINT NOT NULL,
    record TEXT NOT NULL
);
CREATE INDEX signal_by_deployment ON signal (deployment, at);
