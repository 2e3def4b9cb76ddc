"""Everything nled keeps, put away and brought back; docs/store.md says what is not part of that."""
