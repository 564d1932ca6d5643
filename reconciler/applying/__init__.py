"""The only writer: runs a plan's actions, journals them, reads them back."""
