-- Lets the sweep find the sessions that have ended.
CREATE INDEX sessions_end ON sessions (idle_expires_at);
