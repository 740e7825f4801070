-- What a backup brings back may have been taken away since. Until somebody says otherwise it is held:
-- a token opens nothing, and a member has no rights.
ALTER TABLE credentials ADD COLUMN held_at BIGINT;
ALTER TABLE members ADD COLUMN held_at BIGINT;
