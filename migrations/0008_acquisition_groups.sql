-- Scanners, software versions and protocols that studies came from, and how many of their studies lay inside the
-- acquisition envelope (MV-23). Counted per model family and version: what one version has seen says nothing of another.
CREATE TABLE acquisition_group (
    family TEXT NOT NULL,
    package TEXT NOT NULL,
    group_key TEXT NOT NULL,
    attributes TEXT NOT NULL,
    first_seen_at BIGINT NOT NULL,
    last_seen_at BIGINT NOT NULL,
    n_studies BIGINT NOT NULL,
    n_inside BIGINT NOT NULL,
    PRIMARY KEY (family, package, group_key)
);

-- A study counts once, however many revisions it has and however many deployments of a family read it.
CREATE TABLE acquisition_group_study (
    family TEXT NOT NULL,
    package TEXT NOT NULL,
    group_key TEXT NOT NULL,
    study_key TEXT NOT NULL,
    inside BIGINT NOT NULL,
    PRIMARY KEY (family, package, group_key, study_key)
);
