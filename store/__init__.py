"""All SQL: schema, group commit, leases, blobs, queries, migrations."""
