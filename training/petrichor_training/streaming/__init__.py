"""Endless voices: networks that make the next few milliseconds from the last ones, for ever."""
