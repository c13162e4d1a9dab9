"""Pages to look at: self-contained HTML files that open from a file share, without a network. Never imports Dagster."""
