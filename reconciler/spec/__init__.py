"""From YAML text to a frozen `Spec`, or to diagnostics. Refuses to touch the network or to resolve a secret.

`load` for whoever goes on with the spec, `check` for whoever only wants to know, `find` for where it is. The model
is imported by `load` alone: half of a validation's time would be making its classes.
"""

from reconciler.spec.files import find, overlay_path, state_directory
from reconciler.spec.loading import check, load

__all__ = ["check", "find", "load", "overlay_path", "state_directory"]
