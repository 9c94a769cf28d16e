"""transform.mapping."""
