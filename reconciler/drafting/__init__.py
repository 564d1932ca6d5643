"""First specs, written for their author: values in, YAML text out. Pure; refuses to fetch, to ask and to write files."""
