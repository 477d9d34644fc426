"""The combination rules, one to a file; `ensembler.combiners.registry` finds them by scanning this folder."""
