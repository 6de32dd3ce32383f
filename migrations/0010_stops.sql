-- What a stop has to know: which version a piece of work belongs to, and when the detectors of a deployment last began.

-- The version in use when the work of a job began. It stays as it is while workers take the job over from one that never
-- ended it, so that a version that takes its worker down answers for that, and not the version that came after it.
ALTER TABLE job ADD COLUMN package TEXT;

-- A deployment restarts a few times; its other facts are one for each study and label.
CREATE INDEX monitor_fact_restart ON monitor_fact (deployment, recorded_at) WHERE kind = 'restart';
