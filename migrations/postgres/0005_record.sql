-- Small records that nodes share: jobs, and what was revoked.

CREATE TABLE linker_record (
    key text COLLATE "C" PRIMARY KEY,
    -- One more with every write.
    version bigint NOT NULL,
    -- From when on it may be removed, milliseconds since the epoch.
    expires_ms bigint NOT NULL,
    body bytea NOT NULL
);
CREATE INDEX linker_record_expires ON linker_record (expires_ms);
