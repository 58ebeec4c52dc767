"""The commands of `forebay`, one module a group; whatever is heavy is imported by the command that needs it."""
