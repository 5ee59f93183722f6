"""What `sluicegate verify` looks at: one file per kind of thing, each a function of an Inspection."""
