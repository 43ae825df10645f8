-- An account's sessions that go on, however many of it have ended.
CREATE INDEX sessions_live ON sessions (account_id) WHERE revoked_at IS NULL;
