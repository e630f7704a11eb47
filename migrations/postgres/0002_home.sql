-- Where a message is to be handed over, so that what waits for one domain is found among any number that wait for another.

-- Of a row that waits for reason 4, forward: the domain its recipient lives in. Its owner is the node that hands it over; NULL for nobody's.
ALTER TABLE linker_message ADD COLUMN home text COLLATE "C";
-- By owner: nodes that live hand over their own, and the others only look whether anything else is left.
CREATE INDEX linker_message_forward ON linker_message (home, owner, seq) WHERE reason = 4;
