-- When a member was told and when it came in last; none for what was before this was noted.
ALTER TABLE members ADD COLUMN invited_at BIGINT;
ALTER TABLE members ADD COLUMN activated_at BIGINT;
