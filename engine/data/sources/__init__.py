"""Where labelled images come from: one module for each form of source."""
