-- Who gave a label, so that a list can be told to its reader without what others said; empty for labels from before.
ALTER TABLE label ADD COLUMN by_whom TEXT NOT NULL DEFAULT '';

-- The study a report names itself: of two with one accession number it is tied to that one, also when it comes late.
ALTER TABLE report ADD COLUMN study_instance_uid TEXT;
