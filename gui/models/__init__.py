"""Qt item models over plain values of the engine: layers, decisions, recent places."""
