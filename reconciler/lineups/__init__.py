"""From spec, catalogue and ledger to the desired state: lineups and their artifacts. Pure."""
