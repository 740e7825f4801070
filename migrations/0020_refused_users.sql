-- Why a User of a live directory is nobody's member, where no member stands in its way: `seat_limit`.
ALTER TABLE users ADD COLUMN refused TEXT;
