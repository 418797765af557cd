"""The room's outside: git over HTTP, the hooks' other end, the comparison with the disk."""
