-- Rollout: why a deployment changed, what it stands on, what it returns to, and which version answered for a study.

-- JSON of what a clinical deployment stands on; the revision a rollback returns to; the champion that took over the
-- version of a retired challenger.
ALTER TABLE deployment ADD COLUMN acceptance TEXT;
ALTER TABLE deployment ADD COLUMN rollback_revision BIGINT;
ALTER TABLE deployment ADD COLUMN rollback_package TEXT;
ALTER TABLE deployment ADD COLUMN superseded_by TEXT;

ALTER TABLE deployment_change ADD COLUMN acceptance TEXT;
ALTER TABLE deployment_change ADD COLUMN rollback_revision BIGINT;
ALTER TABLE deployment_change ADD COLUMN rollback_package TEXT;
ALTER TABLE deployment_change ADD COLUMN superseded_by TEXT;
-- What caused the change, why, and the records it rests on (JSON list of digests).
ALTER TABLE deployment_change ADD COLUMN act TEXT NOT NULL DEFAULT 'applied';
ALTER TABLE deployment_change ADD COLUMN reason TEXT NOT NULL DEFAULT '';
ALTER TABLE deployment_change ADD COLUMN evidence TEXT NOT NULL DEFAULT '[]';

-- Changes of schema 1 and 2 tell their cause by what they left behind.
UPDATE deployment_change SET act = 'suspended' WHERE suspension IS NOT NULL;
UPDATE deployment_change SET act = 'resumed' WHERE suspension IS NULL AND state <> 'retired' AND EXISTS (
    SELECT 1 FROM deployment_change AS earlier
    WHERE earlier.name = deployment_change.name AND earlier.revision = deployment_change.revision - 1
    AND earlier.suspension IS NOT NULL
);

-- Which side answers for a study revision while a version is limited; only ever added.
CREATE TABLE assignment (
    study_key TEXT NOT NULL,
    revision BIGINT NOT NULL,
    family TEXT NOT NULL,
    limited TEXT NOT NULL,
    to_limited BIGINT NOT NULL,
    reason TEXT NOT NULL,
    assigned_at BIGINT NOT NULL,
    PRIMARY KEY (study_key, revision, family)
);
CREATE INDEX assignment_by_limited ON assignment (limited, assigned_at);

-- Deployment whose run on the same study revision goes first.
ALTER TABLE job ADD COLUMN goes_after TEXT;

-- The latest runs of a deployment.
CREATE INDEX disposition_by_deployment ON disposition (deployment, decided_at);
