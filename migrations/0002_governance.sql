-- Who answers for what: records, signatures, people, use of reference cases, aliases.
-- Rows of record, signature, user_key, reference_use, fingerprint* and alias_move are only ever added.

CREATE TABLE record (
    seq BIGINT PRIMARY KEY,
    digest TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    subject TEXT NOT NULL,
    body TEXT NOT NULL,
    author TEXT NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE INDEX record_by_kind ON record (kind, subject, seq);
CREATE INDEX record_by_subject ON record (subject, seq);

CREATE TABLE signature (
    seq BIGINT PRIMARY KEY,
    record TEXT NOT NULL REFERENCES record (digest),
    meaning TEXT NOT NULL,
    signer TEXT NOT NULL,
    role TEXT NOT NULL,
    signed_at BIGINT NOT NULL,
    public_key TEXT NOT NULL,
    signature TEXT NOT NULL,
    UNIQUE (record, signer, meaning)
);

-- A name is never given twice: a deactivated user keeps the row.
CREATE TABLE user_account (
    name TEXT PRIMARY KEY,
    display_name TEXT NOT NULL,
    roles TEXT NOT NULL,
    password_hash TEXT NOT NULL,
    public_key TEXT NOT NULL,
    sealed_key TEXT NOT NULL,
    active BIGINT NOT NULL,
    created_at BIGINT NOT NULL
);

-- Every key a user ever had: a signature is held against the key in force when it was made.
CREATE TABLE user_key (
    name TEXT NOT NULL REFERENCES user_account (name),
    number BIGINT NOT NULL,
    public_key TEXT NOT NULL,
    valid_from BIGINT NOT NULL,
    PRIMARY KEY (name, number)
);

-- One row per gate run on a reference set: the set wears out with use.
CREATE TABLE reference_use (
    set_digest TEXT NOT NULL,
    number BIGINT NOT NULL,
    protocol TEXT NOT NULL,
    package TEXT NOT NULL,
    actor TEXT NOT NULL,
    used_at BIGINT NOT NULL,
    PRIMARY KEY (set_digest, number)
);

-- What case lists are compared by: keyed hashes and digests of samples, never an identifier.
CREATE TABLE fingerprint_set (
    set_digest TEXT NOT NULL,
    role TEXT NOT NULL,
    model TEXT NOT NULL,
    n_cases BIGINT NOT NULL,
    PRIMARY KEY (set_digest, role, model)
);
CREATE TABLE fingerprint (
    set_digest TEXT NOT NULL,
    case_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (set_digest, kind, value, case_id)
);
CREATE INDEX fingerprint_by_value ON fingerprint (value, kind);

CREATE TABLE alias (
    model TEXT NOT NULL,
    alias TEXT NOT NULL,
    package TEXT NOT NULL REFERENCES package (digest),
    actor TEXT NOT NULL,
    moved_at BIGINT NOT NULL,
    PRIMARY KEY (model, alias)
);
CREATE TABLE alias_move (
    model TEXT NOT NULL,
    alias TEXT NOT NULL,
    number BIGINT NOT NULL,
    package TEXT NOT NULL,
    actor TEXT NOT NULL,
    moved_at BIGINT NOT NULL,
    PRIMARY KEY (model, alias, number)
);

-- A name and version name one package. Catalogs of schema 1 may hold several under one: all are kept, the first
-- imported is number 0, and the later ones are marked by a higher number. New packages always come in as number 0.
ALTER TABLE package ADD COLUMN namesake BIGINT NOT NULL DEFAULT 0;
UPDATE package SET namesake = (
    SELECT COUNT(*) FROM package AS earlier
    WHERE earlier.name = package.name AND earlier.version = package.version
    AND (earlier.imported_at < package.imported_at
         OR (earlier.imported_at = package.imported_at AND earlier.digest < package.digest))
);
CREATE UNIQUE INDEX package_version ON package (name, version, namesake);
