-- When the person came in to the workspace, where that was before the session began: by one that this
-- session follows.
ALTER TABLE session_members ADD COLUMN begun_at BIGINT;
