"""Who may do what: accounts, sessions, tokens, limits on tries, checks of every request, and the audit log."""
