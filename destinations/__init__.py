"""Everything that speaks to downstream systems: the contract, the list of kinds, one folder a kind."""
