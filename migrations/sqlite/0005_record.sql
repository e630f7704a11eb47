-- Small records besides messages: jobs, and what was revoked.

CREATE TABLE linker_record (
    key TEXT PRIMARY KEY,
    -- One more with every write.
    version INTEGER NOT NULL,
    -- From when on it may be removed, milliseconds since the epoch.
    expires_ms INTEGER NOT NULL,
    body BLOB NOT NULL
) STRICT;
CREATE INDEX linker_record_expires ON linker_record (expires_ms);
