"""The command line: one module a command. The only layer that prints and chooses exit codes."""
