"""Dynamic selection: members are selected, or weighted, anew for each row, by what they got right around it."""
