-- Where a message is to be handed over, so that what waits for one domain is found among any number that wait for another.

-- Of a row that waits for reason 4, forward: the domain its recipient lives in. Its owner is the node that hands it over; NULL for nobody's.
ALTER TABLE inbox ADD COLUMN home TEXT;
-- With the owner, so that neither finding what is left nor counting by domain reads the entries.
CREATE INDEX inbox_forward ON inbox (home, seq, owner) WHERE reason = 4;
