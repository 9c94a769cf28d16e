"""transform.usage."""
