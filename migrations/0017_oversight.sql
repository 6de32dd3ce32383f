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
