-- Messages that wait, for all nodes of a domain.

-- Arrival order; drawn while the recipient's stripe is locked, so that of one recipient's rows no smaller number ever appears after a larger one.
CREATE SEQUENCE linker_seq;

CREATE TABLE linker_message (
    -- UUIDv7, so that new ones lie beside each other.
    id uuid PRIMARY KEY,
    seq bigint NOT NULL DEFAULT nextval('linker_seq'),
    recipient text COLLATE "C" NOT NULL,
    sender text COLLATE "C" NOT NULL,
    -- 1 counts towards the inbox limit, 2 does not, 3 is an event of which only the newest about its sender waits.
    class smallint NOT NULL,
    -- 1 absent, 2 behind, 3 fault.
    reason smallint NOT NULL,
    -- Of a row that waits for reason 3: the node that moves it, as name~incarnation; NULL for nobody's.
    owner text COLLATE "C",
    -- Arrival time, milliseconds since the epoch.
    stored_ms bigint NOT NULL,
    -- Keyed hash of sender, recipient and reference; NULL for what is never taken for a repetition.
    dedupe uuid,
    -- What it is counted with against the bytes of a page.
    cost integer NOT NULL,
    -- The envelope as linker_core::envelope::encode writes it.
    body bytea NOT NULL
);
-- Compressing costs more time than it saves, and hinders reading only the beginning.
ALTER TABLE linker_message ALTER COLUMN body SET STORAGE EXTERNAL;
-- Rows come and go all the time: what is dead is to be swept before it is a fifth of the table.
ALTER TABLE linker_message SET (
    autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 5000,
    autovacuum_analyze_scale_factor = 0.05, autovacuum_analyze_threshold = 5000,
    toast.autovacuum_vacuum_scale_factor = 0.05, toast.autovacuum_vacuum_threshold = 5000
);

CREATE INDEX linker_message_inbox ON linker_message (recipient, seq);
CREATE INDEX linker_message_behind ON linker_message (recipient, seq) WHERE reason = 2;
CREATE INDEX linker_message_fault ON linker_message (seq) WHERE reason = 3;
CREATE INDEX linker_message_arrival ON linker_message (stored_ms, seq);
CREATE INDEX linker_message_dedupe ON linker_message (dedupe) WHERE dedupe IS NOT NULL;
CREATE UNIQUE INDEX linker_message_event ON linker_message (recipient, sender) WHERE class = 3;

-- The key of linker_message.dedupe: a secret of this database, so that nobody can make references collide.
CREATE TABLE linker_dedupe_key (
    id integer PRIMARY KEY CHECK (id = 1),
    key_one uuid NOT NULL,
    key_two uuid NOT NULL
);
INSERT INTO linker_dedupe_key (id, key_one, key_two) VALUES (1, gen_random_uuid(), gen_random_uuid());

-- What is written to learn whether writing works.
CREATE TABLE linker_probe (
    id integer PRIMARY KEY CHECK (id = 1),
    n bigint NOT NULL
);
INSERT INTO linker_probe (id, n) VALUES (1, 0);
