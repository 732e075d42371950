"""What a person reads of a play: failures, narratives, summaries, tables, drawings."""
