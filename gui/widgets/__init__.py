"""Small building blocks of the window that know nothing of models, runs or engines."""
