"""The law, one small module per subject. Each rule cites its id and source."""
