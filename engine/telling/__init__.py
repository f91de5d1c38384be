"""How a run is told to people: numbers, sentences, and the data of its pictures.

Window and report share it, so that both say the same. Pure functions of events and plain data: no
Qt, no Keras, no files; colours and layout belong to whoever shows.
"""
