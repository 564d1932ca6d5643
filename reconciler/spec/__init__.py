"""From YAML text to a frozen `Spec`, or to diagnostics. Refuses to touch the network or to resolve a secret."""
