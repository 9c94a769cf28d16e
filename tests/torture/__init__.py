"""Runs under fire: killed, raced, refused, starved. The stand-in's record is the truth they are held against."""
