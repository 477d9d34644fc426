"""The combination rules, one to a file; `ensembler.registry` finds them by scanning this folder."""
