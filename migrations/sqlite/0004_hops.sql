-- How far a message had come when it was stored, so that one that has come back is not taken for what was sent on.

-- Domains it had left. What another domain has taken is removed only where this is no more than it was then.
ALTER TABLE message ADD COLUMN hops INTEGER NOT NULL DEFAULT 0;
-- With it, so that what is removed by id is still found without reading the row.
DROP INDEX message_id;
CREATE INDEX message_id ON message (id, recipient, hops);
