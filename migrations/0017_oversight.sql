-- Who receives results is told when a deployment changes, and what is shown of deployments is counted as it is entered.

-- A message is about an alarm, or about a change that the destinations of a deployment are told (`notice`). The contacts of
-- destinations are configured and not known here: whoever sends looks them up.
CREATE TABLE outbox (
    notification_key TEXT PRIMARY KEY,
    alarm_key TEXT REFERENCES alarm (alarm_key),
    notice TEXT,
    event TEXT NOT NULL,
    level BIGINT NOT NULL,
    contacts TEXT NOT NULL,
    state TEXT NOT NULL,
    channels_done TEXT NOT NULL,
    attempts BIGINT NOT NULL,
    due_at BIGINT NOT NULL,
    last_error TEXT,
    created_at BIGINT NOT NULL,
    ended_at BIGINT
);
INSERT INTO outbox (notification_key, alarm_key, notice, event, level, contacts, state, channels_done, attempts, due_at,
    last_error, created_at, ended_at)
    SELECT notification_key, alarm_key, NULL, event, level, contacts, state, channels_done, attempts, due_at, last_error,
        created_at, ended_at FROM notification;
DROP TABLE notification;
ALTER TABLE outbox RENAME TO notification;
CREATE INDEX notification_due ON notification (state, due_at);
CREATE INDEX notification_by_alarm ON notification (alarm_key);

-- Labels by where they come from, counted in the act that enters them.
CREATE TABLE label_tally (
    deployment TEXT NOT NULL,
    source TEXT NOT NULL,
    n BIGINT NOT NULL,
    PRIMARY KEY (deployment, source)
);
INSERT INTO label_tally (deployment, source, n)
    SELECT deployment, CASE WHEN label LIKE '%"source":"assessment"%' THEN 'assessment'
        WHEN label LIKE '%"source":"report"%' THEN 'report'
        WHEN label LIKE '%"source":"adjudication"%' THEN 'adjudication' ELSE 'follow_up' END, COUNT(*)
    FROM label GROUP BY 1, 2;

-- How long runs took, counted in the act that records one: `le_micros` is the upper bound of the bucket, -1 none, and
-- `sum_micros` what the runs of the bucket took together.
CREATE TABLE run_time_tally (
    deployment TEXT NOT NULL,
    le_micros BIGINT NOT NULL,
    n BIGINT NOT NULL,
    sum_micros BIGINT NOT NULL,
    PRIMARY KEY (deployment, le_micros)
);
INSERT INTO run_time_tally (deployment, le_micros, n, sum_micros)
    SELECT deployment, le_micros, COUNT(*), CAST(SUM(micros) AS BIGINT) FROM (
        SELECT deployment, micros, CASE WHEN micros <= 100000 THEN 100000 WHEN micros <= 250000 THEN 250000
            WHEN micros <= 500000 THEN 500000 WHEN micros <= 1000000 THEN 1000000 WHEN micros <= 2500000 THEN 2500000
            WHEN micros <= 5000000 THEN 5000000 WHEN micros <= 10000000 THEN 10000000
            WHEN micros <= 30000000 THEN 30000000 WHEN micros <= 60000000 THEN 60000000
            WHEN micros <= 120000000 THEN 120000000 WHEN micros <= 300000000 THEN 300000000 ELSE -1 END AS le_micros
        FROM (SELECT deployment, CASE WHEN finished_at < started_at THEN 0 ELSE finished_at - started_at END AS micros
            FROM inference) AS run
    ) AS placed GROUP BY deployment, le_micros;

-- Counted at every look of a monitoring system.
CREATE INDEX signal_by_rule ON signal (deployment, rule);
CREATE INDEX alarm_open_by_severity ON alarm (severity) WHERE acknowledged_at IS NULL AND closed_at IS NULL;

-- The worklist of the audit sample, oldest first.
CREATE INDEX audit_sample_by_time ON audit_sample (drawn_at, study_key);
