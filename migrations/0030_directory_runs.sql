-- A run over a directory that fails is tried again after a while, and says why.
ALTER TABLE directory_runs ADD COLUMN attempts BIGINT NOT NULL DEFAULT 0;
ALTER TABLE directory_runs ADD COLUMN next_at BIGINT;
ALTER TABLE directory_runs ADD COLUMN last_error TEXT;
