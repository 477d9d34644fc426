"""Every committee of a set of members, exactly."""
