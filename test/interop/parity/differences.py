"""Why a case differs, where it is meant to."""

DIFFERENCES = {}
