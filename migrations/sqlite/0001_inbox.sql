-- Messages that wait, and whose.
--
-- Why two tables: rows arrive in one order and leave in another. An index by recipient inside one table would make every proof rewrite a page of
-- its own (measured: 65 us a row for a thousand users who return one after the other). So the short inbox entry, clustered by recipient, leaves at
-- once and decides what waits; the row leaves later, many neighbours at a time.

CREATE TABLE message (
    -- Arrival order. AUTOINCREMENT remembers the highest one ever used, also after the newest rows were deleted.
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    -- Unique: an id that is there is not inserted again.
    id BLOB NOT NULL,
    recipient TEXT NOT NULL,
    sender TEXT NOT NULL,
    -- 1 counts towards the inbox limit, 2 does not, 3 is an event of which only the newest about its sender waits.
    class INTEGER NOT NULL,
    -- 1 absent, 2 behind, 3 fault.
    reason INTEGER NOT NULL,
    -- Arrival time, milliseconds since the epoch.
    stored_ms INTEGER NOT NULL,
    -- Keyed hash of sender, recipient and reference; NULL for what is never taken for a repetition.
    dedupe INTEGER,
    -- The envelope as linker_core::envelope::encode writes it.
    body BLOB NOT NULL
);
-- With the recipient, so that what is removed by id is found in the inbox without reading the row, which is large and lies anywhere.
CREATE INDEX message_id ON message (id, recipient);
CREATE INDEX message_arrival ON message (stored_ms, dedupe);

-- An entry for every row that waits. It carries what is asked of all rows of a user, so that they need not be read.
CREATE TABLE inbox (
    recipient TEXT NOT NULL,
    seq INTEGER NOT NULL,
    class INTEGER NOT NULL,
    reason INTEGER NOT NULL,
    dedupe INTEGER,
    -- Of an event: the user it tells of.
    about TEXT,
    PRIMARY KEY (recipient, seq)
) WITHOUT ROWID;
CREATE INDEX inbox_behind ON inbox (recipient, seq) WHERE reason = 2;
CREATE UNIQUE INDEX inbox_event ON inbox (recipient, about) WHERE about IS NOT NULL;

-- Rows of message that wait no more and are still to be deleted.
CREATE TABLE removed (
    seq INTEGER PRIMARY KEY
);
CREATE TRIGGER inbox_entry_removed AFTER DELETE ON inbox BEGIN
    INSERT INTO removed (seq) VALUES (old.seq);
END;

-- The key of message.dedupe: a secret of this file, so that nobody can make references collide.
CREATE TABLE dedupe_key (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    k0 INTEGER NOT NULL,
    k1 INTEGER NOT NULL
);
INSERT INTO dedupe_key (id, k0, k1) VALUES (1, random(), random());

-- What is written to learn whether writing works.
CREATE TABLE probe (
    n INTEGER PRIMARY KEY,
    filler BLOB NOT NULL
);
