"""transform.json."""
