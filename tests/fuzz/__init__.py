"""Coverage-guided fuzzing of everything that reads text somebody else wrote."""
