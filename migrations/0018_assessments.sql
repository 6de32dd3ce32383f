-- Answers of readers that leave as structured reports to whoever holds the result (AV-19).

-- Which reader's answers to which result are not told yet, entered in the act that keeps an answer and taken away in the
-- one that releases the report, or finds that nobody wants it.
CREATE TABLE assessment_due (
    study_key TEXT NOT NULL,
    revision BIGINT NOT NULL,
    deployment TEXT NOT NULL,
    reader TEXT NOT NULL,
    answered_at BIGINT NOT NULL,
    PRIMARY KEY (study_key, revision, deployment, reader)
);
CREATE INDEX assessment_by_time ON assessment_due (answered_at);

-- Which labels a report may tell, counted from 1 for each reader and result in the order they were given, whatever the clock
-- said; NULL for every other label.
ALTER TABLE label ADD COLUMN answer_number BIGINT;

-- The reports, counted from 1: each takes the place of the one before.
CREATE TABLE assessment_report (
    study_key TEXT NOT NULL,
    revision BIGINT NOT NULL,
    deployment TEXT NOT NULL,
    reader TEXT NOT NULL,
    number BIGINT NOT NULL,
    result_key TEXT NOT NULL REFERENCES result (result_key),
    answered_at BIGINT NOT NULL,
    PRIMARY KEY (study_key, revision, deployment, reader, number)
);
