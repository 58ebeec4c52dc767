"""Everything that speaks to customers: the contract, the list of kinds, one folder a kind."""
