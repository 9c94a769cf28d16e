"""JSON text ⇄ values, by columns where nothing is lost by it: reading, writing, canonical form. Pure."""
