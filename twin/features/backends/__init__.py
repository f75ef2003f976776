"""The ways a sentence model is run. `twin.features.encoder` chooses among them; all give the same vectors.

`runtime` runs BERT on ONNX Runtime, over a graph that `graph` writes from the weights that `bert` reads and `converted`
keeps. `reference` runs every other model in sentence-transformers, and BERT where ONNX Runtime cannot.
"""
