-- Alarms that a person can work with (MV-31, UX-13), what is sent about them, and the books as they were looked at (MV-20).

-- What belongs together is one incident: signals of a deployment and cut, or one code, study and deployment. Acts are
-- serial, so an incident has at most one open alarm without a unique index.
DROP INDEX alarm_open;
ALTER TABLE alarm ADD COLUMN incident TEXT NOT NULL DEFAULT '';
ALTER TABLE alarm ADD COLUMN severity TEXT NOT NULL DEFAULT 'watch';
ALTER TABLE alarm ADD COLUMN cut TEXT NOT NULL DEFAULT '';
ALTER TABLE alarm ADD COLUMN rules TEXT NOT NULL DEFAULT '[]';
ALTER TABLE alarm ADD COLUMN signal TEXT;
ALTER TABLE alarm ADD COLUMN owner TEXT NOT NULL DEFAULT '';
ALTER TABLE alarm ADD COLUMN announced BIGINT NOT NULL DEFAULT 0;
ALTER TABLE alarm ADD COLUMN level BIGINT NOT NULL DEFAULT 0;
ALTER TABLE alarm ADD COLUMN due_at BIGINT;
ALTER TABLE alarm ADD COLUMN last_raised_at BIGINT;
ALTER TABLE alarm ADD COLUMN acknowledged_by TEXT;
ALTER TABLE alarm ADD COLUMN closed_at BIGINT;
ALTER TABLE alarm ADD COLUMN closed_by TEXT;
ALTER TABLE alarm ADD COLUMN cause TEXT;
ALTER TABLE alarm ADD COLUMN comment TEXT;
UPDATE alarm SET incident = 'plain|' || code || '|' || study_key || '|' || deployment;
CREATE INDEX alarm_by_incident ON alarm (incident, alarm_key);
CREATE INDEX alarm_by_deployment ON alarm (deployment, raised_at);
CREATE INDEX alarm_due ON alarm (due_at) WHERE acknowledged_at IS NULL AND closed_at IS NULL;

-- The outbox: entered by the act that raises or escalates, sent by a worker, ended once.
CREATE TABLE notification (
    notification_key TEXT PRIMARY KEY,
    alarm_key TEXT NOT NULL REFERENCES alarm (alarm_key),
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
CREATE INDEX notification_due ON notification (state, due_at);
CREATE INDEX notification_by_alarm ON notification (alarm_key);

-- One row per UTC day whose books were looked at, as they were when they were last.
CREATE TABLE books_check (
    day TEXT PRIMARY KEY,
    checked_on TEXT NOT NULL,
    n_open BIGINT NOT NULL,
    n_gaps BIGINT NOT NULL
);

-- Counts per UTC day, added up in the act that enters an observation, so that a year is read in a few hundred rows.
CREATE TABLE observation_day (
    deployment TEXT NOT NULL,
    day TEXT NOT NULL,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    n_with BIGINT NOT NULL,
    n BIGINT NOT NULL,
    PRIMARY KEY (deployment, day, kind, name)
);
