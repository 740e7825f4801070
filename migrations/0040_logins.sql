-- Logins, refused ones too: by time, and by the reference that whoever was refused was told.
CREATE INDEX changes_logins ON changes (workspace, at, id)
    WHERE kind IN ('session.started', 'login.refused');
CREATE INDEX changes_logins_by_request ON changes (workspace, request)
    WHERE kind IN ('session.started', 'login.refused');
