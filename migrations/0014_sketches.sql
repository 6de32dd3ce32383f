-- What dashboards read instead of observations and labels: counts kept by the acts that enter them, to be merged at will.
-- Each row is the merge of the finer ones below it, and all of it can be made again from the observations.

-- Sketches (hilum_monitor::sketch, base64) by level: `hour`, `day`, `month` of one acquisition group (`-`: not stated), and
-- `day_all`, `month_all` of all groups, with an empty group.
CREATE TABLE sketch (
    deployment TEXT NOT NULL,
    package TEXT NOT NULL,
    level TEXT NOT NULL,
    start_at BIGINT NOT NULL,
    group_key TEXT NOT NULL,
    n BIGINT NOT NULL,
    cell TEXT NOT NULL,
    PRIMARY KEY (deployment, package, level, start_at, group_key)
);

-- Counts of observations and labelled cases (hilum_monitor::figures::Counts, base64) by UTC day of the study, for the
-- whole (cut and value empty) and for each value of each attribute that figures are cut by.
CREATE TABLE tally (
    deployment TEXT NOT NULL,
    package TEXT NOT NULL,
    cut TEXT NOT NULL,
    start_at BIGINT NOT NULL,
    value TEXT NOT NULL,
    counts TEXT NOT NULL,
    PRIMARY KEY (deployment, package, cut, start_at, value)
);

-- Facts that were entered before there were counts are counted in steps: those after `seq`, up to `until_seq`, are still
-- to be. A label says itself whether it has been.
CREATE TABLE tally_made (
    id BIGINT PRIMARY KEY,
    seq BIGINT NOT NULL,
    until_seq BIGINT NOT NULL
);
INSERT INTO tally_made (id, seq, until_seq) SELECT 1, 0, COALESCE(MAX(seq), 0) FROM monitor_fact;
ALTER TABLE label ADD COLUMN tallied BIGINT NOT NULL DEFAULT 0;

-- Labels of one study about one finding, and the count of fresh evidence that the gate asks for with every study: without
-- these SQLite reads every label of a deployment, or a row for each.
CREATE INDEX label_by_case ON label (study_key, deployment, finding, label_key);
CREATE INDEX label_counted_by_class ON label_counted (deployment, package, class, event_at);

-- Counts for the metrics, from the index alone; of instances, which are many and never deleted, as a running total.
CREATE INDEX disposition_by_outcome ON disposition (deployment, disposition);
CREATE INDEX study_receiving ON study (study_key) WHERE state = 'receiving';
CREATE TABLE instance_total (
    id BIGINT PRIMARY KEY,
    n BIGINT NOT NULL,
    n_bytes BIGINT NOT NULL
);
INSERT INTO instance_total (id, n, n_bytes)
SELECT 1, COALESCE(SUM(CASE WHEN version = 1 THEN 1 ELSE 0 END), 0), COALESCE(SUM(size), 0) FROM instance;
