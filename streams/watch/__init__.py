"""The watcher, on Faust: as of when every application holds what was decided."""
