"""The console's page shell, components and rendering. Knows no room; docs/contributing/console.md is its guide."""
