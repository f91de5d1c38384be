"""The stages of the window: set up, search, layers, export."""
