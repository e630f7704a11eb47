-- Which node moves a row, so that another one can take over what that one left.

-- Of a row that waits for reason 3: the node, as name~incarnation; NULL for nobody's.
ALTER TABLE inbox ADD COLUMN owner TEXT;
CREATE INDEX inbox_fault ON inbox (seq) WHERE reason = 3;
